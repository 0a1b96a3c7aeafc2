use proptest::prelude::*;

use super::*;

fn file(path: &str) -> Entry {
    sized(path, path.len() as u64)
}

fn sized(path: &str, length: u64) -> Entry {
    let kind = Kind::File { hash: Hash::of(path.as_bytes()), length, executable: false };
    Entry { path: path.to_owned(), kind }
}

fn link(path: &str, target: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Symlink { target: target.to_owned() } }
}

fn folder(path: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Folder }
}

fn tree(entries: Vec<Entry>) -> Result<Tree, TreeError> {
    Tree::new(entries, &Limits::default())
}

/// The entries as another node's list, in just this order.
fn listed(entries: Vec<Entry>) -> Result<Tree, TreeError> {
    let frame = wire::encode(&entries, usize::MAX).unwrap();
    Tree::decode(&frame, &Limits::default())
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.entries().iter().map(|entry| entry.path.as_str()).collect()
}

/// Changes with the format: then the frames' version has to.
#[test]
fn golden() {
    let hash = Hash::from_bytes([0xaa; 32]);
    let kind = Kind::File { hash, length: 300, executable: true };
    let tree = tree(vec![Entry { path: "a/b".into(), kind }, link("c", "a")]).unwrap();
    let hex: String = tree.encode().unwrap().iter().map(|b| format!("{b:02x}")).collect();
    let file = format!("03612f6200{}ac0201", "aa".repeat(32));
    assert_eq!(hex, format!("0103{}{file}{}", "016102", "0163010161"));
}

#[test]
fn folders_that_something_lies_in_are_added_and_come_first() {
    let tree = tree(vec![file("b/c/d"), file("a-b"), file("a/x"), folder("b"), file("b/a")]);
    assert_eq!(paths(&tree.unwrap()), ["a", "a/x", "a-b", "b", "b/a", "b/c", "b/c/d"]);
}

#[test]
fn paths_that_leave_or_confuse_the_folder_are_refused() {
    let long = "x/".repeat(limits::PATH_BYTES / 2) + "x";
    let name = "x".repeat(NAME_BYTES + 1);
    for (path, expected) in [
        ("", PathError::Empty),
        ("a//b", PathError::Empty),
        ("a/", PathError::Empty),
        ("/a", PathError::Absolute),
        ("..", PathError::Dots),
        ("a/../b", PathError::Dots),
        ("./a", PathError::Dots),
        ("a\0b", PathError::Nul),
        (&long, PathError::Long(long.len())),
        (&name, PathError::LongName(name.len())),
    ] {
        let error = TreeError::Path { path: path.to_owned(), error: expected };
        assert_eq!(tree(vec![file(path)]), Err(error.clone()));
        assert_eq!(listed(vec![file(path)]), Err(error));
    }
    for path in ["a", "...", "a\\b", "ü", "-rf", "a b", &name[1..], &long[2..]] {
        assert!(tree(vec![file(path)]).is_ok(), "{path}");
    }
}

#[test]
fn nothing_lies_in_a_file_or_a_link_or_in_what_is_not_listed() {
    let wrong = |path: &str, above: &str| {
        Err(TreeError::NotInFolder { path: path.to_owned(), above: above.to_owned() })
    };
    assert_eq!(tree(vec![file("a"), file("a/b")]), wrong("a/b", "a"));
    assert_eq!(tree(vec![link("a", "."), file("a/b")]), wrong("a/b", "a"));
    assert_eq!(tree(vec![link("a", "c"), folder("c"), file("a/b/c")]), wrong("a/b", "a"));
    assert_eq!(listed(vec![file("a/b")]), wrong("a/b", "a"));
    assert_eq!(listed(vec![folder("a"), file("b/c")]), wrong("b/c", "b"));
    assert_eq!(listed(vec![folder("a"), folder("a/b"), file("a/bc/d")]), wrong("a/bc/d", "a/bc"));
}

#[test]
fn a_list_has_one_order_and_nothing_twice() {
    let twice = TreeError::Twice { path: "a".into() };
    assert_eq!(tree(vec![file("a"), link("a", "b")]), Err(twice.clone()));
    assert_eq!(listed(vec![file("a"), file("a")]), Err(twice));
    let order = TreeError::Order { path: "a".into(), before: "b".into() };
    assert_eq!(listed(vec![file("b"), file("a")]), Err(order));
    // By bytes it would be the other way round.
    assert!(listed(vec![folder("a"), file("a/b"), file("a-b")]).is_ok());
}

