//! A scene's text in tokens, as far as it has to be understood: words, strings, directives.

use std::collections::BTreeSet;

/// A piece of a scene. Numbers and signs other than those here are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// What is between quotes.
    Text(String),
    /// `#include`, without the sign.
    Directive(String),
    /// A number, as written.
    Number(String),
    /// `(`, `)` or `,`.
    Sign(char),
}

/// Takes a scene apart. Comments nest, as at POV-Ray's.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
        } else if rest.starts_with("/*") {
            chars.next();
            let mut depth = 1;
            while depth > 0 {
                let Some((at, _)) = chars.next() else { break };
                if text[at..].starts_with("/*") {
                    chars.next();
                    depth += 1;
                } else if text[at..].starts_with("*/") {
                    chars.next();
                    depth -= 1;
                }
            }
        } else if c == '"' {
            let mut value = String::new();
            while let Some((_, c)) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => match chars.next() {
                        // Only these two matter in a file name.
                        Some((_, next @ ('"' | '\\'))) => value.push(next),
                        Some((_, next)) => value.extend(['\\', next]),
                        None => break,
                    },
                    c => value.push(c),
                }
            }
            tokens.push(Token::Text(value));
        } else if c == '#' {
            while chars.next_if(|(_, c)| *c == ' ' || *c == '\t').is_some() {}
            let start = chars.peek().map_or(text.len(), |(at, _)| *at);
            while chars.next_if(|(_, c)| c.is_ascii_alphabetic()).is_some() {}
            let end = chars.peek().map_or(text.len(), |(at, _)| *at);
            tokens.push(Token::Directive(text[start..end].to_owned()));
        } else if c.is_ascii_alphabetic() || c == '_' {
            while chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_').is_some() {}
            let end = chars.peek().map_or(text.len(), |(at, _)| *at);
            tokens.push(Token::Word(text[at..end].to_owned()));
        } else if c.is_ascii_digit() {
            while chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '.').is_some() {}
            let end = chars.peek().map_or(text.len(), |(at, _)| *at);
            tokens.push(Token::Number(text[at..end].to_owned()));
        } else if matches!(c, '(' | ')' | ',') {
            tokens.push(Token::Sign(c));
        }
    }
    tokens
}

/// A file that `#include` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Include {
    /// As written; `None` if an expression computes it.
    pub name: Option<String>,
    /// Whether it may never be reached: it is inside an `#if`, a loop or a macro.
    pub conditional: bool,
}

/// What a scene or an include file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Files that it includes.
    pub includes: Vec<Include>,
    /// All strings: some of them name files.
    pub strings: BTreeSet<String>,
    /// File names that are put together with `concat`: what they start and end with.
    pub patterns: BTreeSet<(String, String)>,
    /// All words.
    pub words: BTreeSet<String>,
    /// Whether it writes files with `#fopen`.
    pub writes: bool,
    /// Whether a medium is sampled with method 1 or 2, which are random.
    pub random_medium: bool,
}

/// Whether this directive opens a block that `#end` closes.
fn opens(directive: &str) -> bool {
    matches!(directive, "if" | "ifdef" | "ifndef" | "while" | "for" | "switch" | "macro")
}

/// Looks through a scene.
pub(super) fn scan(tokens: &[Token]) -> Scan {
    let mut scan = Scan::default();
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1);
        match token {
            Token::Directive(name) if opens(name) => depth += 1,
            Token::Directive(name) if name == "end" => depth = depth.saturating_sub(1),
            Token::Directive(name) if name == "include" => {
                let name = match next {
                    Some(Token::Text(name)) => Some(name.clone()),
                    _ => None,
                };
                scan.includes.push(Include { name, conditional: depth > 0 });
            }
            Token::Directive(name) if name == "fopen" => {
                // The handle, the file's name as text or expression, then how to open it.
                let how = tokens[i + 1..].iter().take(32).find_map(|token| match token {
                    Token::Word(word) if word == "read" => Some(false),
                    Token::Word(word) if word == "write" || word == "append" => Some(true),
                    _ => None,
                });
                scan.writes |= how != Some(false);
            }
            Token::Directive(_) | Token::Number(_) | Token::Sign(_) => {}
            Token::Text(text) => {
                // Names of files are short and of one line.
                if !text.is_empty() && text.len() < 1024 && !text.contains(['\n', '\0']) {
                    scan.strings.insert(text.clone());
                }
            }
            Token::Word(word) => {
                if word == "concat" {
                    scan.patterns.extend(pattern(&tokens[i + 1..]));
                }
                if word == "method"
                    && matches!(next, Some(Token::Number(n)) if n == "1" || n == "2")
                {
                    scan.random_medium = true;
                }
                scan.words.insert(word.clone());
            }
        }
    }
    scan
}

