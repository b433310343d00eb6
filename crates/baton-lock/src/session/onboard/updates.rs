//! What a step may tell the session: a few fields, and nothing else that its caller has at hand.

use serde_json::{Map, Value};

use super::document::{STRINGS, Session, string_or_null, strings_or_null, url_or_null};

/// Updates of the fields that may be updated; everything else was dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Updates(Map<String, Value>);

impl Updates {
    /// Keeps of a JSON object the strings of the session, `policyPresets` and `metadata.gatewayName`. A missing member or one
    /// of the wrong type leaves its field, `null` clears it, everything else (an `apiKey`, a `metadata.token`) is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use baton_lock::session::onboard::Updates;
    /// let updates = Updates::filter(r#"{"model": "m", "provider": null, "sandboxName": 7, "apiKey": "abc"}"#);
    /// assert_eq!(updates.to_json(), r#"{"provider":null,"model":"m"}"#);
    /// ```
    pub fn filter(json: &str) -> Self {
        let given: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
        let mut safe = Map::new();
        for name in STRINGS {
            let clean = if name == "endpointUrl" { url_or_null } else { string_or_null };
            if let Some(value) = given.get(name).filter(|value| value.is_string() || value.is_null()) {
                safe.insert(name.to_owned(), clean(Some(value)));
            }
        }
        if let Some(value) = given.get("policyPresets").filter(|value| value.is_array() || value.is_null()) {
            safe.insert("policyPresets".to_owned(), strings_or_null(Some(value)));
        }
        let gateway = given.get("metadata").and_then(|metadata| metadata.get("gatewayName"));
        if let Some(value) = gateway.filter(|value| value.is_string()) {
            let metadata = Map::from_iter([("gatewayName".to_owned(), string_or_null(Some(value)))]);
            safe.insert("metadata".to_owned(), metadata.into());
        }
        Self(safe)
    }

    /// The updates as JSON.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    pub(super) fn apply(&self, session: &mut Session) {
        for (name, value) in &self.0 {
            match (value, session.0.get_mut(name)) {
                // Of an object only what is updated.
                (Value::Object(update), Some(Value::Object(present))) => present.extend(update.clone()),
                _ => {
                    session.0.insert(name.clone(), value.clone());
                }
            }
        }
    }
}
