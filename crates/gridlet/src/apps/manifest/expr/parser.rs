//! From the text of an expression to its tree.

use std::ops::Range;

use super::{BYTES, Function, Node, Op, Wrong};

/// Parentheses in parentheses: evaluating and dropping recurse.
const DEPTH: usize = 32;

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

/// The tree of a text.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens, at: 0, end: text.len(), depth: 0 };
    let root = parser.or()?;
    match parser.tokens.get(parser.at) {
        Some((at, token)) => {
            Err((*at, format!("expected an operator or the end, found {}", show(token))))
        }
        None => Ok(root),
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
