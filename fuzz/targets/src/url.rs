//! A URL, with whatever in it.

use baton_lock::redact;

const SECRET: &str = "hunter2hunter2";

/// What was redacted stays as it is when it is redacted again. A secret where URLs have theirs does not stay, whatever stands around it.
///
/// # Panics
///
/// When that does not hold.
pub fn url(content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let once = redact::url(&text);
    assert_eq!(redact::url(&once), once, "of {text:?}");
    let harmless: String = text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    // The fuzzer finds out what is looked for.
    let harmless = harmless.replace(SECRET, "");
    for secret in [
        format!("https://{harmless}:{SECRET}@example.org/{harmless}"),
        format!("https://example.org/{harmless}?{harmless}=1&token={SECRET}"),
        format!("https://example.org/?access_token={SECRET}&{harmless}"),
        format!("https://example.org/{harmless}#{SECRET}"),
    ] {
        let shown = redact::url(&secret);
        assert!(!shown.contains(SECRET), "{secret:?} is shown as {shown:?}");
    }
}
