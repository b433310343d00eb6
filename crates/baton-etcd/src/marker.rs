//! The marker that a holder leaves until it has ended cleanly: its record.
//!
//! Who gets the lock at once puts the marker in the same transaction as its own key, and can't know its token yet, which is the
//! revision of that transaction. So such a marker says it by the revision of its own last change, and here it is
//! written into the record for whoever reads it.

use baton_lock::Record;
use serde_json::{Value, json};

use crate::wire::KeyValue;

/// The marker with its token in its record.
pub(crate) fn complete(mut marker: KeyValue) -> KeyValue {
    let Ok(mut record) = serde_json::from_slice::<Value>(&marker.value) else { return marker };
    if let Some(details) = record.get_mut("baton").and_then(Value::as_object_mut)
        && !details.contains_key("token")
    {
        details.insert("token".to_owned(), json!(marker.mod_revision));
        marker.value = record.to_string().into_bytes();
    }
    marker
}

/// The token that a complete marker has.
pub(crate) fn token(marker: &KeyValue) -> Option<u64> {
    Record::from_json(&marker.value)?.token()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(value: &[u8]) -> KeyValue {
        KeyValue { mod_revision: 7, value: value.to_vec(), ..KeyValue::default() }
    }

    #[test]
    fn marker_without_a_token_has_that_of_its_last_change_and_one_with_keeps_its_own() {
        let options = baton_lock::Lock::options();
        for (own, expected) in [(None, 7), (Some(3), 3)] {
            let written = marker(options.record(own).to_json().as_bytes());
            assert_eq!(token(&complete(written)), Some(expected));
        }
    }

    #[test]
    fn what_is_no_record_stays_as_it_is() {
        for value in ["", "null", "{}", "{\"baton\":1}", "[", "\u{1}"] {
            let complete = complete(marker(value.as_bytes()));
            assert_eq!((complete.value.as_slice(), token(&complete)), (value.as_bytes(), None));
        }
    }
}
