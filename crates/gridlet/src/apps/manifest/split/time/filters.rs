//! Whether a chain of filters may run on each part of a film by itself.
//!
//! It may if each filter makes one picture of one picture without remembering any: the manifest
//! lists those. Times are the whole film's in each part, so expressions with `t` are right; those
//! that count pictures (`n`), and several chains (`;`, `[label]`), aren't.

/// Variables and functions of expressions that depend on the pictures before.
const REMEMBER: [&str; 8] = ["n", "N", "in", "on", "pos", "random", "ld", "st"];

/// Checks a chain such as `scale=640:-2,eq=contrast=1.2`; empty is none.
///
/// # Errors
/// Why it has to see the whole film.
pub(super) fn check(chain: &str, each_picture: &[String]) -> Result<(), String> {
    if chain.is_empty() {
        return Ok(());
    }
    for filter in split(chain)? {
        let (name, args) = filter.split_once('=').unwrap_or((&filter, ""));
        // `scale@id=…`
        let name = name.split('@').next().unwrap_or_default().trim();
        if !each_picture.iter().any(|known| known == name) {
            return Err(format!("the filter `{name}` may look at several pictures at once"));
        }
        let mut words = args.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| REMEMBER.contains(word)) {
            return Err(format!(
                "the filter `{name}` uses `{word}`, which differs from part to part"
            ));
        }
    }
    Ok(())
}

/// The filters of a chain: at commas that are neither quoted nor escaped.
fn split(chain: &str) -> Result<Vec<String>, String> {
    let mut filters = vec![String::new()];
    let mut quoted = false;
    let mut chars = chain.chars();
    while let Some(c) = chars.next() {
        let last = filters.last_mut().ok_or("no filter")?;
        match c {
            '\\' if !quoted => {
                last.push(c);
                last.extend(chars.next());
            }
            '\'' => {
                quoted = !quoted;
                last.push(c);
            }
            ';' | '[' | ']' if !quoted => {
                return Err("its filters are a graph of several chains".to_owned());
            }
            ',' if !quoted => filters.push(String::new()),
            _ => last.push(c),
        }
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        ["scale", "eq", "drawbox"].map(str::to_owned).to_vec()
    }

    #[test]
    fn filters_of_single_pictures_are_fine() {
        for chain in [
            "",
            "scale=640:-2",
            "scale=640:-2, eq=contrast=1.2:brightness=0.1",
            "drawbox=enable='between(t,1,2)':x=1",
            "scale@small=w=iw/2:h=ih/2",
        ] {
            assert_eq!(check(chain, &known()), Ok(()), "{chain}");
        }
    }

    #[test]
    fn what_remembers_or_counts_is_not() {
        for chain in [
            "fps=30",
            "scale=2:2,minterpolate",
            "drawbox=enable='lt(n,30)'",
            "[in]scale=2:2[out]",
            "scale=2:2;eq",
            "eq,",
            "eq=contrast='random(1)'",
        ] {
            assert!(check(chain, &known()).is_err(), "{chain}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_chain_makes_it_panic(chain in "[a-z,;'\\\\=\\[n ]{0,30}") {
            let _ = check(&chain, &known());
        }
    }
}
