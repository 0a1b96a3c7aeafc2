use proptest::prelude::*;

use super::*;

fn hash(number: u8) -> Hash {
    Hash::from_bytes([number; 32])
}

fn at(micros: u64) -> Time {
    Time::from_micros(micros)
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut cache = Cache::<u8>::new(30);
    for number in 1..=3 {
        cache.insert(hash(number), 10, at(number.into()));
    }
    assert_eq!(cache.make_room(0), Ok(vec![]));
    cache.touch(&hash(1), at(9));
    assert_eq!(cache.make_room(11), Ok(vec![hash(2), hash(3)]));
    assert_eq!((cache.len(), cache.kept_bytes()), (1, 10));
    cache.set_limit(5);
    assert_eq!(cache.make_room(0), Ok(vec![hash(1)]));
}

#[test]
fn what_is_needed_stays_and_the_refusal_says_so() {
    const GIB: u64 = 1 << 30;
    let mut cache = Cache::new(10 * GIB);
    // Before it is here, and by two.
    cache.pin("a", hash(1));
    cache.pin("b", hash(1));
    cache.insert(hash(1), 6 * GIB, at(1));
    cache.insert(hash(2), GIB, at(2));
    assert_eq!(cache.reserve(hash(3), 2 * GIB), Ok(vec![]));
    let full = cache.make_room(3 * GIB).unwrap_err();
    let text = "no room for 3 GiB: of 10 GiB, 8 GiB are needed by jobs or on their way; raise the \
                limit ([storage] in the configuration), or wait until jobs are over";
    assert_eq!(full.to_string(), text);
    assert_eq!(cache.len(), 2, "a refusal evicts nothing");
    assert_eq!(cache.make_room(2 * GIB), Ok(vec![hash(2)]));
    cache.unpin(&"a");
    assert!(cache.is_pinned(&hash(1)));
    cache.unpin(&"b");
    assert_eq!(cache.make_room(8 * GIB), Ok(vec![hash(1)]));
    assert!(cache.make_room(u64::MAX).is_err());
}

