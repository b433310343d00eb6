//! The options of a verb: pairs of `--name value`, each at most once.

use std::{collections::BTreeMap, str::FromStr};

/// What was given.
#[derive(Debug)]
pub(crate) struct Options<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Options<'a> {
    /// Reads the arguments of a verb that has these options; the reason why they make no sense.
    pub(crate) fn read(arguments: &'a [String], names: &[&str]) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        for pair in arguments.chunks(2) {
            let name = pair[0].strip_prefix("--").filter(|name| names.contains(name));
            let name = name.ok_or_else(|| format!("there is no option `{}` here", pair[0]))?;
            let value = pair.get(1).ok_or_else(|| format!("`--{name}` needs a value"))?;
            if options.insert(name, value.as_str()).is_some() {
                return Err(format!("`--{name}` is given twice"));
            }
        }
        Ok(Self(options))
    }

    /// An option's value.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// An option that is a number.
    pub(crate) fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().map_err(|_| format!("`--{name} {text}` is not a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn pairs_are_read_and_what_is_missing_has_its_default() {
        let words = words("--minutes 2.5 --fs ext4");
        let options = Options::read(&words, &["minutes", "seed", "fs"]).expect("pairs");
        assert_eq!(options.text("fs"), Some("ext4"));
        assert_eq!(options.number("minutes", 1.0), Ok(2.5));
        assert_eq!(options.number("seed", 7_u64), Ok(7));
    }

    #[test]
    fn what_is_no_pair_of_a_known_option_is_refused() {
        for wrong in ["minutes 3", "--minutes", "--hours 3", "--minutes 1 --minutes 2"] {
            assert!(Options::read(&words(wrong), &["minutes"]).is_err(), "{wrong}");
        }
        let words = words("--minutes x");
        assert!(Options::read(&words, &["minutes"]).expect("a pair").number("minutes", 1.0).is_err());
    }
}
