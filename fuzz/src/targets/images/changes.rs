//! What an image says, with some of it changed: each of its numbers, texts and lists, wherever it is, by its place in
//! the tree that it is in JSON.

use outlast_image::Snapshot;
use serde_json::Value;

use super::{judged, samples};
use crate::bytes::Bytes;

/// Where things end: of bytes, pages, ids, addresses, times.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    255,
    4095,
    4096,
    65_537,
    1 << 22,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    0x7fff_ffff_f000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 4095,
    u64::MAX,
];

/// Lists of more values than this aren't made.
const HEAVIEST: usize = 20_000;

/// A sample, then changes: which value, what is done to it, with what.
pub(crate) fn change(bytes: &[u8]) {
    if let Some((snapshot, pages)) = changed(bytes) {
        judged(&snapshot, pages);
    }
}

fn changed(bytes: &[u8]) -> Option<(Snapshot, usize)> {
    thread_local! {
        static SAMPLES: Vec<Value> = samples::snapshots()
            .iter()
            .map(|snapshot| serde_json::to_value(snapshot).expect("plain data"))
            .collect();
    }
    let mut bytes = Bytes::new(bytes);
    let mut value =
        SAMPLES.with(|samples| samples[usize::from(bytes.byte()) % samples.len()].clone());
    let pages = usize::from(bytes.below(8));
    while !bytes.is_empty() {
        let nth = usize::from(u16::from_le_bytes([bytes.byte(), bytes.byte()]));
        let (what, with) = (bytes.byte(), bytes.byte());
        let all = count(&value);
        let copy = nth_of(&mut value, usize::from(with) * 251 % all).cloned();
        if let Some(place) = nth_of(&mut value, nth % all) {
            one(place, what, with, copy);
        }
    }
    Some((serde_json::from_value(value).ok()?, pages))
}

pub(crate) fn changes() -> Vec<Vec<u8>> {
    let pages = samples::PAGES as u8;
    let mut dice = crate::dice::Dice::new(1);
    let one = |nth: u8| {
        let rest = (0..4 * usize::from(nth % 4)).map(|_| dice.number() as u8);
        [nth % 2, pages].into_iter().chain(rest).collect()
    };
    (0..40).map(one).collect()
}

fn count(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    };
    inner + 1
}

/// The nth value of a tree, itself the first.
fn nth_of(value: &mut Value, nth: usize) -> Option<&mut Value> {
    fn find<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Array(list) => list.iter_mut().find_map(|value| find(value, left)),
            Value::Object(fields) => fields.values_mut().find_map(|value| find(value, left)),
            _ => None,
        }
    }
    let mut left = nth;
    find(value, &mut left)
}

fn one(place: &mut Value, what: u8, with: u8, copy: Option<Value>) {
    let weight = count(place);
    let edge = EDGES[usize::from(with) % EDGES.len()];
    match place {
        Value::Number(number) => {
            let (old, by) = (number.as_u64().unwrap_or(0), u64::from(with % 8));
            *place = match what % 6 {
                0 => edge.into(),
                1 => old.wrapping_add(by).into(),
                2 => old.wrapping_sub(by).into(),
                3 => old.wrapping_add(by << 12).into(),
                4 => old.wrapping_sub(by << 12).into(),
                _ => (-i64::from(with)).into(),
            };
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Null => *place = copy.unwrap_or(Value::Null),
        Value::String(text) => match what % 4 {
            0 => text.push('\0'),
            1 => *text = "é".repeat(usize::from(with) * 20),
            2 => text.clear(),
            _ => *text = "/".to_owned(),
        },
        Value::Array(list) => {
            let (len, at) = (list.len(), usize::from(with) % list.len().max(1));
            match what % 6 {
                _ if len == 0 => list.extend(copy),
                0 => drop(list.remove(at)),
                1 => list.insert(at, list[at].clone()),
                2 => list.swap(at, len - 1),
                3 => list.clear(),
                4 if weight * usize::from(with) < HEAVIEST => {
                    *list = list.iter().cycle().take(len * usize::from(with)).cloned().collect();
                }
                _ => list.truncate(at),
            }
        }
        Value::Object(_) => {
            *place = if what.is_multiple_of(4) { Value::Null } else { copy.unwrap_or(Value::Null) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dice::Dice, mutate};

    #[test]
    fn some_changes_pass_the_judge_and_some_do_not() {
        let (mut dice, known) = (Dice::new(1), changes());
        let mut judgements = [0; 3];
        for _ in 0..400 {
            let input = mutate::mutate(&mut dice, &known, &[], 64);
            let judgement = match changed(&input) {
                None => 0,
                Some((snapshot, pages)) if snapshot.validate(pages).is_err() => 1,
                Some(_) => 2,
            };
            judgements[judgement] += 1;
        }
        assert!(judgements.iter().all(|count| *count >= 40), "{judgements:?}");
    }
}