#[test]
fn links_lead_inside() {
    for (path, target) in [
        ("a", "."),
        ("a", "b"),
        ("d/a", "../b"),
        ("d/a", ".."),
        ("d/e/a", "../../d/./x//y/../z/"),
        ("a", "missing/../b"),
    ] {
        assert!(tree(vec![link(path, target)]).is_ok(), "{path} -> {target}");
    }
    let long = "x".repeat(limits::PATH_BYTES + 1);
    for (path, target, error) in [
        ("a", "", LinkError::Empty),
        ("a", "/etc/passwd", LinkError::Absolute),
        ("a", "b\0", LinkError::Nul),
        ("a", "..", LinkError::Outside),
        ("d/a", "../../b", LinkError::Outside),
        ("a", "missing/../../b", LinkError::Outside),
        ("a", "a", LinkError::Circle),
        ("a", "b/../a", LinkError::Circle),
        ("d/a", "../d/a/x", LinkError::Circle),
        ("a", &long, LinkError::Long(long.len())),
    ] {
        let expected = TreeError::Link { path: path.into(), target: target.into(), error };
        assert_eq!(tree(vec![link(path, target), folder("b")]), Err(expected));
    }
}

/// By its text `x/..` is the job's folder; on the disk it is above `d/e`.
#[test]
fn links_are_followed_as_the_file_system_does() {
    let to = |target| tree(vec![link("x", "d/e"), folder("d/e"), link("d/a", target)]);
    assert!(to("../x/../..").is_ok());
    assert!(matches!(to("../x/../../.."), Err(TreeError::Link { .. })));
    // The other way: its text stays inside, its way doesn't.
    let entries = vec![folder("d/e"), link("d/up", ".."), link("a", "d/up/..")];
    let outside =
        TreeError::Link { path: "a".into(), target: "d/up/..".into(), error: LinkError::Outside };
    assert_eq!(tree(entries), Err(outside));
}

#[test]
fn links_over_links_end_somewhere_and_soon() {
    let circle = |path: &str, target: &str| {
        let error = LinkError::Circle;
        Err(TreeError::Link { path: path.into(), target: target.into(), error })
    };
    assert_eq!(tree(vec![link("a", "b"), link("b", "c"), link("c", "a")]), circle("a", "b"));
    let chain = |length: u32| {
        let one = |n| link(&format!("{n:03}"), &format!("{:03}", n + 1));
        tree((0..length).map(one).collect())
    };
    assert!(chain(LINKS).is_ok());
    assert_eq!(chain(LINKS + 1), circle("000", "001"));
    // Each has both ways of the next one: 2^40 ways, followed once each.
    let double = |n| link(&format!("{n:03}"), &format!("{0:03}/../{0:03}", n + 1));
    let doubled = tree((0..39).map(double).collect());
    assert!(matches!(doubled, Err(TreeError::Link { error: LinkError::Circle, .. })));
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let limits = Limits { entries: 3, file_bytes: 10, total_bytes: 15 };
    let new = |entries| Tree::new(entries, &limits).map(|tree| tree.bytes());
    assert_eq!(new(vec![sized("a", 10), sized("b", 5)]), Ok(15));
    let size = TreeError::FileSize { path: "a".into(), found: 11, limit: 10 };
    assert_eq!(new(vec![sized("a", 11)]), Err(size));
    let total = Err(TreeError::Total { limit: 15 });
    assert_eq!(new(vec![sized("a", 10), sized("b", 6)]), total);
    let entries = Err(TreeError::Entries { found: 4, limit: 3 });
    assert_eq!(new(vec![file("a/b/c/d")]), entries);
    let all = Limits { total_bytes: u64::MAX, file_bytes: u64::MAX, ..limits };
    let huge = Tree::new(vec![sized("a", u64::MAX), sized("b", 1)], &all);
    assert!(matches!(huge, Err(TreeError::FileSize { .. })));

    let mut other = file("b");
    other.kind = Kind::File { hash: Hash::of(b"a"), length: 7, executable: false };
    let two = TreeError::TwoLengths { path: "b".into(), found: 7, expected: 1 };
    assert_eq!(tree(vec![file("a"), other]), Err(two));
}

#[test]
fn blobs_are_fetched_once_and_empty_ones_never() {
    let mut copy = file("a");
    copy.path = "b".into();
    let tree = tree(vec![file("a"), copy, sized("empty", 0)]).unwrap();
    assert_eq!(tree.blobs().into_iter().collect::<Vec<_>>(), [(Hash::of(b"a"), 1)]);
    assert_eq!(tree.bytes(), 2);
}

fn wood() -> Tree {
    tree(vec![
        file("bin/tool"),
        file("lib/a/one"),
        file("lib/a/two"),
        file("lib/b"),
        link("lib/c", "../lib/d/../b"),
        folder("lib/d"),
        link("latest", "current"),
        link("current", "lib/a"),
        link("dangling", "out/result"),
        file("top"),
    ])
    .unwrap()
}

