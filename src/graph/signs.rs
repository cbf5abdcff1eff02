//! What an error text gives away beyond its code. Looked for in the whole text, before it is shortened.

use std::sync::LazyLock;

use regex::Regex;

use crate::base::redact::redact;

/// A phrase by which Meta's error texts tell cases apart that share a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    ChallengeMismatch,
    SystemError,
    ApplicationInvalid,
    ClientSecretInvalid,
    ProofInvalid,
    ProofRequired,
    AppAccessBlocked,
    WrongTokenKind,
    ImpersonationNotGranted,
    TokenOfOtherApp,
    FieldNonexisting,
    RoleHoldersOnly,
    ThreadControlledByOther,
    ThreadNotOwned,
    SessionExpired,
    PasswordChanged,
    AppNotAuthorized,
    LoginRequired,
    UserUnconfirmed,
    PageRoleMissing,
    PageNotLoaded,
    TokenSignatureInvalid,
    NotSubscribed,
    FieldDeprecated,
    FieldInvalid,
    PageMigrated,
    PermissionMissing,
    TooMuchData,
    RedirectUriRefused,
}

/// In lower case; the first that occurs counts.
const PHRASES: &[(&str, Sign)] = &[
    // It quotes what a callback answered, which may be anything.
    ("does not match challenge", Sign::ChallengeMismatch),
    ("application info due to a system error", Sign::SystemError),
    ("validating application due to a system error", Sign::SystemError),
    ("error validating application", Sign::ApplicationInvalid),
    ("error validating client secret", Sign::ClientSecretInvalid),
    ("invalid appsecret_proof", Sign::ProofInvalid),
    ("require an appsecret_proof", Sign::ProofRequired),
    ("api access blocked", Sign::AppAccessBlocked),
    ("api access deactivated", Sign::AppAccessBlocked),
    ("application secret required", Sign::WrongTokenKind),
    ("requires a page access token", Sign::WrongTokenKind),
    ("called with a page access token", Sign::WrongTokenKind),
    ("must be granted before impersonating", Sign::ImpersonationNotGranted),
    ("did not match the viewing app", Sign::TokenOfOtherApp),
    ("nonexisting field", Sign::FieldNonexisting),
    ("admins, developers", Sign::RoleHoldersOnly),
    ("another app is controlling this thread", Sign::ThreadControlledByOther),
    ("not the thread owner", Sign::ThreadNotOwned),
    ("only the current thread owner", Sign::ThreadNotOwned),
    ("appropriate role", Sign::PageRoleMissing),
    ("session has expired", Sign::SessionExpired),
    ("changed their password", Sign::PasswordChanged),
    ("changed the password", Sign::PasswordChanged),
    ("has not authorized application", Sign::AppNotAuthorized),
    ("till you log in", Sign::LoginRequired),
    ("not a confirmed user", Sign::UserUnconfirmed),
    ("access token signature", Sign::TokenSignatureInvalid),
    ("not subscribed", Sign::NotSubscribed),
    ("page does not exist or cannot be loaded", Sign::PageNotLoaded),
    ("field is deprecated", Sign::FieldDeprecated),
    ("param subscribed_fields", Sign::FieldInvalid),
    ("param fields", Sign::FieldInvalid),
    ("invalid field", Sign::FieldInvalid),
    ("reduce the amount of data", Sign::TooMuchData),
    ("redirect_uri is identical", Sign::RedirectUriRefused),
    ("url isn't included in the app's domains", Sign::RedirectUriRefused),
    ("redirect uri is not whitelisted", Sign::RedirectUriRefused),
    ("migrated to page id", Sign::PageMigrated),
    ("permission to subscribe", Sign::PermissionMissing),
    ("invalid permissions", Sign::PermissionMissing),
    ("missing permission", Sign::PermissionMissing),
    ("this endpoint requires the", Sign::PermissionMissing),
];

/// The sign in a text, and the field or scope it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    pub(crate) sign: Option<Sign>,
    pub(crate) subject: Option<String>,
}

