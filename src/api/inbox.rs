//! The inbox: Secrets that the gateway leaves in the release's namespace for the operator, one for each thing it has to
//! tell. The gateway may create them and nothing else; the operator reads and deletes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PURPOSE_LABEL;
use super::references::{NamespacedName, Purpose};
use crate::base::redact::is_id;

/// The type of the Secrets.
pub const INBOX_TYPE: &str = "metachannels.io/grant-inbox";

/// Key of the token in a Secret with one.
pub const INBOX_TOKEN_KEY: &str = "token";

const GRANT_NAMESPACE: &str = "metachannels.io/grant-namespace";
const GRANT_NAME: &str = "metachannels.io/grant-name";
const GRANT_UID: &str = "metachannels.io/grant-uid";
const CONTENT: &str = "metachannels.io/message";
const MISSING: &str = "metachannels.io/missing";
const FACT: &str = "metachannels.io/fact";
const WORDS: &str = "metachannels.io/words";
const GRANTOR: &str = "metachannels.io/grantor-id";

/// One thing that the gateway tells about a MetaGrant, as labels and annotations of a Secret say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxMessage {
    /// The MetaGrant.
    pub grant: NamespacedName,
    /// Its UID: mail is not for another object of the same name.
    pub grant_uid: String,
    /// What is told.
    pub content: MessageContent,
}

/// What the gateway tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MessageContent {
    /// A state of the login was used. It is there so that it cannot be used again, and may go when it is old.
    SpentState,
    /// A person authorized again and agreed; the token is in the Secret.
    Token {
        /// Id of the person at Meta, as the gateway found it.
        grantor: Option<String>,
    },
    /// A person authorized again, but not what is needed.
    Refused(MessageRefusal),
    /// Nobody can authorize again before someone mends the application.
    AppTrouble {
        /// What is wrong.
        trouble: AppTrouble,
        /// How Meta names it: a code, or the error of a login.
        fact: String,
        /// What Meta said, redacted; empty if nothing.
        words: String,
    },
}

macro_rules! app_troubles {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What keeps people from authorizing an application, whatever they do.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
        pub enum AppTrouble { $($(#[$doc])+ $name,)+ }

        impl AppTrouble {
            /// All of them.
            pub const ALL: &'static [AppTrouble] = &[$(AppTrouble::$name,)+];

            /// The trouble in one word, as it stands in mail.
            pub const fn as_str(self) -> &'static str {
                match self { $(AppTrouble::$name => stringify!($name),)+ }
            }
        }
    };
}

app_troubles! {
    /// The login dialog sent a person back with an error of its own that may pass.
    DialogUnavailable,
    /// The login dialog sent a person back with an error.
    DialogFailed,
    /// The login dialog sent a person back with an error about the address that people are sent back to.
    RedirectUriBlocked,
    /// Meta does not accept the address that people are sent back to.
    RedirectUriRefused,
    /// Meta does not accept id and secret of the application.
    CredentialsRejected,
    /// Meta blocked the application.
    AppBlocked,
    /// The application serves only people with a role in it.
    NotLive,
    /// The login configuration lacks permissions that are required.
    ConfigurationNarrow,
    /// Meta refuses, for a reason that is not known.
    RefusedByMeta,
}

/// Why an authorization in the browser was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MessageRefusal {
    /// Its token is another application's.
    WrongApp,
    /// It lacks these permissions.
    ScopesMissing(Vec<String>),
    /// It does not cover these pages in use.
    PagesMissing(Vec<String>),
}

impl InboxMessage {
    /// The name of the Secret, for an id of the login: the same thing is told once. Of an application's trouble the id is that
    /// of the application.
    pub fn name(&self, id: &str) -> String {
        let kind = match &self.content {
            MessageContent::SpentState => "state",
            MessageContent::Token { .. } => "token",
            MessageContent::Refused(_) => "refusal",
            MessageContent::AppTrouble { trouble, .. } => {
                return format!("grant-app-{id}-{}", trouble.as_str().to_ascii_lowercase());
            }
        };
        format!("grant-{kind}-{id}")
    }

    /// The label by which the operator finds it.
    pub fn labels() -> BTreeMap<String, String> {
        BTreeMap::from([(PURPOSE_LABEL.to_owned(), Purpose::GrantInbox.as_str().to_owned())])
    }

