use proptest::prelude::*;

use super::*;

#[test]
fn golden() {
    // The empty input, from BLAKE3's own test vectors.
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(Hash::of(b"").to_string(), empty);
    assert_eq!(empty.parse(), Ok(Hash::of(b"")));
    assert_eq!(empty.to_uppercase().parse(), Ok(Hash::of(b"")));
    assert_eq!(format!("{:?}", Hash::of(b"")), empty[..10]);
    assert_eq!(Hash::from(blake3::hash(b"x")), Hash::of(b"x"));
}

#[test]
fn what_is_no_hash_is_shown() {
    for text in ["", "af13", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
        let error = text.parse::<Hash>().unwrap_err().to_string();
        assert_eq!(error, format!("expected a hash of 64 hexadecimal digits, found `{text}`"));
    }
}

proptest! {
    #[test]
    fn text_and_back(bytes: [u8; 32]) {
        let hash = Hash::from_bytes(bytes);
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        prop_assert_eq!(hash.as_bytes(), &bytes);
    }

    #[test]
    fn no_text_panics(text: String) {
        prop_assert!(text.parse::<Hash>().is_err());
    }
}