impl Signs {
    pub(crate) fn of(message: &str) -> Self {
        // Some of Meta's texts are broken over lines in the middle of a phrase.
        let words: Vec<&str> = message.split_whitespace().collect();
        let text = words.join(" ").to_lowercase();
        let sign = PHRASES.iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, sign)| *sign);
        let subject = match sign {
            Some(Sign::FieldNonexisting | Sign::FieldDeprecated | Sign::FieldInvalid) => field(&text),
            Some(Sign::PageMigrated) => new_id(&text),
            _ => only_scope(&text),
        };
        Self { sign, subject }
    }

    /// These signs without a subject that is, holds or looks like a secret.
    pub(crate) fn without_secrets(self, secrets: &[&str]) -> Self {
        let subject = self.subject.filter(|subject| redact(subject, secrets) == *subject);
        Self { subject, ..self }
    }

    /// These signs, or others if there is none.
    pub(crate) fn or_else(self, others: impl FnOnce() -> Self) -> Self {
        if self.sign.is_some() { self } else { others() }
    }
}

/// The field that a text is about, in each of the ways in which Meta's texts name one.
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    let name = "([a-z0-9_]{1,64})";
    let pattern =
        format!(r#"nonexisting field \({name}\)|\b{name} field is deprecated|got "{name}"|invalid field:? "?{name}\b"#);
    Regex::new(&pattern).expect("a constant pattern")
});

fn field(text: &str) -> Option<String> {
    FIELD.captures(text)?.iter().skip(1).flatten().next().map(|found| found.as_str().to_owned())
}

static NEW_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"migrated to page id:? ([1-9][0-9]{4,19})\b").expect("a constant pattern"));

fn new_id(text: &str) -> Option<String> {
    NEW_ID.captures(text).map(|found| found[1].to_owned())
}

static SCOPE: LazyLock<Regex> = LazyLock::new(|| {
    let names = r"\b(?:(?:pages|instagram|whatsapp_business|ads|publish)_[a-z_]{2,48}|business_management|leads_retrieval|public_profile|human_agent)\b";
    Regex::new(names).expect("a constant pattern")
});

/// The scope the text names. One of several would be a guess.
fn only_scope(text: &str) -> Option<String> {
    let mut names = SCOPE.find_iter(text).map(|found| found.as_str());
    let first = names.next()?;
    names.all(|name| name == first).then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_lower_case_and_found_in_its_own_text() {
        for (phrase, sign) in PHRASES {
            assert_eq!(*phrase, phrase.to_lowercase());
            let text = format!("(#190) {}\n  and so on", phrase.to_uppercase().replace(' ', "\n   "));
            assert_eq!(Signs::of(&text).sign, Some(*sign), "{phrase}");
        }
    }

    #[test]
    fn a_text_without_a_phrase_has_no_sign() {
        assert_eq!(Signs::of("An unknown error occurred"), Signs::default());
    }

    #[test]
    fn a_phrase_far_behind_is_found() {
        let text = format!("Any of the {} must be granted before impersonating a user's page.", "pages_x, ".repeat(60));
        assert_eq!(Signs::of(&text).sign, Some(Sign::ImpersonationNotGranted));
    }

    #[test]
    fn the_field_is_named() {
        let signs = Signs::of("(#100) Tried accessing nonexisting field (is_published) on node type (Page)");
        assert_eq!(signs.subject.as_deref(), Some("is_published"));
        assert_eq!(Signs::of("nonexisting field <x>").subject, None);
    }

    #[test]
    fn a_scope_is_named_only_if_it_is_the_only_one() {
        let rows = [
            ("one of these permissions is needed: pages_messaging", Some("pages_messaging")),
            ("requires the 'pages_read_engagement' permission or pages_read_engagement", Some("pages_read_engagement")),
            ("requires pages_messaging and pages_manage_metadata", None),
            ("requires business_management", Some("business_management")),
            ("To subscribe to the messages field", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Signs::of(text).subject.as_deref(), expected, "{text}");
        }
    }
}
