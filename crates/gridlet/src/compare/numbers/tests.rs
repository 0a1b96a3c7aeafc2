use proptest::prelude::*;

use super::*;

fn near(abs: f64, rel: f64) -> Numbers {
    Numbers { absolute: abs, relative: rel, format: Format::Auto }
}

fn same(numbers: Numbers, name: &str, a: &str, b: &str) -> bool {
    let there = numbers.compare(name, a.as_bytes(), b.as_bytes());
    let back = numbers.compare(name, b.as_bytes(), a.as_bytes());
    assert_eq!(there.is_ok(), back.is_ok(), "{a:?} {b:?}: {there:?} {back:?}");
    there.is_ok()
}

#[test]
fn numbers_may_differ_a_little_and_text_may_not() {
    let text = |abs, rel, a, b| same(near(abs, rel), "out", a, b);
    assert!(text(0.02, 0.0, "x=1.0 y=2", "x=1.01 y=2.0"));
    assert!(text(0.02, 0.0, "x=1.0\n y=2\n", "x= 1.01   y=2.0"));
    assert!(!text(0.001, 0.0, "x=1.0", "x=1.01"));
    assert!(!text(0.02, 0.0, "x=1.0 y=2", "x=1.0,y=2"));
    assert!(text(0.0, 0.01, "1000", "1001"));
    assert!(!text(9.0, 0.9, "a 1", "b 1"));
    assert!(!text(9.0, 0.9, "1 2", "1"));
    assert!(!text(9.0, 0.9, "1 2", "12"));
    assert!(!text(9.0, 0.9, "a b", "ab"));
    assert!(text(0.0, 0.0, "1.50 -0.0 1e3", "1.5 0 1000"));
    assert!(text(1.0, 0.0, "-1 +2 .5 1. 1e-3 2E+3", "-2 +1 0 0.5 0 1999"));
}

#[test]
fn what_is_part_of_a_word_is_text() {
    let text = |a, b| same(near(9.0, 0.9), "out", a, b);
    for (a, b) in [
        ("10ms", "11ms"),
        ("x86", "x87"),
        ("0x10", "0x11"),
        ("1.2.3", "1.2.4"),
        ("v1.2", "v1.3"),
        ("a_1", "a_2"),
        ("nano", "nana"),
        ("1e", "2e"),
        ("ü1", "ü2"),
    ] {
        assert!(!text(a, b), "{a} {b}");
    }
    for (a, b) in
        [("(1,2)", "(3,4)"), ("5%", "6%"), ("a: 1.", "a: 2."), ("1;-2", "2;-1"), ("$3", "$4")]
    {
        assert!(text(a, b), "{a} {b}");
    }
}

#[test]
fn what_is_no_finite_number_is_near_itself_only() {
    let text = |a, b| same(near(9.0, 0.9), "out", a, b);
    assert!(text("NaN inf -Infinity", "nan +INF -inf"));
    assert!(!text("nan", "1") && !text("nan", "inf") && !text("inf", "-inf"));
    assert!(!text("inf", "1e308") && !text("1e999", "inf") && !text("1e999", "1e998"));
    assert!(text("1e999", "1e999 "));
}

#[test]
fn whole_numbers_are_subtracted_exactly() {
    let (a, b) = ("9007199254740993", "9007199254740992");
    assert!(!same(near(0.5, 0.0), "out", a, b));
    assert!(same(near(1.0, 0.0), "out", a, b));
    let huge = "170141183460469231731687303715884105727";
    assert!(!same(near(1.0, 0.9), "out", huge, &format!("-{huge}")));
    assert!(same(near(0.0, 0.0), "out", huge, huge));
}

#[test]
fn tables_are_compared_field_by_field() {
    let table = |a, b| same(near(0.1, 0.0), "out.csv", a, b);
    assert!(table("t,x\n1,2.0\n", "t , x\r\n\n\"1.0\", 2.05"));
    assert!(!table("run 1,2\n", "run 2,2\n"), "a number in a field of text is text");
    assert!(!table("1,2\n", "1,2,3\n") && !table("1,2\n", "1,2\n3,4\n") && !table("1,2", "1;2"));
    assert!(table("a;1,5\n", "a;1,5") && !table("a;1,5", "a;1,6"), "a decimal point is a point");
    assert!(table("\"a, \"\"b\"\"\",1", "\"a, \"\"b\"\"\",1.05"));
    assert!(same(near(0.1, 0.0), "x.tsv", "a\t1", "a\t1.05"));
    let error = near(0.1, 0.0).compare("x.csv", b"a,1\nb,2\n", b"a,1\nb,3\n").unwrap_err();
    assert_eq!(error, "row 2, column 2 has \"2\" and \"3\"");
}