/// What the value of a `concat` starts and ends with, if that is text.
fn pattern(tokens: &[Token]) -> Option<(String, String)> {
    let mut depth = 0usize;
    let end = tokens.iter().position(|token| match token {
        Token::Sign('(') => {
            depth += 1;
            false
        }
        Token::Sign(')') => {
            depth = depth.saturating_sub(1);
            depth == 0
        }
        _ => false,
    })?;
    match (tokens.get(1)?, tokens.get(end.checked_sub(1)?)?) {
        (Token::Text(start), Token::Text(last)) if end > 2 => Some((start.clone(), last.clone())),
        _ => None,
    }
}

/// The identifiers of an include file whose declaration has one of `words` in it, or an identifier of which that
/// is true. An empty name stands for text outside of declarations.
pub(super) fn tainted(tokens: &[Token], words: &[&str]) -> BTreeSet<String> {
    let mut blocks: Vec<(String, BTreeSet<&str>)> = vec![(String::new(), BTreeSet::new())];
    // Inside a macro everything is the macro's; its depth counts to the #end that closes it.
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Directive(name) if depth > 0 => match name.as_str() {
                "end" => {
                    depth -= 1;
                    if depth == 0 {
                        blocks.push((String::new(), BTreeSet::new()));
                    }
                }
                name => depth += usize::from(opens(name)),
            },
            Token::Directive(name) if matches!(name.as_str(), "declare" | "local" | "macro") => {
                if let Some(Token::Word(identifier)) = tokens.get(i + 1) {
                    blocks.push((identifier.clone(), BTreeSet::new()));
                }
                depth = usize::from(name == "macro");
            }
            // A declaration ends at the next directive at the latest.
            Token::Directive(_) => blocks.push((String::new(), BTreeSet::new())),
            Token::Word(word) => {
                if let Some((_, words)) = blocks.last_mut() {
                    words.insert(word);
                }
            }
            _ => {}
        }
    }
    let mut tainted: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = tainted.len();
        for (name, block) in &blocks {
            let bad = |word: &&str| {
                words.contains(word) || (*word != name.as_str() && tainted.contains(*word))
            };
            if block.iter().any(bad) {
                tainted.insert(name.clone());
            }
        }
        if tainted.len() == before {
            return tainted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> Scan {
        scan(&tokens(text))
    }

    #[test]
    fn comments_hide_everything() {
        let scan = scanned("// radiosity \"a\"\n/* photons /* \"b\" */ crand */ sphere { }");
        assert_eq!(scan.words, BTreeSet::from(["sphere".to_owned()]));
        assert!(scan.strings.is_empty());
    }

    #[test]
    fn strings_hide_words_and_comment_signs() {
        let scan = scanned(r#"text { ttf "a//b.ttf" "say \"radiosity\"" } # include "x.inc""#);
        assert!(!scan.words.contains("radiosity"));
        assert!(scan.strings.contains("a//b.ttf"));
        assert_eq!(scan.includes[0].name.as_deref(), Some("x.inc"));
    }

    #[test]
    fn includes_in_branches_are_conditional() {
        let scan = scanned(
            "#if (0) #include \"a\" #end #include \"b\" #include concat(\"c\",str(1,0,0),\".inc\")",
        );
        let conditional: Vec<bool> = scan.includes.iter().map(|i| i.conditional).collect();
        assert_eq!(conditional, [true, false, false]);
        assert_eq!(scan.includes[2].name, None);
        assert_eq!(scan.patterns, BTreeSet::from([("c".to_owned(), ".inc".to_owned())]));
    }

    #[test]
    fn files_written_are_told_from_files_read() {
        assert!(scanned("#fopen F \"x\" write").writes);
        assert!(scanned("#fopen F concat(\"x\",\"y\") append").writes);
        assert!(!scanned("#fopen F \"x\" read").writes);
    }

    #[test]
    fn taint_goes_from_declaration_to_declaration() {
        let text = "#declare A = finish { crand 0.1 }\n#declare B = texture { finish { A } }\n\
                    #declare C = 3;\n#macro M(x) #local Q = A; #if (x) #end #end\n#declare D = C;";
        let names = tainted(&tokens(text), &["crand"]);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["A", "B", "M"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned_without_panic(text: String) {
            let tokens = tokens(&text);
            scan(&tokens);
            tainted(&tokens, &["a"]);
        }

        #[test]
        fn scenes_cut_anywhere_are_scanned_without_panic(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "#", "include ", "\"", "a.inc", "/*", "*/", "//", "\n", "\\", "concat", "(", ")", ",",
                "#macro M() ", "#end ", "#declare ", "é", "1.5e3 ", "#fopen ",
            ]), 0..40),
        ) {
            let tokens = tokens(&pieces.concat());
            scan(&tokens);
            tainted(&tokens, &["a"]);
        }
    }
}
