//! Expressions of manifests: numbers and words, compared and calculated with.
//!
//! ```text
//!  or    = and { "||" and }              add  = mul { ("+" | "-") mul }
//!  and   = not { "&&" not }              mul  = sign { ("*" | "/" | "%") sign }
//!  not   = "!" not | compare             sign = "-" sign | atom
//!  compare = add [ ("==" "!=" "<" "<=" ">" ">=") add ]
//!  atom  = number | 'text' | name [ "." member ] | function "(" … ")" | "(" or ")"
//! ```
//!
//! Truth is a number: 0 is false. A library of the size of CEL would bring dates, maps and regular
//! expressions along; manifests count rows.

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::{Kind, Value};

/// Bytes of an expression.
const BYTES: usize = 1024;

/// Parentheses in parentheses: evaluating and dropping recurse.
const DEPTH: usize = 32;

/// An expression with its place in the manifest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    root: Node,
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// As written.
    pub(super) text: String,
}

/// The names that an expression may use.
pub(super) type Scope = BTreeMap<String, Kind>;

/// What they stand for.
pub(super) type Values = BTreeMap<String, Value>;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Text(String),
    Name { name: String, member: Option<String> },
    Given(String),
    Not(Box<Node>),
    Minus(Box<Node>),
    Two(Op, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    More,
    MoreEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Min,
    Max,
    Ceil,
    Floor,
    Round,
    Abs,
    Sqrt,
    Sum,
    If,
}

const FUNCTIONS: [(&str, Function, Range<usize>); 9] = [
    ("min", Function::Min, 1..9),
    ("max", Function::Max, 1..9),
    ("ceil", Function::Ceil, 1..2),
    ("floor", Function::Floor, 1..2),
    ("round", Function::Round, 1..2),
    ("abs", Function::Abs, 1..2),
    ("sqrt", Function::Sqrt, 1..2),
    ("sum", Function::Sum, 1..2),
    ("if", Function::If, 3..4),
];

/// Longer ones first, so that `<=` isn't `<`.
const SIGNS: [&str; 16] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Sign(&'static str),
    Comma,
    Dot,
}

/// What is wrong, and at which byte of the expression.
pub(super) type Wrong = (usize, String);

impl Expr {
    /// Reads an expression.
    pub(super) fn parse(text: &str, span: Range<usize>) -> Result<Self, Wrong> {
        if text.len() > BYTES {
            return Err((
                0,
                format!("an expression of {} bytes, expected at most {BYTES}", text.len()),
            ));
        }
        let tokens = lex(text)?;
        let mut parser = Parser { tokens, at: 0, end: text.len(), depth: 0 };
        let root = parser.or()?;
        if let Some((at, token)) = parser.tokens.get(parser.at) {
            return Err((*at, format!("expected an operator or the end, found {}", show(token))));
        }
        Ok(Self { root, span, text: text.to_owned() })
    }

    /// A number that stands there as such.
    pub(super) fn constant(number: f64, span: Range<usize>) -> Self {
        Self { root: Node::Number(number), span, text: number.to_string() }
    }

    /// Its number, if nothing has to be known for it.
    pub(super) fn as_constant(&self) -> Option<f64> {
        let mut names = Vec::new();
        self.root.names(&mut names);
        if names.is_empty() { self.number(&Values::new()).ok() } else { None }
    }

    /// Those that have to have a value, but for those that `given()` asks about.
    pub(super) fn needed(&self) -> Vec<String> {
        let (mut names, mut asked) = (Vec::new(), Vec::new());
        self.root.names(&mut names);
        self.root.asked(&mut asked);
        names.retain(|name| !asked.contains(name));
        names
    }

    /// Whether it is a number, with these names.
    ///
    /// # Errors
    /// What doesn't fit.
    pub(super) fn check(&self, scope: &Scope) -> Result<(), String> {
        if self.root.is_number(scope)? {
            return Ok(());
        }
        Err("expected a number or a comparison, found a text".to_owned())
    }

    /// Its value.
    ///
    /// # Errors
    /// A name without a value, a number that is none (0/0).
    pub(super) fn number(&self, values: &Values) -> Result<f64, String> {
        match self.root.eval(values)? {
            Value::Number(number) if number.is_finite() => Ok(number),
            Value::Number(number) => Err(format!("`{}` is {number}, expected a number", self.text)),
            other => Err(format!("`{}` is {other:?}, expected a number", self.text)),
        }
    }