    /// The annotations that say all of it but the token.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let missing = |all: &[String]| vec![(MISSING, all.join(","))];
        let (content, more) = match &self.content {
            MessageContent::SpentState => ("SpentState", vec![]),
            MessageContent::Token { grantor } => {
                ("Token", grantor.iter().map(|grantor| (GRANTOR, grantor.clone())).collect())
            }
            MessageContent::Refused(MessageRefusal::WrongApp) => ("WrongApp", vec![]),
            MessageContent::Refused(MessageRefusal::ScopesMissing(scopes)) => ("ScopesMissing", missing(scopes)),
            MessageContent::Refused(MessageRefusal::PagesMissing(pages)) => ("PagesMissing", missing(pages)),
            MessageContent::AppTrouble { trouble, fact, words } => {
                (trouble.as_str(), vec![(FACT, fact.clone()), (WORDS, words.clone())])
            }
        };
        let always = [
            (GRANT_NAMESPACE, self.grant.namespace.clone()),
            (GRANT_NAME, self.grant.name.clone()),
            (GRANT_UID, self.grant_uid.clone()),
            (CONTENT, content.to_owned()),
        ];
        always.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What annotations say; `None` if they are not such.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| annotations.get(name).cloned();
        let missing =
            || annotations.get(MISSING).into_iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
        let content = match annotations.get(CONTENT)?.as_str() {
            "SpentState" => MessageContent::SpentState,
            "Token" => MessageContent::Token { grantor: text(GRANTOR).filter(|id| is_id(id)) },
            "WrongApp" => MessageContent::Refused(MessageRefusal::WrongApp),
            "ScopesMissing" => MessageContent::Refused(MessageRefusal::ScopesMissing(missing())),
            "PagesMissing" => MessageContent::Refused(MessageRefusal::PagesMissing(missing())),
            other => {
                let trouble = AppTrouble::ALL.iter().copied().find(|trouble| trouble.as_str() == other)?;
                MessageContent::AppTrouble { trouble, fact: text(FACT)?, words: text(WORDS)? }
            }
        };
        let grant = NamespacedName { namespace: text(GRANT_NAMESPACE)?, name: text(GRANT_NAME)? };
        Some(Self { grant, grant_uid: text(GRANT_UID)?, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let ids = || vec!["2200000000000001".to_owned(), "2200000000000002".to_owned()];
        let contents = [
            MessageContent::SpentState,
            MessageContent::Token { grantor: None },
            MessageContent::Token { grantor: Some("6600000000000001".to_owned()) },
            MessageContent::Refused(MessageRefusal::WrongApp),
            MessageContent::Refused(MessageRefusal::ScopesMissing(vec!["pages_messaging".to_owned()])),
            MessageContent::Refused(MessageRefusal::PagesMissing(ids())),
        ];
        let troubles = AppTrouble::ALL.iter().map(|trouble| MessageContent::AppTrouble {
            trouble: *trouble,
            fact: "code 191".to_owned(),
            words: String::new(),
        });
        for content in contents.into_iter().chain(troubles) {
            let grant = NamespacedName { namespace: "tenant-a".to_owned(), name: "acme".to_owned() };
            let mail = InboxMessage { grant, grant_uid: "u-1".to_owned(), content };
            assert_eq!(InboxMessage::read(&mail.annotations()), Some(mail));
        }
    }

    #[test]
    fn what_is_no_mail_is_none() {
        let mut annotations = BTreeMap::from([(CONTENT.to_owned(), "Token".to_owned())]);
        assert_eq!(InboxMessage::read(&annotations), None, "whose it is");
        annotations.extend([GRANT_NAMESPACE, GRANT_NAME, GRANT_UID].map(|name| (name.to_owned(), "x".to_owned())));
        assert!(InboxMessage::read(&annotations).is_some());
        // Whose it is, is a number or not told.
        for forged in ["", "66 or 67", "<b>", "123456789012345678901"] {
            annotations.insert(GRANTOR.to_owned(), forged.to_owned());
            let content = InboxMessage::read(&annotations).map(|mail| mail.content);
            assert_eq!(content, Some(MessageContent::Token { grantor: None }), "{forged}");
        }
        annotations.insert(CONTENT.to_owned(), "Other".to_owned());
        assert_eq!(InboxMessage::read(&annotations), None, "what it says");
    }
}
