//! The keyring: one Secret in the release's namespace with what the gateway has to know of each MetaApp. The operator writes it,
//! so that the gateway reads no Secret of a tenant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The type of the Secret.
pub const KEYRING_TYPE: &str = "metachannels.io/gateway-keyring";

/// Where it holds what the keys of all endpoints are made of. No MetaApp has this key, since it has no dot.
pub const FORWARDING_KEY: &str = "forwarding-key";

/// The key of a MetaApp in it. A namespace has no dot, so that it can be told from the key; a UID is of one object alone.
pub fn key(namespace: &str, uid: &str) -> String {
    format!("{namespace}.{uid}")
}

/// The namespace of the MetaApp that has this key.
pub fn namespace_of(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

/// The UID of the MetaApp that has this key.
pub fn uid_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(_, uid)| uid)
}

/// What the gateway knows of a MetaApp. It is never shown: no `Debug`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyringEntry {
    /// The Secret that the app secrets are from, as the MetaApp named it.
    pub app_secret_ref: String,
    /// The verify token that Meta is given, once it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_token: Option<String>,
    /// The app secrets that a signature may be made with, by their keys in that Secret.
    #[serde(default)]
    pub app_secrets: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_key_of_an_app_names_its_namespace_and_is_one_that_a_secret_may_have() {
        let (namespace, uid) = ("n".repeat(63), "01234567-89ab-cdef-0123-456789abcdef");
        let key = key(&namespace, uid);
        assert!(key.len() <= 253 && key.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)), "{key}");
        assert_eq!((namespace_of(&key), uid_of(&key)), (namespace.as_str(), uid));
    }

    #[test]
    fn an_entry_is_written_the_same_each_time_the_current_secret_first() {
        let app_secrets = [("previous-app-secret", "b"), ("app-secret", "a")];
        let app_secrets = app_secrets.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let entry = KeyringEntry { app_secret_ref: "acme-app".to_owned(), verify_token: None, app_secrets };
        let text = r#"{"appSecretRef":"acme-app","appSecrets":{"app-secret":"a","previous-app-secret":"b"}}"#;
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        let read: KeyringEntry = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
