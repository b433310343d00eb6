//! Free text, arguments and output, with whatever in them.

use baton_lock::redact::{self, Secrets, Stream};

const SECRET: &str = "correct horse battery";

/// Redacting twice is redacting once; a failure is short; output that comes in pieces is redacted as if it came at once, and a value that is
/// known to be secret is in none of it.
///
/// # Panics
///
/// When that does not hold.
pub fn redaction(content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let once = redact::text(&text);
    assert_eq!(redact::text(&once), once, "of {text:?}");
    let failure = redact::failure(&text);
    assert!(failure.chars().count() <= redact::MAX_TEXT_CHARS, "{failure:?}");
    assert_eq!(redact::failure(&failure), failure, "of {text:?}");
    let words: Vec<String> = text.split(' ').map(ToOwned::to_owned).collect();
    let _ = redact::command(&words);

    // The first byte says where the pieces end.
    let (length, rest) =
        content.split_first().map_or((1, content), |(first, rest)| (usize::from(*first) + 1, rest));
    let planted = [rest, SECRET.as_bytes(), rest].concat();
    let (whole, pieces) = (streamed(&planted, planted.len()), streamed(&planted, length));
    assert_eq!(String::from_utf8_lossy(&pieces), String::from_utf8_lossy(&whole), "in pieces of {length}");
    assert!(!String::from_utf8_lossy(&whole).contains(SECRET));
}

fn streamed(content: &[u8], length: usize) -> Vec<u8> {
    let (mut stream, mut out) = (Stream::new(Secrets::new([SECRET])), Vec::new());
    for piece in content.chunks(length) {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out);
    out
}
