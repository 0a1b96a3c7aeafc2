//! A tar file (POSIX.1-1988 `ustar`) of results: regular files only, without times and owners, so
//! that the same results always make the same file.

use std::io;

use crate::{OutFile, Results};

/// Bytes of a block.
const BLOCK: usize = 512;

/// Largest file that twelve octal digits can say.
const MOST: u64 = 1 << 33;

/// The parts of the file, one after another.
pub(super) fn tar<'a>(
    files: &'a [(String, OutFile)],
    results: &'a dyn Results,
) -> impl Iterator<Item = io::Result<Vec<u8>>> + 'a {
    let part = |(name, file): &'a (String, OutFile)| {
        let bytes = results.bytes(&file.content)?;
        let mut part = header(name, bytes.len() as u64, file.executable)?;
        let padded = part.len() + bytes.len().next_multiple_of(BLOCK);
        part.extend_from_slice(&bytes);
        part.resize(padded, 0);
        Ok(part)
    };
    files.iter().map(part).chain([Ok(vec![0; 2 * BLOCK])])
}

fn header(name: &str, bytes: u64, executable: bool) -> io::Result<Vec<u8>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    // Of a long path the last part may have 100 bytes and the folders 155.
    let cut = if name.len() <= 100 {
        Some(("", name))
    } else {
        name.match_indices('/')
            .map(|(at, _)| (&name[..at], &name[at + 1..]))
            .find(|(folder, rest)| folder.len() <= 155 && rest.len() <= 100)
    };
    let (folder, rest) = cut.ok_or_else(|| {
        invalid(format!("{name:?} is too long for a tar file, expected at most 255 bytes"))
    })?;
    if bytes >= MOST {
        return Err(invalid(format!("{name:?} has {bytes} bytes, expected less than {MOST}")));
    }
    let mut block = vec![0; BLOCK];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, rest);
    put(100, if executable { "0000755" } else { "0000644" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{bytes:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    put(345, folder);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;
    use crate::apps::testing::Accepted;

    #[test]
    fn a_file_that_is_too_long_for_the_format_is_refused_and_others_are_padded() {
        let file = |bytes: &[u8]| OutFile {
            name: "x".to_owned(),
            executable: false,
            content: Content::Inline(bytes.to_vec()),
        };
        let long = format!("{}/{}", "f".repeat(150), "n".repeat(90));
        let files = [("a".to_owned(), file(b"hello")), (long.clone(), file(b""))];
        let accepted = Accepted::default();
        let parts: Vec<Vec<u8>> = tar(&files, &accepted).map(Result::unwrap).collect();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1024, 512, 1024]);
        assert!(parts[0].starts_with(b"a\0") && parts[0][512..].starts_with(b"hello\0"));
        assert!(parts[1].starts_with(&[b'n'; 90]) && parts[1][345..].starts_with(&[b'f'; 150]));
        assert!(header(&"n".repeat(101), 0, false).is_err());
        assert!(header("x", MOST, false).is_err());
    }
}
