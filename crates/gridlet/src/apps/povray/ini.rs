//! The form of POV-Ray's INI files.

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// `+W640`, without its sign.
    Switch {
        /// Whether the sign was `+`.
        on: bool,
        /// What follows it.
        letters: String,
    },
    /// `Name=value`, or several values with commas between them.
    Option {
        /// The long name.
        name: String,
        /// Without quotes.
        values: Vec<String>,
    },
    /// The name of a scene or of another INI file.
    Bare(String),
}

/// The statements outside sections and in the section of this name, each with its line number.
pub(super) fn entries(text: &str, section: Option<&str>) -> Vec<(usize, Entry)> {
    let mut entries = Vec::new();
    let mut wanted = true;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or_default();
            wanted = section.is_some_and(|section| section.eq_ignore_ascii_case(name));
        } else if wanted {
            statements(line, &mut |entry| entries.push((number + 1, entry)));
        }
    }
    entries
}

/// The statements of one line. An option takes the rest of its line; switches may share one.
fn statements(mut line: &str, emit: &mut dyn FnMut(Entry)) {
    loop {
        line = line.trim_start();
        let Some(first) = line.chars().next() else { return };
        if matches!(first, ';' | '#') {
            return;
        }
        if let Some(rest) = line.strip_prefix(['+', '-']) {
            let (letters, after) = word(rest);
            emit(Entry::Switch { on: first == '+', letters });
            line = after;
            continue;
        }
        let name_end =
            line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
        if let Some(value) = line[name_end..].trim_start().strip_prefix('=')
            && name_end > 0
        {
            emit(Entry::Option { name: line[..name_end].to_owned(), values: values(value) });
            return;
        }
        let (name, after) = word(line);
        if name.is_empty() {
            return;
        }
        emit(Entry::Bare(name));
        line = after;
    }
}

/// Up to white space or a comment, with quoted parts taken as they are.
fn word(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => out.push(c),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() || c == ';' => return (out, &text[at..]),
            None => out.push(c),
        }
    }
    (out, "")
}

/// What follows the equals sign. Text without quotes may hold spaces (paths do) unless what comes after a space
/// looks like another statement.
fn values(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (value, after) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => match rest[1..].split_once(quote) {
                Some((value, after)) => (value.to_owned(), after),
                None => (rest[1..].to_owned(), ""),
            },
            _ => {
                let end = rest.find([',', ';', '#']).unwrap_or(rest.len());
                let (value, after) = rest.split_at(end);
                let stop = value.match_indices([' ', '\t']).find(|(at, _)| {
                    let next = value[*at..].trim_start();
                    let switch = next.strip_prefix(['+', '-']);
                    switch.is_some_and(|s| s.starts_with(|c: char| c.is_ascii_alphabetic()))
                        || next.split('=').next().is_some_and(|name| {
                            next.contains('=') && super::options::long(name.trim()).is_some()
                        })
                });
                let value = stop.map_or(value, |(at, _)| &value[..at]);
                (value.trim_end().to_owned(), after)
            }
        };
        values.push(value);
        match after.trim_start().strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, values: &[&str]) -> Entry {
        Entry::Option {
            name: name.to_owned(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        }
    }

    fn switch(letters: &str) -> Entry {
        Entry::Switch { on: true, letters: letters.to_owned() }
    }

    #[test]
    fn options_switches_comments_and_sections() {
        let text = "Width = 640 ; wide\n+H480 +FN # tall\n\"a b.pov\"\n[Fast]\nQuality=3\n[slow]\nQuality=9\n";
        let all: Vec<Entry> = entries(text, Some("fast")).into_iter().map(|(_, e)| e).collect();
        let expected = [
            option("Width", &["640"]),
            switch("H480"),
            switch("FN"),
            Entry::Bare("a b.pov".to_owned()),
            option("Quality", &["3"]),
        ];
        assert_eq!(all, expected);
        assert_eq!(entries(text, None).len(), 4);
    }

    #[test]
    fn lists_and_paths_with_spaces() {
        let one = |text: &str| entries(text, None).remove(0).1;
        assert_eq!(
            one("Library_Path=\"a b\", c d,e"),
            option("Library_Path", &["a b", "c d", "e"])
        );
        assert_eq!(one("Output_File_Name=a b.png ; x"), option("Output_File_Name", &["a b.png"]));
        assert_eq!(one("Width=3 +H4"), option("Width", &["3"]));
        assert_eq!(one("Width=3 Height=4"), option("Width", &["3"]));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String, section: Option<String>) {
            entries(&text, section.as_deref());
        }
    }
}
