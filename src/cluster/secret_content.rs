//! Which parts of the content of a Secret are kept: the keys of its purpose, and no more than their possible size. Tenants
//! write it, each Secret up to a megabyte, and keeping everything would fill the memory that all of them share.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretSlice};

use crate::api::references::{APP_SECRET_KEY, GRANT_TOKEN_KEY, PREVIOUS_APP_SECRET_KEY, Purpose, VERIFY_TOKEN_KEY};

/// The largest value that is kept, in KiB: four times of what a token can be.
const LARGEST_VALUE: usize = 4;

/// The most that is kept of one Secret, in KiB: page tokens for more than a hundred pages.
const LARGEST: usize = 64;

const KIB: usize = 1 << 10;

/// The values of a Secret, wiped when dropped.
#[derive(Default)]
pub(super) struct Content {
    /// Without a value where that is too large.
    values: BTreeMap<String, Option<SecretSlice<u8>>>,
    /// Whether nothing is kept, since it is too much together.
    is_too_large: bool,
}

impl Content {
    /// What is kept of a Secret that was released for this purpose.
    pub(super) fn of(purpose: &str, data: BTreeMap<String, ByteString>) -> Self {
        let (keys, mut kept, mut size) = (keys(purpose), Self::default(), 0);
        for (key, value) in data {
            // What is not kept is wiped, too.
            let value = SecretSlice::from(value.0);
            if keys.is_some_and(|keys| !keys.contains(&key.as_str())) {
                continue;
            }
            let value = Some(value).filter(|value| value.expose_secret().len() <= LARGEST_VALUE * KIB);
            size += key.len() + value.as_ref().map_or(0, |value| value.expose_secret().len());
            if size > LARGEST * KIB {
                return Self { is_too_large: true, ..Self::default() };
            }
            kept.values.insert(key, value);
        }
        kept
    }

    pub(super) fn value(&self, key: &str) -> Option<&[u8]> {
        Some(self.values.get(key)?.as_ref()?.expose_secret())
    }

    pub(super) fn too_large(&self, key: &str) -> Option<String> {
        if self.is_too_large {
            return Some(format!("it holds more than {LARGEST} KiB"));
        }
        let is_too_large = self.values.get(key).is_some_and(Option::is_none);
        is_too_large.then(|| format!("its key {key} holds more than {LARGEST_VALUE} KiB"))
    }
}

/// The keys that are read for a purpose; `None` where whoever refers to the Secret names one.
fn keys(purpose: &str) -> Option<&'static [&'static str]> {
    let fixed: [(Purpose, &'static [&'static str]); 3] = [
        (Purpose::AppSecret, &[APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY]),
        (Purpose::GrantToken, &[GRANT_TOKEN_KEY]),
        (Purpose::VerifyToken, &[VERIFY_TOKEN_KEY]),
    ];
    fixed.into_iter().find(|(known, _)| known.as_str() == purpose).map(|(_, keys)| keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(purpose: Purpose, data: &[(&str, usize)]) -> Content {
        let data = data.iter().map(|(key, size)| ((*key).to_owned(), ByteString(vec![b'x'; *size])));
        Content::of(purpose.as_str(), data.collect())
    }

    #[test]
    fn only_what_the_purpose_has_is_kept() {
        let all =
            [("app-secret", 32), ("previous-app-secret", 32), ("token", 200), ("verify-token", 48), ("other", 900_000)];
        let rows: [(Purpose, &[&str]); 4] = [
            (Purpose::AppSecret, &["app-secret", "previous-app-secret"]),
            (Purpose::GrantToken, &["token"]),
            (Purpose::VerifyToken, &["verify-token"]),
            (Purpose::PageToken, &["app-secret", "previous-app-secret", "token", "verify-token"]),
        ];
        for (purpose, expected) in rows {
            let it = content(purpose, &all);
            let kept: Vec<_> = all.iter().map(|(key, _)| *key).filter(|key| it.value(key).is_some()).collect();
            assert_eq!(kept, expected, "{purpose:?}");
            assert_eq!(it.too_large("token"), None);
        }
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_said_to_be_so() {
        let it = content(Purpose::AppSecret, &[("app-secret", 4096), ("previous-app-secret", 4097)]);
        assert_eq!(it.value("app-secret").map(<[u8]>::len), Some(4096));
        assert_eq!((it.value("previous-app-secret"), it.too_large("app-secret")), (None, None));
        let why = it.too_large("previous-app-secret");
        assert_eq!(why.as_deref(), Some("its key previous-app-secret holds more than 4 KiB"));

        let names: Vec<_> = (0..1000).map(|n| format!("page-{n:04}")).collect();
        let tokens =
            |count: usize, size| names.iter().take(count).map(|name| (name.as_str(), size)).collect::<Vec<_>>();
        assert!(content(Purpose::PageToken, &tokens(200, 300)).value("page-0199").is_some());
        for many in [tokens(300, 300), tokens(17, 4096)] {
            let it = content(Purpose::PageToken, &many);
            assert_eq!(it.value("page-0000"), None);
            assert_eq!(it.too_large("page-0000").as_deref(), Some("it holds more than 64 KiB"));
            assert!(it.values.is_empty());
        }
    }
}