#[test]
fn reserved_room_is_taken_once_and_given_back_once() {
    let mut cache = Cache::<u8>::new(10);
    assert_eq!(cache.reserve(hash(1), 6), Ok(vec![]));
    assert_eq!(cache.reserve(hash(1), 6), Ok(vec![]));
    assert_eq!(cache.reserved_bytes(), 6);
    assert!(cache.reserve(hash(2), 5).is_err());
    cache.commit(hash(1), at(1));
    assert_eq!((cache.reserved_bytes(), cache.kept_bytes()), (0, 6));
    assert_eq!(cache.reserve(hash(2), 5), Ok(vec![hash(1)]));
    cache.release(&hash(2));
    cache.release(&hash(2));
    cache.commit(hash(2), at(2));
    assert_eq!((cache.reserved_bytes(), cache.kept_bytes()), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u64),
    Forget(u8),
    Touch(u8),
    Pin(u8, u8),
    Unpin(u8),
    Room(u64),
    Reserve(u8, u64),
    Commit(u8),
    Release(u8),
    Limit(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let hash = 0u8..12;
    let bytes = 0u64..40;
    prop_oneof![
        1 => (hash.clone(), bytes.clone()).prop_map(|(h, b)| Step::Insert(h, b)),
        1 => hash.clone().prop_map(Step::Forget),
        3 => hash.clone().prop_map(Step::Touch),
        3 => (0u8..3, hash.clone()).prop_map(|(holder, h)| Step::Pin(holder, h)),
        1 => (0u8..3).prop_map(Step::Unpin),
        2 => bytes.clone().prop_map(Step::Room),
        4 => (hash.clone(), bytes).prop_map(|(h, b)| Step::Reserve(h, b)),
        3 => hash.clone().prop_map(Step::Commit),
        1 => hash.prop_map(Step::Release),
        1 => (50u64..150).prop_map(Step::Limit),
    ]
}

proptest! {
    #[test]
    fn pinned_stays_and_an_ok_keeps_the_limit(
        steps in prop::collection::vec(any_step(), 1..200)
    ) {
        let mut cache = Cache::<u8>::new(100);
        // A model: what is kept with its last use, in the order of reckoning.
        let mut kept: BTreeMap<Hash, (u64, u64)> = BTreeMap::new();
        let mut pins: BTreeSet<(u8, Hash)> = BTreeSet::new();
        let mut reserved: BTreeMap<Hash, u64> = BTreeMap::new();
        for (now, step) in steps.into_iter().enumerate() {
            let now = now as u64;
            let pinned = |pins: &BTreeSet<(u8, Hash)>, h: &Hash| pins.iter().any(|p| p.1 == *h);
            let mut outcome = None;
            match step {
                Step::Insert(h, bytes) => {
                    cache.insert(hash(h), bytes, at(now));
                    reserved.remove(&hash(h));
                    kept.insert(hash(h), (now, bytes));
                }
                Step::Forget(h) => {
                    cache.forget(&hash(h));
                    kept.remove(&hash(h));
                }
                Step::Touch(h) => {
                    cache.touch(&hash(h), at(now));
                    if let Some(entry) = kept.get_mut(&hash(h)) {
                        entry.0 = now;
                    }
                }
                Step::Pin(holder, h) => {
                    cache.pin(holder, hash(h));
                    pins.insert((holder, hash(h)));
                }
                Step::Unpin(holder) => {
                    cache.unpin(&holder);
                    pins.retain(|pin| pin.0 != holder);
                }
                Step::Room(bytes) => outcome = Some((cache.make_room(bytes), bytes, None)),
                Step::Reserve(h, bytes) => {
                    let h = hash(h);
                    let new = !kept.contains_key(&h) && !reserved.contains_key(&h);
                    let done = cache.reserve(h, bytes);
                    if new {
                        outcome = Some((done, bytes, Some(h)));
                    } else {
                        prop_assert_eq!(done, Ok(vec![]));
                    }
                }
                Step::Commit(h) => {
                    cache.commit(hash(h), at(now));
                    if let Some(bytes) = reserved.remove(&hash(h)) {
                        kept.insert(hash(h), (now, bytes));
                    }
                }
                Step::Release(h) => {
                    cache.release(&hash(h));
                    reserved.remove(&hash(h));
                }
                Step::Limit(limit) => cache.set_limit(limit),
            }
            if let Some((done, bytes, reserve)) = outcome {
                let held: u64 = kept
                    .iter()
                    .filter(|(h, _)| pinned(&pins, h))
                    .map(|(_, entry)| entry.1)
                    .chain(reserved.values().copied())
                    .sum();
                prop_assert_eq!(done.is_ok(), held + bytes <= cache.limit());
                for gone in done.iter().flatten() {
                    prop_assert!(!pinned(&pins, gone), "evicted what is pinned");
                    let used = kept.remove(gone).map(|entry| entry.0);
                    let older = kept.iter().filter(|(h, _)| !pinned(&pins, h));
                    let oldest = older.map(|(_, entry)| Some(entry.0)).min();
                    prop_assert!(used.is_some() && oldest.is_none_or(|oldest| used <= oldest));
                }
                if done.is_ok() {
                    reserved.extend(reserve.map(|h| (h, bytes)));
                    let used = cache.kept_bytes() + cache.reserved_bytes();
                    let room = if reserve.is_some() { 0 } else { bytes };
                    prop_assert!(used + room <= cache.limit());
                }
            }
            let bytes: u64 = kept.values().map(|entry| entry.1).sum();
            prop_assert_eq!((cache.kept_bytes(), cache.len()), (bytes, kept.len()));
            prop_assert_eq!(cache.reserved_bytes(), reserved.values().sum::<u64>());
        }
    }
}
