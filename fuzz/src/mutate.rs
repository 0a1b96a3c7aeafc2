//! New inputs from known ones.

use crate::dice::Dice;

/// Changes made to one input, at most.
const CHANGES: usize = 6;

/// Lengths and numbers at the edges, as postcard writes them: 7 bits a byte, the lowest first.
const NUMBERS: &[&[u8]] = &[
    &[0x00],
    &[0x7f],
    &[0x80, 0x01],
    &[0xff, 0xff, 0x03],
    &[0x80, 0x80, 0x80, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
];

/// The same in formats with numbers of a fixed size.
const FIXED: &[u32] =
    &[0, 1, 0x7fff, 0xffff, 1 << 16, 4 << 20, (4 << 20) + 1, i32::MAX as u32, u32::MAX];

/// Numbers as texts have them.
const TEXTS: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "1e999",
    "nan",
    "inf",
    "-0",
    "0.1",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
];

/// A new input.
pub(crate) fn mutate(dice: &mut Dice, known: &[Vec<u8>], words: &[&str], limit: usize) -> Vec<u8> {
    if dice.below(32) == 0 {
        let length = dice.below(64);
        return (0..length).map(|_| dice.number() as u8).collect();
    }
    let mut input = dice.pick(known).cloned().unwrap_or_default();
    for _ in 0..=dice.below(CHANGES) {
        change(dice, &mut input, known, words);
    }
    input.truncate(limit);
    input
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, known: &[Vec<u8>], words: &[&str]) {
    let at = dice.below(input.len() + 1);
    match dice.below(13) {
        0 => flip(dice, input),
        1 => input.truncate(at),
        2 => drop(input.drain(span(dice, input.len()))),
        3 => {
            let copy = input[span(dice, input.len())].to_vec();
            put(input, at, 0, &copy);
        }
        4 => {
            // Splice: the beginning of one, the end of another.
            let other = dice.pick(known).cloned().unwrap_or_default();
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        5 => {
            let other = dice.pick(known).cloned().unwrap_or_default();
            let part = &other[span(dice, other.len())];
            put(input, at, part.len(), part);
        }
        6 => {
            let number = dice.pick(NUMBERS).copied().unwrap_or_default();
            // In place of a length, or shifting what follows.
            let over = dice.below(3);
            put(input, at, over, number);
        }
        7 => {
            let number = dice.pick(FIXED).copied().unwrap_or_default();
            let number =
                if dice.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            put(input, at, 4, &number);
        }
        8 | 9 if !words.is_empty() => {
            let word = dice.pick(words).copied().unwrap_or_default();
            put(input, at, 0, word.as_bytes());
        }
        10 => number_in_text(dice, input),
        11 => {
            let byte = dice.number() as u8;
            let most = if dice.below(16) == 0 { 300 } else { 4 };
            let count = 1 + dice.below(most);
            put(input, at, 0, &vec![byte; count]);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = dice.number() as u8;
            }
        }
    }
}

fn flip(dice: &mut Dice, input: &mut [u8]) {
    let at = dice.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

/// Mostly short.
fn span(dice: &mut Dice, length: usize) -> std::ops::Range<usize> {
    let start = dice.below(length + 1);
    let most = if dice.below(4) == 0 { length } else { 16 };
    let end = start + dice.below(most.min(length - start) + 1);
    start..end
}

/// `part` at a place, over so many bytes that were there.
fn put(input: &mut Vec<u8>, at: usize, over: usize, part: &[u8]) {
    let end = (at + over).min(input.len());
    input.splice(at..end, part.iter().copied());
}

/// Another number in place of one that is written in digits.
fn number_in_text(dice: &mut Dice, input: &mut Vec<u8>) {
    let from = dice.below(input.len() + 1);
    let Some(start) = input[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else {
        return;
    };
    let digits = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = dice.pick(TEXTS).copied().unwrap_or_default();
    put(input, start, digits, text.as_bytes());
}
