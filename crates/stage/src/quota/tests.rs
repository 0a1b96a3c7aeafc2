use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn member(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

#[test]
fn bytes_are_written_for_people() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (GIB * 301 / 10, "30.1 GiB"),
        (u64::MAX, "16 EiB"),
    ] {
        assert_eq!(Bytes(bytes).to_string(), text);
    }
}

#[test]
fn a_refusal_says_what_there_is_and_what_may_be() {
    let mut accounts = Accounts::new(Share { slots: Some(4), ..Share::default() });
    let stored = |stored| Use { slots: 0, stored };
    accounts.charge(member(0xab), stored(GIB * 301 / 10)).unwrap();
    let over = accounts.charge(member(0xab), stored(4 * GIB)).unwrap_err();
    let text = "member ababababab has 30.1 GiB here, asked for 4 GiB more, at most 32 GiB";
    assert_eq!(over.to_string(), text);
    let over = accounts.charge(member(1), Use { slots: 5, stored: 0 }).unwrap_err();
    let text = "member 0101010101 has 0 slots here, asked for 5 more, at most 4";
    assert_eq!(over.to_string(), text);
    assert_eq!(accounts.iter().count(), 1, "a refused charge opens no account");
}

#[test]
fn a_smaller_share_gives_nothing_more_and_takes_nothing_away() {
    let mut accounts = Accounts::new(Share { slots: None, stored: 10 });
    accounts.charge(member(1), Use { slots: 9, stored: 8 }).unwrap();
    accounts.set_share(Share { slots: Some(2), stored: 5 });
    assert!(accounts.charge(member(1), Use { slots: 1, stored: 0 }).is_err());
    assert!(accounts.charge(member(1), Use { slots: 0, stored: 1 }).is_err());
    assert_eq!(accounts.charge(member(1), Use::default()), Ok(()));
    assert_eq!(accounts.used(&member(1)), Use { slots: 9, stored: 8 });
}

#[test]
fn each_bound_of_a_step_is_kept_and_named() {
    let bounds =
        Bounds { input_bytes: 5, written_bytes: 6, files: 7, run_time: Duration::from_secs(8) };
    assert_eq!(bounds.check_inputs(5), Ok(()));
    let text = |over: Result<(), OverBound>| over.unwrap_err().to_string();
    let inputs = "the job has 6 B of inputs; this node takes at most 5 B for one job";
    assert_eq!(text(bounds.check_inputs(6)), inputs);
    let second = Duration::from_secs(1);
    assert_eq!(bounds.check_step(6, 7, 8 * second), Ok(()));
    let written = "the program wrote 7 B; this node allows at most 6 B";
    assert_eq!(text(bounds.check_step(7, 7, second)), written);
    let files = "the program made 8 files; this node allows at most 7";
    assert_eq!(text(bounds.check_step(6, 8, second)), files);
    let time = "the program ran for 9 s; this node allows at most 8 s";
    assert_eq!(text(bounds.check_step(6, 7, 9 * second)), time);
}

proptest! {
    #[test]
    fn nobody_exceeds_his_share_and_all_is_given_back(
        charges in prop::collection::vec((0u8..3, 0u32..4, 0u64..40, any::<bool>()), 0..100)
    ) {
        let mut accounts = Accounts::new(Share { slots: Some(8), stored: 100 });
        let mut held = Vec::new();
        for (who, slots, stored, back) in charges {
            let more = Use { slots, stored };
            let before = accounts.used(&member(who));
            if accounts.charge(member(who), more).is_ok() {
                held.push((who, more));
            } else {
                prop_assert_eq!(accounts.used(&member(who)), before);
            }
            if back && let Some((who, less)) = held.pop() {
                accounts.release(&member(who), less);
            }
            for (_, uses) in accounts.iter() {
                prop_assert!(uses != Use::default() && uses.slots <= 8 && uses.stored <= 100);
            }
        }
        for (who, less) in held {
            accounts.release(&member(who), less);
        }
        prop_assert_eq!(accounts.iter().count(), 0);
    }
}
