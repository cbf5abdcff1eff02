//! Fields that Graph refused, which fails a whole read: they are left out for a while.

use std::collections::HashMap;

use std::time::{Duration, Instant};

use super::version::Version;
use crate::base::ids::AppId;
use parking_lot::Mutex;

/// Not for ever: Graph also calls a field nonexisting while it hides it.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// The fields a read asks for: those that must be there, and those that may be refused.
pub(crate) struct Fields {
    pub(crate) required: &'static [&'static str],
    pub(crate) optional: &'static [&'static str],
}

/// By app and version, because a field may be hidden from one app alone.
#[derive(Default)]
pub(crate) struct RefusedFields {
    since: Mutex<HashMap<(AppId, Version, &'static str), Instant>>,
}

impl RefusedFields {
    /// The list to ask for.
    pub(crate) fn without_refused(&self, fields: &Fields, app_id: &AppId, version: Version, now: Instant) -> String {
        let mut since = self.since.lock();
        since.retain(|_, at| now.duration_since(*at) < REFUSED_FOR);
        let asked = |field: &&&'static str| !since.contains_key(&(app_id.clone(), version, **field));
        let optional = fields.optional.iter().filter(asked);
        fields.required.iter().chain(optional).copied().collect::<Vec<_>>().join(",")
    }

    /// Remembers a refused field. False if it is none that may be left out.
    pub(crate) fn remember(&self, fields: &Fields, name: &str, app_id: &AppId, version: Version, now: Instant) -> bool {
        let Some(field) = fields.optional.iter().find(|field| **field == name) else {
            return false;
        };
        let mut since = self.since.lock();
        since.insert((app_id.clone(), version, *field), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields { required: &["id"], optional: &["name", "link"] };

    #[test]
    fn a_refused_field_is_left_out_for_a_day_for_this_app_and_version() {
        let (refused, now) = (RefusedFields::default(), Instant::now());
        let other: Version = "v26.0".parse().expect("a version");
        assert!(refused.remember(&FIELDS, "link", &"1".into(), Version::DEFAULT, now));
        let asked = |app: &AppId, version, after| {
            refused.without_refused(&FIELDS, app, version, now + Duration::from_secs(after))
        };
        assert_eq!(asked(&"1".into(), Version::DEFAULT, 0), "id,name");
        assert_eq!(asked(&"2".into(), Version::DEFAULT, 0), "id,name,link");
        assert_eq!(asked(&"1".into(), other, 0), "id,name,link");
        assert_eq!(asked(&"1".into(), Version::DEFAULT, 24 * 3600 - 1), "id,name");
        assert_eq!(asked(&"1".into(), Version::DEFAULT, 24 * 3600), "id,name,link");
    }

    #[test]
    fn what_is_required_or_unknown_cannot_be_left_out() {
        let (refused, now) = (RefusedFields::default(), Instant::now());
        for name in ["id", "secret", ""] {
            assert!(!refused.remember(&FIELDS, name, &"1".into(), Version::DEFAULT, now), "{name}");
        }
        assert_eq!(refused.without_refused(&FIELDS, &"1".into(), Version::DEFAULT, now), "id,name,link");
    }
}
