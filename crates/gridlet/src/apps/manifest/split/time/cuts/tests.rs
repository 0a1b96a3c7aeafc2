use proptest::prelude::*;

use super::*;

/// `k` a key frame, `.` another; numbers are when they are shown.
fn film(text: &str) -> Vec<Packet> {
    let packet = |word: &str| Packet {
        pts: word.trim_start_matches('k').parse().unwrap(),
        key: word.starts_with('k'),
    };
    text.split_whitespace().map(packet).collect()
}

#[test]
fn closed_groups_are_cut_at_their_key_frame() {
    let film = film("k0 3 1 2 k4 7 5 6 k8");
    let cuts = possible(&film, 1);
    assert_eq!(cuts, [Cut { at: 4, from: 4 }, Cut { at: 8, from: 8 }]);
}

#[test]
fn an_open_group_brings_the_one_before_along() {
    let film = film("k0 3 1 2 k6 4 5 9 7 8 k12 10 11");
    let cuts = possible(&film, 1);
    assert_eq!(cuts, [Cut { at: 4, from: 0 }, Cut { at: 10, from: 4 }]);
    let parts = parts(&film, &cuts);
    assert_eq!(parts[1], Part { packets: 4..10, from: 0, first_pts: 4, last_before: Some(3) });
    assert_eq!(parts[2], Part { packets: 10..13, from: 4, first_pts: 10, last_before: Some(9) });
    let passes = passes(film.len(), &parts);
    assert_eq!(passes[0], Pass { borders: vec![4], files: vec![(0, 0), (2, 1)] });
    assert_eq!(passes[1], Pass { borders: vec![10], files: vec![(1, 0)] });
}

#[test]
fn nothing_is_cut_where_pictures_of_both_sides_mix() {
    assert_eq!(possible(&film("k0 5 1 k3 4 2"), 1), []);
    assert_eq!(possible(&film("k0 1 2 3"), 1), []);
    assert_eq!(possible(&film("0 1 k2 3"), 1), [], "nothing before the first key frame is decoded");
    assert_eq!(possible(&[], 1), []);
    assert_eq!(possible(&film("k0 1 k2 3"), 2), [], "too close to each other");
}

#[test]
fn closed_cuts_are_preferred_to_open_ones() {
    let film = film("k0 1 2 3 k6 4 5 7 k8 9 10 11");
    let cuts = possible(&film, 1);
    assert_eq!(cuts.len(), 2);
    assert_eq!(choose(film.len(), &cuts, 2), [Cut { at: 8, from: 8 }]);
}

/// A film of groups: each a key frame and a few pictures shown in another order than decoded, of which
/// some are shown before the key frame.
fn groups() -> impl Strategy<Value = Vec<Packet>> {
    proptest::collection::vec((0usize..3, 0usize..7, 1i64..4), 1..30).prop_map(|groups| {
        let mut film = Vec::new();
        let mut at = 0;
        for (lead, more, tick) in groups {
            let lead = if film.is_empty() { 0 } else { lead };
            film.push(Packet { pts: at + lead as i64 * tick, key: true });
            film.extend((0..lead).map(|k| Packet { pts: at + k as i64 * tick, key: false }));
            let behind = (1..=more).rev().map(|k| at + (lead + k) as i64 * tick);
            film.extend(behind.map(|pts| Packet { pts, key: false }));
            at += (lead + more + 1) as i64 * tick;
        }
        film
    })
}

proptest! {
    #[test]
    fn parts_are_all_of_the_film_and_nothing_twice(film in groups(), want in 1usize..12) {
        let cuts = choose(film.len(), &possible(&film, 1), want);
        let parts = parts(&film, &cuts);
        prop_assert!(parts.len() <= want);
        let mut next = 0;
        let mut shown = i64::MIN;
        for part in &parts {
            prop_assert_eq!(part.packets.start, next);
            prop_assert!(!part.packets.is_empty());
            next = part.packets.end;
            prop_assert!(film[part.from].key && film[part.packets.start].key);
            let keys = film[part.from..part.packets.start].iter().filter(|packet| packet.key);
            prop_assert!(keys.count() <= 1);
            let pts: Vec<i64> = film[part.packets.clone()].iter().map(|p| p.pts).collect();
            prop_assert!(*pts.iter().min().unwrap() > shown);
            prop_assert_eq!(*pts.iter().min().unwrap(), part.first_pts);
            prop_assert_eq!(part.last_before.unwrap_or(i64::MIN), shown);
            shown = *pts.iter().max().unwrap();
        }
        prop_assert_eq!(next, film.len());
    }

    #[test]
    fn every_part_is_in_one_file_with_what_it_brings_along(film in groups(), want in 1usize..12) {
        let cuts = choose(film.len(), &possible(&film, 1), want);
        let parts = parts(&film, &cuts);
        let mut seen = Vec::new();
        for pass in passes(film.len(), &parts) {
            let starts: Vec<usize> = [0].into_iter().chain(pass.borders.iter().copied()).collect();
            for (part, file) in pass.files {
                let end = starts.get(file + 1).copied().unwrap_or(film.len());
                prop_assert_eq!((starts[file], end), (parts[part].from, parts[part].packets.end));
                seen.push(part);
            }
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..parts.len()).collect::<Vec<_>>());
    }
}
