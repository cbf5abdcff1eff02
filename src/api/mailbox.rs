//! The mailbox: Secrets that the gateway leaves in the release's namespace for the operator, one for each thing it has to
//! tell. The gateway may create them and nothing else; the operator reads and deletes them.

use std::collections::BTreeMap;

use super::PURPOSE_LABEL;
use super::references::{NamespacedName, Purpose};

/// The type of the Secrets.
pub const MAIL_TYPE: &str = "metachannels.io/grant-mailbox";

/// Key of the token in a Secret with one.
pub const MAIL_TOKEN_KEY: &str = "token";

const GRANT_NAMESPACE: &str = "metachannels.io/grant-namespace";
const GRANT_NAME: &str = "metachannels.io/grant-name";
const GRANT_UID: &str = "metachannels.io/grant-uid";
const CONTENT: &str = "metachannels.io/mail";
const MISSING: &str = "metachannels.io/missing";

/// One thing that the gateway tells about a MetaGrant, as labels and annotations of a Secret say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// The MetaGrant.
    pub grant: NamespacedName,
    /// Its UID: mail is not for another object of the same name.
    pub grant_uid: String,
    /// What is told.
    pub content: MailContent,
}

/// What the gateway tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailContent {
    /// A state of the login was used. It is there so that it cannot be used again, and may go when it is old.
    SpentState,
    /// A person authorised again and agreed; the token is in the Secret.
    Token,
    /// A person authorised again, but not what is needed.
    Refused(MailRefusal),
}

/// Why an authorisation in the browser was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailRefusal {
    /// Its token is another application's.
    WrongApp,
    /// It lacks these permissions.
    ScopesMissing(Vec<String>),
    /// It does not cover these pages in use.
    PagesMissing(Vec<String>),
}

impl Mail {
    /// The name of the Secret, for an id of the login: the same thing is told once.
    pub fn name(&self, id: &str) -> String {
        let kind = match &self.content {
            MailContent::SpentState => "state",
            MailContent::Token => "token",
            MailContent::Refused(_) => "refusal",
        };
        format!("grant-{kind}-{id}")
    }

    /// The label by which the operator finds it.
    pub fn labels() -> BTreeMap<String, String> {
        BTreeMap::from([(PURPOSE_LABEL.to_owned(), Purpose::GrantMailbox.as_str().to_owned())])
    }

    /// The annotations that say all of it but the token.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let (content, missing) = match &self.content {
            MailContent::SpentState => ("SpentState", None),
            MailContent::Token => ("Token", None),
            MailContent::Refused(MailRefusal::WrongApp) => ("WrongApp", None),
            MailContent::Refused(MailRefusal::ScopesMissing(scopes)) => ("ScopesMissing", Some(scopes)),
            MailContent::Refused(MailRefusal::PagesMissing(pages)) => ("PagesMissing", Some(pages)),
        };
        let always = [
            (GRANT_NAMESPACE, self.grant.namespace.clone()),
            (GRANT_NAME, self.grant.name.clone()),
            (GRANT_UID, self.grant_uid.clone()),
            (CONTENT, content.to_owned()),
        ];
        let missing = missing.map(|all| (MISSING, all.join(",")));
        always.into_iter().chain(missing).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What annotations say; `None` if they are not such.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| annotations.get(name).cloned();
        let missing =
            || annotations.get(MISSING).into_iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
        let content = match annotations.get(CONTENT)?.as_str() {
            "SpentState" => MailContent::SpentState,
            "Token" => MailContent::Token,
            "WrongApp" => MailContent::Refused(MailRefusal::WrongApp),
            "ScopesMissing" => MailContent::Refused(MailRefusal::ScopesMissing(missing())),
            "PagesMissing" => MailContent::Refused(MailRefusal::PagesMissing(missing())),
            _ => return None,
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
            MailContent::SpentState,
            MailContent::Token,
            MailContent::Refused(MailRefusal::WrongApp),
            MailContent::Refused(MailRefusal::ScopesMissing(vec!["pages_messaging".to_owned()])),
            MailContent::Refused(MailRefusal::PagesMissing(ids())),
        ];
        for content in contents {
            let grant = NamespacedName { namespace: "tenant-a".to_owned(), name: "acme".to_owned() };
            let mail = Mail { grant, grant_uid: "u-1".to_owned(), content };
            assert_eq!(Mail::read(&mail.annotations()), Some(mail));
        }
    }

    #[test]
    fn what_is_no_mail_is_none() {
        let mut annotations = BTreeMap::from([(CONTENT.to_owned(), "Token".to_owned())]);
        assert_eq!(Mail::read(&annotations), None, "whose it is");
        annotations.extend([GRANT_NAMESPACE, GRANT_NAME, GRANT_UID].map(|name| (name.to_owned(), "x".to_owned())));
        assert!(Mail::read(&annotations).is_some());
        annotations.insert(CONTENT.to_owned(), "Other".to_owned());
        assert_eq!(Mail::read(&annotations), None, "what it says");
    }
}
