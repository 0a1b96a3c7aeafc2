use std::cell::{Cell, RefCell};

use outlast_types::{CellId, Hash};

use super::*;
use crate::picture::{Format as FileFormat, Meta, Shape};
use crate::{Ran, Tool};

/// Blobs, and a program that does as the test says.
#[derive(Default)]
struct Here {
    says: RefCell<Vec<io::Result<i32>>>,
    runs: Cell<usize>,
    seen: RefCell<Vec<(Vec<String>, Vec<String>)>>,
}

impl Blobs for Here {
    fn read(&self, _: &Hash) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn run(&self, files: &[(String, Content)], tool: &Tool) -> io::Result<Ran> {
        self.runs.set(self.runs.get() + 1);
        let names = files.iter().map(|(name, _)| name.clone()).collect();
        self.seen.borrow_mut().push((names, tool.args.clone()));
        let exit = self.says.borrow_mut().remove(0)?;
        Ok(Ran { exit, stdout: Vec::new(), stderr: "what it said\n".to_owned() })
    }
}

impl Here {
    fn saying(says: impl IntoIterator<Item = i32>) -> Self {
        Self { says: RefCell::new(says.into_iter().map(Ok).collect()), ..Self::default() }
    }
}

fn output(exit: i32, files: &[(&str, &[u8])]) -> CellOutput {
    let file = |(name, bytes): &(&str, &[u8])| OutFile {
        name: (*name).to_owned(),
        executable: false,
        content: Content::Inline(bytes.to_vec()),
    };
    CellOutput { cell: CellId(0), exit, files: files.iter().map(file).collect() }
}

fn comparator(text: &str) -> Comparator {
    text.parse().unwrap()
}

fn agree(text: &str, a: &CellOutput, b: &CellOutput) -> bool {
    comparator(text).compare(a, b, &Here::default()).unwrap().is_agree()
}

fn picture(grey: u8) -> Picture {
    let shape = Shape { width: 8, height: 8, channels: 3, depth: 8 };
    Picture { shape, pixels: vec![grey; shape.bytes()], meta: Meta::plain(FileFormat::Png) }
}

#[test]
fn exit_codes_names_and_numbers_of_files_count_whatever_the_comparator() {
    for text in ["bytes", "numbers:abs=9", "image:channel=9", "frames:psnr=1"] {
        let a = output(0, &[("x", b"1")]);
        assert!(agree(text, &a, &a), "{text}");
        assert!(!agree(text, &a, &output(1, &[("x", b"1")])), "{text}");
        assert!(!agree(text, &a, &output(0, &[("y", b"1")])), "{text}");
        assert!(!agree(text, &a, &output(0, &[("x", b"1"), ("y", b"")])), "{text}");
        let mut executable = a.clone();
        executable.files[0].executable = true;
        assert!(!agree(text, &a, &executable), "{text}");
    }
}

#[test]
fn each_comparator_looks_at_files_of_its_kind_and_at_the_bytes_of_others() {
    let (a, b) = (picture(100).encode().unwrap(), picture(102).encode().unwrap());
    let answer = |picture: &[u8], text: &[u8]| output(0, &[("a.png", picture), ("b.txt", text)]);
    assert!(agree("image:channel=2", &answer(&a, b"1"), &answer(&b, b"1")));
    assert!(!agree("image:channel=1", &answer(&a, b"1"), &answer(&b, b"1")));
    assert!(!agree("image:channel=2", &answer(&a, b"1"), &answer(&b, b"2")));
    assert!(agree("numbers:abs=1", &answer(&a, b"1"), &answer(&a, b"2")));
    assert!(!agree("numbers:abs=1", &answer(&a, b"1"), &answer(&b, b"1")));
    assert!(!agree("image:channel=9", &answer(&a, b"1"), &answer(b"no picture", b"1")));
    assert!(!agree("bytes", &answer(&a, b"1"), &answer(&a, b"2")));
}

#[test]
fn tiles_are_compared_by_their_samples() {
    let tile = |grey| output(0, &[("tile", &tile::encode(&picture(grey)).unwrap())]);
    assert!(agree("image:channel=2", &tile(100), &tile(102)));
    assert!(!agree("bytes", &tile(100), &tile(101)));
    // The same samples, packed otherwise.
    let mut loose = tile(100);
    let packed = {
        let Content::Inline(bytes) = &loose.files[0].content else { panic!() };
        use std::io::Write;
        let mut packer =
            flate2::write::ZlibEncoder::new(bytes[..17].to_vec(), flate2::Compression::none());
        let mut line = vec![0; 24];
        line[..3].fill(100);
        (0..8).for_each(|_| packer.write_all(&line).unwrap());
        packer.finish().unwrap()
    };
    loose.files[0].content = Content::Inline(packed);
    assert_ne!(loose.digest(), tile(100).digest());
    assert!(agree("bytes", &tile(100), &loose));
}