    /// Its value as a whole number.
    ///
    /// # Errors
    /// As [`Expr::number`], and a fraction.
    pub(super) fn integer(&self, values: &Values) -> Result<i64, String> {
        let number = self.number(values)?;
        // Doubles count whole numbers exactly up to 2^53.
        if number.fract() != 0.0 || number.abs() > 9e15 {
            return Err(format!("`{}` is {number}, expected a whole number", self.text));
        }
        Ok(number as i64)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Expr::number`].
    pub(super) fn holds(&self, values: &Values) -> Result<bool, String> {
        self.number(values).map(|number| number != 0.0)
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("'{text}'"),
        Token::Name(name) => format!("`{name}`"),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::Comma => "`,`".to_owned(),
        Token::Dot => "`.`".to_owned(),
    }
}

fn lex(text: &str) -> Result<Vec<(usize, Token)>, Wrong> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let token = if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
            let word = &rest[..end.unwrap_or(rest.len())];
            rest = &rest[word.len()..];
            let number = word.replace('_', "").parse();
            Token::Number(number.map_err(|_| (at, format!("expected a number, found `{word}`")))?)
        } else if first == '\'' || first == '"' {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or((at, "a text without its end".to_owned()))?;
            rest = &inner[end + 1..];
            Token::Text(inner[..end].to_owned())
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let word = &rest[..end.unwrap_or(rest.len())];
            rest = &rest[word.len()..];
            Token::Name(word.to_owned())
        } else if first == ',' || first == '.' {
            rest = &rest[1..];
            if first == ',' { Token::Comma } else { Token::Dot }
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| {
                (at, format!("expected a number, a name or an operator, found `{first}`"))
            })?;
            rest = &rest[sign.len()..];
            Token::Sign(sign)
        };
        tokens.push((at, token));
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        match self.tokens.get(self.at) {
            Some((_, Token::Sign(sign))) if signs.contains(sign) => {
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err((self.place(), format!("nested deeper than {DEPTH}")));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Operators of one rank, from the left.
    fn chain(
        &mut self,
        signs: &[(&'static str, Op)],
        next: fn(&mut Self) -> Result<Node, Wrong>,
    ) -> Result<Node, Wrong> {
        let names: Vec<&'static str> = signs.iter().map(|(sign, _)| *sign).collect();
        let mut node = next(self)?;
        let mut length = 0;
        while let Some(sign) = self.sign(&names) {
            let op = signs.iter().find(|(name, _)| *name == sign).map_or(Op::Add, |(_, op)| *op);
            length += 1;
            if length > BYTES / 8 {
                return Err((self.place(), "too many terms".to_owned()));
            }
            node = Node::Two(op, Box::new(node), Box::new(next(self)?));
        }
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, Wrong> {
        self.deeper(|parser| parser.chain(&[("||", Op::Or)], Self::and))
    }

    fn and(&mut self) -> Result<Node, Wrong> {
        self.chain(&[("&&", Op::And)], Self::not)
    }

    fn not(&mut self) -> Result<Node, Wrong> {
        if self.sign(&["!"]).is_some() {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.not()?))));
        }
        let left = self.add()?;
        let signs = [
            ("==", Op::Equal),
            ("!=", Op::Unequal),
            ("<=", Op::LessEqual),
            (">=", Op::MoreEqual),
            ("<", Op::Less),
            (">", Op::More),
        ];
        let names = signs.map(|(sign, _)| sign);
        let Some(sign) = self.sign(&names) else { return Ok(left) };
        let op = signs.iter().find(|(name, _)| *name == sign).map_or(Op::Equal, |(_, op)| *op);
        Ok(Node::Two(op, Box::new(left), Box::new(self.add()?)))
    }

    fn add(&mut self) -> Result<Node, Wrong> {
        self.chain(&[("+", Op::Add), ("-", Op::Subtract)], Self::mul)
    }

    fn mul(&mut self) -> Result<Node, Wrong> {
        let signs = [("*", Op::Multiply), ("/", Op::Divide), ("%", Op::Remainder)];
        self.chain(&signs, Self::negative)
    }

    fn negative(&mut self) -> Result<Node, Wrong> {
        if self.sign(&["-"]).is_some() {
            return self.deeper(|parser| Ok(Node::Minus(Box::new(parser.negative()?))));
        }
        self.atom()
    }

    fn close(&mut self) -> Result<(), Wrong> {
        let at = self.place();
        self.sign(&[")"]).map(drop).ok_or((at, "expected `)`".to_owned()))
    }

    fn atom(&mut self) -> Result<Node, Wrong> {
        let at = self.place();
        let token = self.tokens.get(self.at).map(|(_, token)| token.clone());
        self.at += 1;
        match token {
            Some(Token::Number(number)) => Ok(Node::Number(number)),
            Some(Token::Text(text)) => Ok(Node::Text(text)),
            Some(Token::Sign("(")) => {
                let inner = self.or()?;
                self.close()?;
                Ok(inner)
            }
            Some(Token::Name(name)) if self.sign(&["("]).is_some() => self.call(&name, at),
            Some(Token::Name(name)) => {
                let mut member = None;
                if matches!(self.tokens.get(self.at), Some((_, Token::Dot))) {
                    self.at += 1;
                    let place = self.place();
                    let Some((_, Token::Name(word))) = self.tokens.get(self.at) else {
                        return Err((place, "expected a name after the dot".to_owned()));
                    };
                    member = Some(word.clone());
                    self.at += 1;
                }
                Ok(Node::Name { name, member })
            }
            Some(other) => Err((at, format!("expected a value, found {}", show(&other)))),
            None => Err((at, "expected a value, found the end".to_owned())),
        }
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Node, Wrong> {
        if name == "given" {
            let place = self.place();
            let Some((_, Token::Name(variable))) = self.tokens.get(self.at).cloned() else {
                return Err((place, "expected the name of a variable".to_owned()));
            };
            self.at += 1;
            self.close()?;
            return Ok(Node::Given(variable));
        }
        let Some((_, function, count)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
            return Err((
                at,
                format!("unknown function `{name}`, expected {} or given", known.join(", ")),
            ));
        };
        let mut arguments = vec![self.or()?];
        while matches!(self.tokens.get(self.at), Some((_, Token::Comma))) {
            self.at += 1;
            arguments.push(self.or()?);
        }
        self.close()?;
        if !count.contains(&arguments.len()) {
            return Err((
                at,
                format!(
                    "`{name}` with {} arguments, expected {}",
                    arguments.len(),
                    if count.end - count.start == 1 {
                        count.start.to_string()
                    } else {
                        "1 to 8".to_owned()
                    }
                ),
            ));
        }
        Ok(Node::Call(*function, arguments))
    }
}

impl Node {
    fn names(&self, names: &mut Vec<String>) {
        match self {
            Self::Number(_) | Self::Text(_) => {}
            Self::Name { name, .. } | Self::Given(name) => names.push(name.clone()),
            Self::Not(inner) | Self::Minus(inner) => inner.names(names),
            Self::Two(_, a, b) => {
                a.names(names);
                b.names(names);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|node| node.names(names)),
        }
    }

    fn asked(&self, names: &mut Vec<String>) {
        match self {
            Self::Given(name) => names.push(name.clone()),
            Self::Number(_) | Self::Text(_) | Self::Name { .. } => {}
            Self::Not(inner) | Self::Minus(inner) => inner.asked(names),
            Self::Two(_, a, b) => {
                a.asked(names);
                b.asked(names);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|node| node.asked(names)),
        }
    }

    /// Whether it is a number (or else a text).
    fn is_number(&self, scope: &Scope) -> Result<bool, String> {
        match self {
            Self::Number(_) => Ok(true),
            Self::Text(_) => Ok(false),
            Self::Given(name) => known(scope, name).map(|_| true),
            Self::Name { name, member } => {
                let kind = known(scope, name)?;
                let kind = match member {
                    None => kind,
                    Some(member) => kind.member(member).ok_or_else(|| {
                        format!("`{name}` is {}, which has no `.{member}`", kind.name())
                    })?,
                };
                if kind.is_list() || kind == Kind::Size {
                    return Err(format!(
                        "`{name}` is {}, expected a number or a word",
                        kind.name()
                    ));
                }
                Ok(kind.is_number())
            }
            Self::Not(inner) | Self::Minus(inner) => needs_number(inner, scope),
            Self::Two(Op::Equal | Op::Unequal, a, b) => {
                if a.is_number(scope)? == b.is_number(scope)? {
                    return Ok(true);
                }
                Err("a number is compared with a text".to_owned())
            }
            Self::Two(_, a, b) => {
                needs_number(a, scope)?;
                needs_number(b, scope)
            }
            Self::Call(Function::Sum, arguments) => match arguments.as_slice() {
                [Self::Name { name, member: None }] if known(scope, name)? == Kind::Numbers => {
                    Ok(true)
                }
                _ => Err("sum() expects a list of numbers".to_owned()),
            },
            Self::Call(_, arguments) => {
                arguments.iter().try_for_each(|node| needs_number(node, scope).map(drop))?;
                Ok(true)
            }
        }
    }

    fn eval(&self, values: &Values) -> Result<Value, String> {
        let number = |node: &Node| -> Result<f64, String> {
            let value = node.eval(values)?;
            value.number().ok_or_else(|| format!("`{}` is no number", value.word()))
        };
        let truth = |truth: bool| f64::from(u8::from(truth));
        let result = match self {
            Self::Number(number) => *number,
            Self::Text(text) => return Ok(Value::Text(text.clone())),
            Self::Given(name) => truth(values.get(name).is_some_and(|v| *v != Value::Flag(false))),
            Self::Name { name, member } => {
                let value = values.get(name).ok_or_else(|| format!("`{name}` has no value"))?;
                let value = match member {
                    Some(member) => value.member(member),
                    None => Some(value.clone()),
                };
                let value = value.ok_or_else(|| format!("`{name}` has no such part"))?;
                return Ok(value.number().map_or(value, Value::Number));
            }
            Self::Not(inner) => truth(number(inner)? == 0.0),
            Self::Minus(inner) => -number(inner)?,
            Self::Two(Op::Or, a, b) => truth(number(a)? != 0.0 || number(b)? != 0.0),
            Self::Two(Op::And, a, b) => truth(number(a)? != 0.0 && number(b)? != 0.0),
            Self::Two(Op::Equal, a, b) => truth(a.eval(values)? == b.eval(values)?),
            Self::Two(Op::Unequal, a, b) => truth(a.eval(values)? != b.eval(values)?),
            Self::Two(op, a, b) => {
                let (a, b) = (number(a)?, number(b)?);
                match op {
                    Op::Less => truth(a < b),
                    Op::LessEqual => truth(a <= b),
                    Op::More => truth(a > b),
                    Op::MoreEqual => truth(a >= b),
                    Op::Add => a + b,
                    Op::Subtract => a - b,
                    Op::Multiply => a * b,
                    Op::Divide => a / b,
                    _ => a.rem_euclid(b),
                }
            }
            Self::Call(Function::Sum, arguments) => match arguments.first().map(|a| a.eval(values))
            {
                Some(Ok(Value::Numbers(list))) => list.iter().sum(),
                Some(Err(error)) => return Err(error),
                _ => return Err("sum() expects a list of numbers".to_owned()),
            },
            Self::Call(Function::If, arguments) => match arguments.as_slice() {
                [condition, yes, no] => number(if number(condition)? != 0.0 { yes } else { no })?,
                _ => return Err("if() expects a condition and two numbers".to_owned()),
            },
            Self::Call(function, arguments) => {
                let numbers: Vec<f64> = arguments.iter().map(number).collect::<Result<_, _>>()?;
                let first = numbers.first().copied().unwrap_or_default();
                match function {
                    Function::Min => numbers.iter().copied().fold(first, f64::min),
                    Function::Max => numbers.iter().copied().fold(first, f64::max),
                    Function::Ceil => first.ceil(),
                    Function::Floor => first.floor(),
                    Function::Round => first.round(),
                    Function::Abs => first.abs(),
                    Function::Sqrt => first.sqrt(),
                    Function::Sum | Function::If => numbers.iter().sum(),
                }
            }
        };
        Ok(Value::Number(result))
    }
}

fn known(scope: &Scope, name: &str) -> Result<Kind, String> {
    scope.get(name).copied().ok_or_else(|| unknown(scope, name))
}

/// What is said of a name that nobody has defined.
pub(super) fn unknown(scope: &Scope, name: &str) -> String {
    let known: Vec<&str> = scope.keys().map(String::as_str).collect();
    match super::diagnostic::similar(name, known.iter().copied()) {
        Some(near) => format!("unknown variable `{name}`, did you mean `{near}`?"),
        None => format!("unknown variable `{name}`, expected one of {}", known.join(", ")),
    }
}

fn needs_number(node: &Node, scope: &Scope) -> Result<bool, String> {
    if node.is_number(scope)? {
        return Ok(true);
    }
    Err("expected a number, found a text".to_owned())
}

#[cfg(test)]
mod tests {
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
}
