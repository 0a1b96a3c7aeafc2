use proptest::prelude::*;

use super::*;

#[test]
fn bits_behind_the_last_are_refused() {
    assert_eq!(Bitmap::from_bytes(3, vec![0b111]), Ok(Bitmap::all(3)));
    assert_eq!(Bitmap::from_bytes(3, vec![0b1000]), Err(BitmapError::Beyond(3)));
    let wrong = BitmapError::Size { len: 9, expected: 2, found: 1 };
    assert_eq!(Bitmap::from_bytes(9, vec![0]), Err(wrong));
    assert_eq!(Bitmap::from_bytes(0, vec![]), Ok(Bitmap::default()));
}

proptest! {
    #[test]
    fn a_bitmap_is_the_set_of_what_was_put_in(len in 1u32..300, picks: Vec<u32>) {
        let mut bitmap = Bitmap::none(len);
        let mut set = std::collections::BTreeSet::new();
        for pick in picks {
            prop_assert_eq!(bitmap.set(pick % len), set.insert(pick % len));
        }
        prop_assert!(bitmap.iter().eq(set.iter().copied()));
        prop_assert_eq!(bitmap.count() as usize, set.len());
        let again = Bitmap::from_bytes(len, bitmap.as_bytes().to_vec());
        prop_assert_eq!(again, Ok(bitmap));
        prop_assert!(Bitmap::all(len).is_all());
    }
}