#[test]
fn a_picture_that_claims_to_be_huge_is_not_decoded() {
    let mut file = b"P5\n16384 16384\n255\n".to_vec();
    file.extend_from_slice(&[0; 100]);
    let huge = output(0, &[("a.pgm", &file)]);
    let image = comparator("image:channel=1");
    let error = image.admit(&huge, &Here::default()).unwrap_err();
    assert!(matches!(error, CompareError::TooLarge { unit: "pixels", .. }), "{error}");
    let other = output(0, &[("a.pgm", b"P5\n1 1\n255\nx")]);
    assert!(image.compare(&other, &huge, &Here::default()).is_err());
}

#[test]
fn a_file_too_large_to_be_read_is_not_admitted() {
    let mut large = output(0, &[("a", b"")]);
    large.files[0].content = Content::Blob { hash: Hash::of(b"x"), length: READ_BYTES + 1 };
    let error = comparator("numbers").admit(&large, &Here::default()).unwrap_err();
    assert!(matches!(error, CompareError::TooLarge { unit: "bytes", .. }), "{error}");
}

#[test]
fn a_command_says_yes_no_or_nothing() {
    let (a, b) = (output(0, &[("x", b"1")]), output(0, &[("x", b"2")]));
    let command = comparator("command:same -q");
    let run = |exit| command.compare(&a, &b, &Here::saying([exit]));
    assert_eq!(run(0).unwrap(), Agreement::Agree);
    let Agreement::Differ(why) = run(1).unwrap() else { panic!() };
    assert!(why.contains("what it said"), "{why}");
    for exit in [2, 127, 134, 139, -1] {
        let error = run(exit).unwrap_err().to_string();
        assert!(error.contains("`same -q`") && error.contains("what it said"), "{error}");
        assert!(error.contains(&format!("exit code {exit}")) && error.contains("try"), "{error}");
    }
    let failing = |kind: io::ErrorKind| {
        let here = Here { says: RefCell::new(vec![Err(kind.into())]), ..Here::default() };
        command.compare(&a, &b, &here).unwrap_err()
    };
    assert!(matches!(failing(io::ErrorKind::TimedOut), CompareError::Hung { .. }));
    assert!(matches!(failing(io::ErrorKind::NotFound), CompareError::Missing { .. }));
    assert!(matches!(failing(io::ErrorKind::StorageFull), CompareError::Io(_)));
}

#[test]
fn the_same_bytes_agree_without_asking() {
    let a = output(0, &[("x", b"1")]);
    let here = Here::default();
    assert!(comparator("command:same").compare(&a, &a, &here).unwrap().is_agree());
    assert_eq!(here.runs.get(), 0);
}

#[test]
fn an_answer_that_differs_from_itself_is_not_admitted() {
    let a = output(0, &[("x", b"1")]);
    let command = comparator("command:same");
    assert!(command.admit(&a, &Here::saying([0])).is_ok());
    let error = command.admit(&a, &Here::saying([1])).unwrap_err();
    assert!(matches!(error, CompareError::Absurd { .. }), "{error}");
    assert!(error.to_string().contains("differs from itself"), "{error}");
    assert!(matches!(command.admit(&a, &Here::saying([3])), Err(CompareError::Nonsense { .. })));
}

#[test]
fn a_command_gets_two_files_or_two_folders() {
    let here = Here::saying([0, 0, 0]);
    let one = |text: &[u8]| output(0, &[("files/x.csv", text)]);
    let two = |text: &[u8]| output(0, &[("files/x.csv", text), ("stdout", b"1")]);
    let command = comparator("command:same --fine");
    command.compare(&one(b"1"), &one(b"2"), &here).unwrap();
    command.compare(&two(b"1"), &two(b"2"), &here).unwrap();
    let tile = |grey| output(0, &[("tile", &tile::encode(&picture(grey)).unwrap())]);
    command.compare(&tile(1), &tile(2), &here).unwrap();
    let seen = here.seen.take();
    assert_eq!(seen[0].1, ["--fine", "a/files/x.csv", "b/files/x.csv"]);
    assert_eq!(seen[1].0, ["a/files/x.csv", "a/stdout", "b/files/x.csv", "b/stdout"]);
    assert_eq!(seen[1].1, ["--fine", "a", "b"]);
    assert_eq!(seen[2].1, ["--fine", "a/tile.png", "b/tile.png"]);
}

#[test]
fn a_command_that_names_files_of_the_folder_is_found_from_elsewhere() {
    let known =
        |path: &str| matches!(path, "./same.sh" | "table").then(|| format!("/home/me/{path}"));
    let resolved = |text: &str| comparator(text).resolved(known).to_string();
    assert_eq!(
        resolved("command:./same.sh table -x /a"),
        "command:/home/me/./same.sh /home/me/table -x /a"
    );
    assert_eq!(resolved("command:table table"), "command:table /home/me/table");
    assert_eq!(resolved("image:psnr=40"), "image:psnr=40");
}
