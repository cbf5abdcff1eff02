//! Identities, each with a type of its own, so that none is taken for another: what is kept by the UID of a MetaApp is not
//! looked up by the app's id at Meta. The fields of `api` stay text; a pass converts them where it observes its object.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use kube::Resource;

macro_rules! identities {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identity that is written so.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// The identity as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        /// As of the text: fingerprints are made of it.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }
    )+};
}

identities! {
    /// UID of a Kubernetes object.
    Uid,
    /// Id of an app at Meta.
    AppId,
    /// Id of a page at Meta.
    PageId,
}

/// A map of pages is asked with the text of a spec or status, of which no copy is made.
impl Borrow<str> for PageId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Uid {
    /// The UID of an object; empty if it has none.
    pub fn of(object: &impl Resource) -> Self {
        Self::new(object.meta().uid.as_deref().unwrap_or_default())
    }

    /// Whether it is the UID of this object.
    pub fn is_of(&self, object: &impl Resource) -> bool {
        object.meta().uid.as_deref() == Some(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_identity_is_shown_as_its_text_so_that_fingerprints_and_messages_stay_what_they_were() {
        let text = "22\"0";
        for shown in [format!("{:?} {0}", Uid::new(text)), format!("{:?} {0}", PageId::from(text.to_owned()))] {
            assert_eq!(shown, format!("{text:?} {text}"));
        }
    }

    #[test]
    fn a_page_is_found_by_the_text_of_its_id() {
        let pages: HashMap<PageId, u8> = [("1".into(), 1), ("2".into(), 2)].into();
        assert_eq!((pages.get("2"), pages.get(&PageId::new("1")), pages.get("3")), (Some(&2), Some(&1), None));
    }
}
