//! Which names announce a secret: of variables and keys, of options, of headers and of query parameters.

/// Words that make a name secret, alone or among others.
const SECRET_WORDS: &str = "key keys token tokens secret secrets password passwords passwd passphrase passcode pwd credential \
    credentials bearer accesskey appkey authkey clientkey encryptionkey licensekey masterkey privatekey secretkey servicekey \
    signingkey sshkey storagekey subscriptionkey";

/// Endings that no harmless word has, for names written in one piece (`PGPASSWORD`, `authtoken`).
const SECRET_ENDINGS: &[&str] =
    &["token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "apikey"];

/// Words that count only at the end of a longer name: `DB_PASS`, `_auth`, but not `pass: 12 tests`.
const LAST_WORDS: &[&str] = &["pass", "auth"];

/// Query parameters whose values are replaced, also as an ending after `-` or `_` (`X-Amz-Signature`).
const SENSITIVE_PARAMETERS: &[&str] = &["signature", "sig", "token", "auth", "access_token"];

/// Whether a name announces a secret: by a word of it, split at punctuation and at humps, or by the ending of a
/// piece (`PGPASSWORD`). Dashes before an option's name count as part of a longer name.
pub(super) fn looks_secret(name: &str) -> bool {
    // The working directory, in every environment; in lower case it is a password.
    if name == "PWD" {
        return false;
    }
    let ends_secret = |piece: &str| {
        let piece = piece.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
        SECRET_WORDS.split(' ').any(|word| word == piece)
            || SECRET_ENDINGS.iter().any(|ending| piece.ends_with(ending))
    };
    let mut pieces = name.split(|c: char| !c.is_ascii_alphanumeric());
    pieces.any(|piece| ends_secret(piece) || humps(piece).into_iter().any(ends_secret)) || ends_weakly(name)
}

/// Last words of names that say something about a secret, and its first word if it is none: `key_path`, `public_key`.
const ABOUT: &[&str] =
    &["path", "file", "dir", "name", "env", "id", "fingerprint", "type", "count", "length", "size"];
const NO_SECRET: &str = "public";

/// Whether a value is a secret by the name that a program gave it, where the name is known to be all of it.
pub(crate) fn announces_secret(name: &str) -> bool {
    let pieces: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(humps)
        .filter(|word| !word.is_empty())
        .collect();
    let is = |word: Option<&&str>, wanted: &[&str]| {
        word.is_some_and(|word| wanted.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)))
    };
    looks_secret(name) && !is(pieces.last(), ABOUT) && !is(pieces.first(), &[NO_SECRET])
}

/// Whether the last word is one that counts only there.
fn ends_weakly(name: &str) -> bool {
    let piece = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(name);
    let last = humps(piece).pop().unwrap_or(piece);
    let lower = name.to_ascii_lowercase();
    let counts = LAST_WORDS.iter().any(|word| last.eq_ignore_ascii_case(word)) && last.len() < name.len();
    counts || lower.ends_with("_pat") || lower.ends_with("-pat")
}

/// The words of a piece in camel case: `APIKeyId` is `API`, `Key`, `Id`.
fn humps(piece: &str) -> Vec<&str> {
    let bytes = piece.as_bytes();
    let starts_hump = |at: &usize| {
        let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        bytes[*at].is_ascii_uppercase() && (!bytes[at - 1].is_ascii_uppercase() || next_is_lower)
    };
    let mut words = Vec::new();
    let mut start = 0;
    for at in (1..bytes.len()).filter(starts_hump).chain([bytes.len()]) {
        words.push(&piece[start..at]);
        start = at;
    }
    words
}

/// Whether the option's next argument is a secret. `--no-token` and `--password-stdin` take none.
pub(super) fn takes_secret(option: &str) -> bool {
    let name = option.trim_start_matches('-');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    plain && !name.starts_with("no-") && !name.ends_with("-stdin") && looks_secret(option)
}

/// Whether the name is of an HTTP header that carries credentials of several words.
pub(super) fn is_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("authorization") || name == "cookie" || name == "set-cookie"
}

/// Whether a query parameter of this name carries a secret.
pub(super) fn is_sensitive_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_or_ends_in = |word: &&str| {
        name.strip_suffix(*word).is_some_and(|before| before.is_empty() || before.ends_with(['-', '_']))
    };
    SENSITIVE_PARAMETERS.iter().any(is_or_ends_in) || looks_secret(&name)
}
