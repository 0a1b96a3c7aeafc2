use super::*;

fn eval(text: &str) -> Result<f64, String> {
    let values = Values::from([
        ("n".to_owned(), Value::Integer(7)),
        ("keep".to_owned(), Value::Flag(true)),
        ("quiet".to_owned(), Value::Flag(false)),
        ("out".to_owned(), Value::Text("a/b.png".to_owned())),
        ("size".to_owned(), Value::Size(64, 48)),
    ]);
    let expr = Expr::parse(text, 0..0).map_err(|(at, what)| format!("{at}: {what}"))?;
    expr.number(&values)
}

#[test]
fn ranks_are_those_of_arithmetic() {
    for (text, result) in [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("(1 + 2) * -n", -21.0),
        ("10 - 2 - 3", 5.0),
        ("n % 4 == 3 && !quiet", 1.0),
        ("keep || 1 / 0 > 0", 1.0),
        ("max(n, 2, 9) - min(1, 2)", 8.0),
        ("ceil(n / 2) + floor(7.9) + round(0.5) + abs(-2)", 14.0),
        ("out.ext == 'png' && out.stem != \"c\"", 1.0),
        ("size.width * size.height", 3072.0),
        ("given(keep) + given(quiet) + given(nothing)", 1.0),
        ("1_000", 1000.0),
        ("if(n > 5, 1, 1 / 0)", 1.0),
    ] {
        assert_eq!(eval(text), Ok(result), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, message) in [
        ("1 +", "3: expected a value, found the end"),
        ("1 2", "2: expected an operator or the end, found `2`"),
        ("(1", "2: expected `)`"),
        ("1 # 2", "2: expected a number, a name or an operator, found `#`"),
        (
            "sin(1)",
            "0: unknown function `sin`, expected min, max, ceil, floor, round, abs, sqrt, sum, if or given",
        ),
        ("'x", "0: a text without its end"),
        ("1 / 0", "`1 / 0` is inf, expected a number"),
    ] {
        assert_eq!(eval(text).unwrap_err(), message, "{text}");
    }
    assert!(eval(&"(".repeat(500)).is_err());
    assert!(eval(&"-".repeat(500)).is_err());
    assert!(eval(&"1+".repeat(5000)).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[-+*/%()!<>=&|.,'a-z0-9 ]{0,60}") {
        let _ = eval(&text);
    }
}
