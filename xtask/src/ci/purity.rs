//! Purity: no clock, file, socket, thread, global randomness or unordered iteration in the sources
//! of a pure crate, outside of its tests.
//!
//! Files are found as the compiler finds them, by following `mod`; what is `#[cfg(test)]` is left
//! out. Sources are parsed, so comments and texts don't matter, and imports in groups do.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Names that a pure crate has no use for, whatever path leads to them.
const NAMES: &[&str] = &[
    "HashMap",
    "HashSet",
    "Instant",
    "RandomState",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
];

/// Modules of the standard library that do something.
const MODULES: &[&str] = &["env", "fs", "os", "process", "thread"];

/// Macros that print.
const PRINTING: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];

/// Checks the sources of these crates, and says how many files there are.
pub(super) fn check(root: &Path, crates: &[&str]) -> anyhow::Result<usize> {
    let mut wrong = Vec::new();
    let mut files = 0;
    for name in crates {
        let lib = Path::new("crates").join(name).join("src/lib.rs");
        let mut open = vec![lib];
        while let Some(path) = open.pop() {
            let text = std::fs::read_to_string(root.join(&path))
                .with_context(|| format!("reading {}", path.display()))?;
            let parsed =
                syn::parse_file(&text).with_context(|| format!("parsing {}", path.display()))?;
            let mut walk = Walk::default();
            walk.visit_file(&parsed);
            let complaint = |(line, what)| format!("{}:{line}: {what}", path.display());
            wrong.extend(walk.found.into_iter().map(complaint));
            open.extend(walk.modules.iter().map(|module| module_file(root, &path, module)));
            files += 1;
        }
    }
    if !wrong.is_empty() {
        wrong.sort();
        bail!("{}\na pure crate has none of these outside its tests", wrong.join("\n"));
    }
    Ok(files)
}

/// Where `mod a;`, `a` being its path inside the file, has its source.
fn module_file(root: &Path, file: &Path, module: &[String]) -> PathBuf {
    let mut path = file.with_extension("");
    if path.file_name().is_some_and(|name| name == "lib" || name == "mod") {
        path.pop();
    }
    path.extend(module);
    let nested = path.join("mod.rs");
    if root.join(&nested).is_file() { nested } else { path.with_extension("rs") }
}

/// A walk through one file.
#[derive(Default)]
struct Walk {
    /// Line and what is wrong there.
    found: Vec<(usize, String)>,
    /// Modules in files of their own, by their path from this one.
    modules: Vec<Vec<String>>,
    /// Inline modules around the current item.
    around: Vec<String>,
}

impl Walk {
    fn look_at(&mut self, path: &[String], line: usize) {
        let named = path.iter().find(|name| NAMES.contains(&name.as_str()));
        let module = match path {
            [root, module, ..] if matches!(root.as_str(), "std" | "core") => {
                MODULES.contains(&module.as_str())
            }
            _ => false,
        };
        if named.is_some() || module {
            self.found.push((line, path.join("::")));
        }
    }

    fn use_tree(&mut self, tree: &syn::UseTree, mut path: Vec<String>) {
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.use_tree(&part.tree, path);
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(item, path.clone());
                }
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.look_at(&path, line);
            }
            syn::UseTree::Rename(name) => {
                path.push(name.ident.to_string());
                self.look_at(&path, line);
            }
            _ => self.look_at(&path, line),
        }
    }

    /// The inside of a macro call is no syntax tree yet: names between `::` make a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut joined = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if !joined {
                        path.clear();
                    }
                    path.push(ident.to_string());
                    joined = false;
                    self.look_at(&path, ident.span().start().line);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => joined = !path.is_empty(),
                TokenTree::Group(group) => {
                    path.clear();
                    joined = false;
                    self.tokens(group.stream());
                }
                _ => {
                    path.clear();
                    joined = false;
                }
            }
        }
    }
}

/// Whether an item is there in tests only.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let text = list.tokens.to_string();
            text == "test" || text.starts_with("all (test")
        }
        meta => meta.path().is_ident("test"),
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.around.push(item.ident.to_string());
        if item.content.is_none() {
            self.modules.push(self.around.clone());
        }
        visit::visit_item_mod(self, item);
        self.around.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.look_at(&names, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if PRINTING.iter().any(|name| call.path.is_ident(name)) {
            let name = call.path.segments.last().map(|part| part.ident.to_string());
            let what = format!("{}!", name.unwrap_or_default());
            self.found.push((call.path.span().start().line, what));
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let mut walk = Walk::default();
        walk.visit_file(&syn::parse_str(source).unwrap());
        walk.found.into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn impurity_is_found_wherever_it_hides() {
        assert_eq!(
            found("use std::{collections::{BTreeMap, HashMap}, io};"),
            ["std::collections::HashMap"]
        );
        assert_eq!(
            found("use std::time; fn f() { time::Instant::now(); }"),
            ["time::Instant::now"]
        );
        assert_eq!(found("use std::fs;"), ["std::fs"]);
        assert_eq!(found("use std::thread as t;"), ["std::thread"]);
        assert_eq!(found("use std::fs::*;"), ["std::fs"]);
        assert_eq!(found("fn f() -> Vec<Option<HashSet<u8>>> { todo() }"), ["HashSet"]);
        assert_eq!(
            found("fn f() { assert!(std::env::var(\"A\").is_ok()); }"),
            ["std::env", "std::env::var"]
        );
        assert_eq!(found("fn f() { println!(); }"), ["println!"]);
    }

    #[test]
    fn tests_comments_and_texts_may_say_what_they_like() {
        assert!(found("// std::fs\nconst A: &str = \"HashMap\";").is_empty());
        assert!(found("#[cfg(test)] mod tests { use std::fs; }").is_empty());
        assert!(found("#[cfg(test)] use std::collections::HashSet;").is_empty());
        assert!(found("#[test] fn f() { std::thread::yield_now() }").is_empty());
        assert!(
            found("use std::time::Duration; use std::io; fn f(e: std::io::Error) {}").is_empty()
        );
    }

    #[test]
    fn modules_are_followed_as_the_compiler_does() {
        let mut walk = Walk::default();
        walk.visit_file(
            &syn::parse_str("mod a; mod b { mod c; } #[cfg(test)] mod tests;").unwrap(),
        );
        assert_eq!(walk.modules, [vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]]);
        let root = Path::new("none");
        let file = |from: &str| module_file(root, Path::new(from), &["x".to_owned()]);
        assert_eq!(file("crates/a/src/lib.rs"), Path::new("crates/a/src/x.rs"));
        assert_eq!(file("crates/a/src/foo.rs"), Path::new("crates/a/src/foo/x.rs"));
    }
}
