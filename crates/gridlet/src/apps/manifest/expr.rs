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

mod parser;

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::{Kind, Value};

/// Bytes of an expression.
const BYTES: usize = 1024;

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
        let root = parser::parse(text)?;
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
mod tests;
