use proptest::prelude::*;

use super::*;

#[test]
fn golden() {
    let node = NodeId::from_bytes([0xa1; 32]);
    assert_eq!(node.to_string(), "a1".repeat(32));
    assert_eq!(node.short(), "a1a1a1a1a1");
    assert_eq!(format!("{node:?}"), node.short());
    assert_eq!("A1".repeat(32).parse(), Ok(node));
    assert_eq!(JobId::from_u64(0x1f).to_string(), "000000000000001f");
    assert_eq!("000000000000001F".parse(), Ok(JobId::from_u64(0x1f)));
    assert_eq!(format!("{} {} {}", GridletId(1), CellId(2), Attempt(3)), "1 2 3");
}

#[test]
fn what_is_no_id_is_shown_with_what_was_expected() {
    for text in ["", "a1", &"a".repeat(63), &"g".repeat(64), &"a".repeat(66)] {
        let error = text.parse::<NodeId>().unwrap_err().to_string();
        let expected = "expected a node's key of 64 hexadecimal digits";
        assert_eq!(error, format!("{expected}, found `{text}`"));
    }
    // A sign and blanks are what `from_str_radix` or a person would let pass.
    for text in ["", "1f", "+00000000000001f", " 00000000000001f", "0000000000000001f"] {
        let error = text.parse::<JobId>().unwrap_err().to_string();
        assert_eq!(error, format!("expected a job id of 16 hexadecimal digits, found `{text}`"));
    }
}

proptest! {
    #[test]
    fn text_and_back(bytes: [u8; 32], number: u64) {
        let (node, job) = (NodeId::from_bytes(bytes), JobId::from_u64(number));
        prop_assert_eq!(node.to_string().parse(), Ok(node));
        prop_assert_eq!(job.to_string().parse(), Ok(job));
        prop_assert_eq!((node.as_bytes(), job.as_u64()), (&bytes, number));
    }

    #[test]
    fn ids_are_ordered_as_their_texts(a: [u8; 32], b: [u8; 32], x: u64, y: u64) {
        let (a, b) = (NodeId::from_bytes(a), NodeId::from_bytes(b));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        let (x, y) = (JobId::from_u64(x), JobId::from_u64(y));
        prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
    }

    #[test]
    fn no_text_panics(text: String) {
        prop_assert!(text.parse::<NodeId>().is_err());
        let _ = text.parse::<JobId>();
    }
}
