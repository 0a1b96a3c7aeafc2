//! What `/metrics` says, read as strictly as a scraper does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Figures by sample, with their labels as written: `outlast_members{state="alive"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Reads the text format of OpenMetrics.
    ///
    /// # Errors
    /// The first line that breaks a rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut figures, mut types, mut helped) =
            (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let body = text.strip_suffix("# EOF\n").ok_or("no `# EOF` at the end")?;
        for line in body.lines() {
            let wrong = |why: &str| Err(format!("{why}: `{line}`"));
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (Some(what), Some(name), Some(rest)) =
                    (words.next(), words.next(), words.next())
                else {
                    return wrong("a comment of less than three words");
                };
                let fresh = match what {
                    "TYPE" => types.insert(name.to_owned(), rest.to_owned()).is_none(),
                    "HELP" => helped.insert(name.to_owned()),
                    "UNIT" => name.ends_with(&format!("_{rest}")),
                    _ => false,
                };
                if !fresh {
                    return wrong("said twice, or not known");
                }
                continue;
            }
            let Some((sample, value)) = line.rsplit_once(' ') else {
                return wrong("a sample without a value");
            };
            let Ok(value) = value.parse::<f64>() else { return wrong("no number") };
            let name = sample.split('{').next().unwrap_or_default();
            if sample.contains('{') != sample.ends_with('}') {
                return wrong("labels without an end");
            }
            let suffixes = ["", "_total", "_info", "_bucket", "_sum", "_count"];
            let family = suffixes.iter().filter_map(|suffix| name.strip_suffix(suffix));
            let Some(kind) = family.filter_map(|family| types.get(family)).next() else {
                return wrong("a sample without a type");
            };
            if (kind == "counter") != name.ends_with("_total") {
                return wrong("only counters end in _total");
            }
            if figures.insert(sample.to_owned(), value).is_some() {
                return wrong("a sample twice");
            }
        }
        match types.keys().find(|name| !helped.contains(*name)) {
            Some(name) => Err(format!("nobody says what {name} is")),
            None => Ok(Self(figures)),
        }
    }

    /// Asks an address for its figures.
    ///
    /// # Panics
    /// If it doesn't answer as it should.
    #[track_caller]
    pub fn scrape(address: SocketAddr) -> Self {
        let reply = http(address, "GET /metrics");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a reply has a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
        Self::parse(body).unwrap_or_else(|error| panic!("{error}\n{body}"))
    }

    /// A figure.
    ///
    /// # Panics
    /// If it isn't there.
    #[track_caller]
    pub fn of(&self, sample: &str) -> f64 {
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample} in {:#?}", self.0))
    }

    /// Samples that only grow and were larger before.
    pub fn shrunk_since(&self, before: &Self) -> Vec<&str> {
        let grows = |sample: &str| {
            ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|suffix| sample.split('{').next().is_some_and(|name| name.ends_with(suffix)))
        };
        let shrunk = self.0.iter().filter(|(sample, value)| {
            grows(sample) && before.0.get(*sample).is_some_and(|old| old > *value)
        });
        shrunk.map(|(sample, _)| sample.as_str()).collect()
    }
}

/// A request without a body, and all that comes back.
///
/// # Panics
/// If nobody answers.
#[track_caller]
pub fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let _ = stream.set_read_timeout(Some(crate::SOON));
    let head = format!("{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers in time");
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_b x y\n# TYPE a_b counter\na_b_total{c=\"d e\"} 3\n# EOF\n";

    #[test]
    fn figures_are_read() {
        let figures = Figures::parse(GOOD).unwrap();
        assert_eq!(figures.of("a_b_total{c=\"d e\"}"), 3.0);
        let later = Figures::parse(&GOOD.replace(" 3\n", " 2\n")).unwrap();
        assert_eq!(later.shrunk_since(&figures), ["a_b_total{c=\"d e\"}"]);
        assert!(figures.shrunk_since(&later).is_empty());
    }

    #[test]
    fn what_breaks_a_rule_is_an_error() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("# HELP a_b x y\n", ""),
            ("# TYPE a_b counter\n", ""),
            ("counter", "gauge"),
            (" 3", " three"),
            ("_total", ""),
            ("\"}", "\""),
        ] {
            assert!(Figures::parse(&GOOD.replace(from, to)).is_err(), "{from} → {to}");
        }
    }
}