#[test]
fn json_is_compared_sign_by_sign() {
    let json = |a, b| same(near(0.1, 0.0), "out.json", a, b);
    assert!(json(r#"{"a":[1.0,2],"b":null}"#, "{ \"a\" : [ 1.05, 2.0 ],\n\"b\": null } "));
    assert!(!json(r#"{"a 1":1}"#, r#"{"a 2":1}"#), "a number in a string is text");
    assert!(!json(r#"{"a":"1"}"#, r#"{"a":"1.0"}"#) && !json(r#"{"a":"1"}"#, r#"{"a":1}"#));
    assert!(!json("[1,2]", "[[1,2]]") && !json("[1,2]", "[1,2") && !json("[12]", "[1,2]"));
    assert!(!json(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), "no key may be there twice unseen");
    assert!(!json(r#"{"a":666,"a":1}"#, r#"{"a":1}"#));
    assert!(json(r#"["\"1 ",1]"#, r#"["\"1 ", 1.0]"#) && !json(r#"["\" 1",1]"#, r#"["\" 2",1]"#));
    // By its beginning, whatever it is called; several values, one after the other.
    assert!(same(near(0.1, 0.0), "out", "{\"a\":1}\n{\"a\":2}", "{ \"a\":1 }\n{ \"a\":2.05}"));
    let text = Numbers { format: Format::Text, ..near(0.1, 0.0) };
    assert!(!same(text, "out.json", "{\"a\":1}", "{ \"a\":1}"));
}

#[test]
fn bytes_that_are_no_text_are_the_same_or_not() {
    assert!(!same(near(9.0, 0.9), "out", "1\0", "2\0"));
    assert!(same(near(9.0, 0.9), "out", "1\0", "1\0"));
    assert!(near(1.0, 0.0).compare("x", b"\xff 1", b"\xff 2").is_ok());
    assert!(near(1.0, 0.0).compare("x", b"\xff 1", b"\xfe 1").is_err());
}

#[test]
fn what_differs_is_said() {
    let error = near(0.0, 0.0).compare("x", b"a 1\nb 2\n", b"a 1\nb 3\n").unwrap_err();
    assert_eq!(error, "line 2 has \"2\" and \"3\"");
    let error = near(0.0, 0.0).compare("x", b"1", b"1 2").unwrap_err();
    assert_eq!(error, "line 1 has its end and \"2\"");
    let long = "x".repeat(100);
    let error = near(0.0, 0.0).compare("x", long.as_bytes(), b"y").unwrap_err();
    assert!(error.len() < 100 && error.contains('…'), "{error}");
}

/// By parsing as a whole, for numbers between blanks.
fn by_parsing(tolerance: f64, a: &str, b: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (words(a), words(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            let (a, b): (f64, f64) = (a.parse().unwrap(), b.parse().unwrap());
            (a - b).abs() <= tolerance
        })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        a in prop::collection::vec(prop::sample::select(b"19.e+-naif\",;{}[]:\\ \n\tx\xff".to_vec()), 0..40),
        b in prop::collection::vec(prop::sample::select(b"19.e+-naif\",;{}[]:\\ \n\tx\xff".to_vec()), 0..40),
    ) {
        for name in ["a", "a.csv", "a.json"] {
            let there = near(0.5, 0.1).compare(name, &a, &b).is_ok();
            prop_assert!(near(0.5, 0.1).compare(name, &a, &a).is_ok());
            if name != "a.csv" {
                prop_assert_eq!(there, near(0.5, 0.1).compare(name, &b, &a).is_ok());
            }
        }
    }

    #[test]
    fn rows_of_numbers_agree_when_all_of_them_are_near(
        pairs in prop::collection::vec((-1e6f64..1e6, -0.2f64..0.2), 0..20)
    ) {
        let row = |numbers: Vec<f64>| {
            numbers.iter().map(|n| format!("{n:e}")).collect::<Vec<_>>().join(" ")
        };
        let a = row(pairs.iter().map(|(n, _)| *n).collect());
        let b = row(pairs.iter().map(|(n, d)| n + d).collect());
        prop_assert_eq!(same(near(0.1, 0.0), "out", &a, &b), by_parsing(0.1, &a, &b));
    }
}