fn needs(names: &[&str]) -> Vec<String> {
    let tree = wood().needs(names).unwrap();
    // What is needed is a tree itself.
    assert_eq!(Tree::decode(&tree.encode().unwrap(), &Limits::default()), Ok(tree.clone()));
    paths(&tree).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_step_gets_what_it_names_with_what_that_needs() {
    assert_eq!(needs(&[]), [""; 0]);
    assert_eq!(needs(&["top"]), ["top"]);
    assert_eq!(needs(&["./bin/tool"]), ["bin", "bin/tool"]);
    assert_eq!(needs(&["lib/a/"]), ["lib", "lib/a", "lib/a/one", "lib/a/two"]);
    // By a link: the link, the one that it leads over, and the end.
    let latest = ["current", "latest", "lib", "lib/a", "lib/a/one", "lib/a/two"];
    assert_eq!(needs(&["latest"]), latest);
    assert_eq!(needs(&["latest/one"]), latest);
    // The way of a link needs the folders that it goes through.
    assert_eq!(needs(&["lib/c"]), ["lib", "lib/b", "lib/c", "lib/d"]);
    assert_eq!(needs(&["dangling"]), ["dangling"]);
    assert_eq!(needs(&["."]).len(), wood().entries().len());
}

#[test]
fn what_is_needed_must_be_there() {
    for name in ["nothing", "lib/nothing", "top/x", "dangling/dangling", "out/result"] {
        assert_eq!(wood().needs([name]), Err(NeedError::Unknown(name.into())));
    }
    for (name, error) in
        [("../top", LinkError::Outside), ("/top", LinkError::Absolute), ("", LinkError::Empty)]
    {
        assert_eq!(wood().needs([name]), Err(NeedError::Name { name: name.into(), error }));
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "a-b", ".."]);
    let path = prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let target = path.clone();
    (path, 0..4u8, target).prop_map(|(path, kind, target)| match kind {
        0 | 1 => file(&path),
        2 => folder(&path),
        _ => link(&path, &target),
    })
}

proptest! {
    #[test]
    fn every_tree_arrives_and_every_part_of_it_is_a_tree(
        entries in prop::collection::vec(any_entry(), 0..12), names: Vec<prop::sample::Index>
    ) {
        let Ok(tree) = tree(entries) else { return Ok(()) };
        let again = Tree::decode(&tree.encode().unwrap(), &Limits::default());
        prop_assert_eq!(again, Ok(tree.clone()));
        if tree.entries().is_empty() {
            return Ok(());
        }
        let names: Vec<&str> =
            names.iter().map(|n| n.get(tree.entries()).path.as_str()).collect();
        let part = tree.needs(&names).unwrap();
        let again = Tree::decode(&part.encode().unwrap(), &Limits::default());
        prop_assert_eq!(again, Ok(part.clone()));
        for entry in part.entries() {
            prop_assert_eq!(tree.get(&entry.path), Some(entry));
        }
        for name in names {
            prop_assert!(part.get(name).is_some());
        }
        // What is needed of the part alone is all of it that was needed before.
        prop_assert_eq!(part.needs(paths(&part)), Ok(part.clone()));
    }

    /// Laid out on a disk nothing ends up outside: asked of a file system that is written down here
    /// once more, by texts.
    #[test]
    fn no_link_of_a_tree_leads_outside(entries in prop::collection::vec(any_entry(), 0..12)) {
        let Ok(tree) = tree(entries) else { return Ok(()) };
        for entry in tree.entries() {
            let mut todo: Vec<String> = entry.path.split('/').rev().map(str::to_owned).collect();
            let mut at: Vec<String> = Vec::new();
            let mut steps = 0;
            while let Some(name) = todo.pop() {
                steps += 1;
                prop_assert!(steps < 10_000, "{} has no end", entry.path);
                if name == ".." {
                    prop_assert!(at.pop().is_some(), "{} leads outside", entry.path);
                    continue;
                }
                at.push(name);
                if let Some(Kind::Symlink { target }) = tree.get(&at.join("/")).map(|e| &e.kind) {
                    at.pop();
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn decoders_take_any_bytes(bytes: Vec<u8>) {
        let mut frame = vec![wire::VERSION];
        frame.extend(&bytes);
        let _ = Tree::decode(&bytes, &Limits::default());
        let _ = Tree::decode(&frame, &Limits::default());
    }

    #[test]
    fn a_list_that_was_changed_is_refused_or_still_a_tree(at: prop::sample::Index, to: u8) {
        let mut frame = wood().encode().unwrap();
        let at = at.index(frame.len());
        frame[at] = to;
        if let Ok(tree) = Tree::decode(&frame, &Limits::default()) {
            prop_assert_eq!(Tree::new(tree.entries().to_vec(), &Limits::default()), Ok(tree));
        }
    }
}
