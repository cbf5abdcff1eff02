//! Which version of the Graph API answered for which, as reported in the header of every answer. Meta may silently serve a
//! version that is over as another one.

use std::collections::HashMap;

use crate::base::ids::Uid;
use crate::graph::Version;
use parking_lot::Mutex;

/// What was heard last for each MetaApp, by its UID, and each version that was asked.
#[derive(Debug, Default)]
pub struct ServedVersions(Mutex<HashMap<Uid, HashMap<Version, Heard>>>);

#[derive(Debug)]
struct Heard {
    by: Version,
    /// What was heard when the MetaApp was checked last because of it: one that answers now so, now so, is no news.
    told: Version,
}

impl ServedVersions {
    /// Notes which version answered.
    pub fn hear(&self, app: &Uid, asked: Version, by: Version) {
        let mut all = self.0.lock();
        let versions = all.entry(app.clone()).or_default();
        versions.entry(asked).or_insert(Heard { by, told: asked }).by = by;
    }

    /// The version that answered last where this one was asked; `None` if no answer said so.
    pub fn by(&self, app: &Uid, asked: Version) -> Option<Version> {
        let all = self.0.lock();
        Some(all.get(app)?.get(&asked)?.by)
    }

    /// Whether something else is heard of a version than when this was asked last.
    pub fn take_news(&self, app: &Uid) -> bool {
        let mut all = self.0.lock();
        let versions = all.get_mut(app).into_iter().flat_map(HashMap::values_mut);
        versions
            .map(|heard| std::mem::replace(&mut heard.told, heard.by) != heard.by)
            .filter(|is_news| *is_news)
            .count()
            > 0
    }

    /// Forgets an application that is gone.
    pub fn forget(&self, app: &Uid) {
        self.0.lock().remove(app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn another_version_is_news_once_and_so_is_its_end() {
        let (served, [old, new]) = (ServedVersions::default(), ["v21.0", "v22.0"].map(version));
        assert_eq!((served.by(&"app".into(), old), served.take_news(&"app".into())), (None, false));
        for (by, is_news) in [(old, false), (old, false), (new, true), (new, false), (old, true)] {
            served.hear(&"app".into(), old, by);
            assert_eq!((served.by(&"app".into(), old), served.take_news(&"app".into())), (Some(by), is_news));
        }
        served.hear(&"app".into(), old, new);
        served.hear(&"app".into(), old, new);
        assert!(served.take_news(&"app".into()), "until someone asks");
        for by in [old, new, old, new] {
            served.hear(&"app".into(), old, by);
        }
        assert!(!served.take_news(&"app".into()), "it is as it was told last");
        assert_eq!(served.by(&"another".into(), old), None);
        served.forget(&"app".into());
        assert_eq!(served.by(&"app".into(), old), None);
    }
}
