//! What prevents people from authorizing an application, reported to its maintainer.

use crate::api::MetaApp;
use crate::api::inbox::AppTrouble;
use crate::base::key::Key;
use crate::base::redact::redact;
use crate::cluster::events::Note;

/// The reason of the Event on the MetaApp.
pub const LOGIN_FAILED: &str = "LoginFailed";

/// What a person met who wanted to authorize this grant. `said` is how Meta names it, and its words.
pub fn note(app: &MetaApp, grant: &Key, trouble: AppTrouble, said: (&str, &str)) -> Note {
    let (fact, words) = (redact(said.0, &[]), redact(said.1, &[]));
    let words = match trouble {
        _ if words.is_empty() => String::new(),
        // It came with the browser, and not from Meta itself.
        AppTrouble::DialogUnavailable | AppTrouble::DialogFailed | AppTrouble::RedirectUriBlocked => {
            format!(" The browser sent these words, which may not be from Meta: {words}")
        }
        _ => format!(" Meta said: {words}"),
    };
    let (seen, step) = told(app, trouble);
    let text = format!("A person could not authorize MetaGrant {grant} in the browser: {seen} ({fact}). {step}{words}");
    Note { warning: true, reason: LOGIN_FAILED, action: "AuthorizeAgain", text }
}

fn told(app: &MetaApp, trouble: AppTrouble) -> (&'static str, String) {
    let dashboard = "The maintainer of the application at Meta must";
    match trouble {
        AppTrouble::DialogUnavailable => (
            "the login dialog failed",
            "The person was asked to try again. If it happens to everyone, the maintainer of the application at Meta must check the application's alerts and Facebook Login settings in the App Dashboard.".to_owned(),
        ),
        AppTrouble::DialogFailed => (
            "the login dialog sent the person back with an error",
            format!("{dashboard} check its Facebook Login settings, permissions and alerts in the App Dashboard."),
        ),
        AppTrouble::RedirectUriBlocked => {
            ("the login dialog sent the person back with an error about the redirect URI", redirect_uri(app))
        }
        AppTrouble::RedirectUriRefused => ("Meta refuses the redirect URI", redirect_uri(app)),
        AppTrouble::CredentialsRejected => (
            "Meta does not accept the application's id and secret",
            "The maintainer of this MetaApp must check spec.appId and the key app-secret of its Secret; the condition CredentialsValid follows.".to_owned(),
        ),
        AppTrouble::AppBlocked => {
            ("Meta blocks the application", format!("{dashboard} answer the alerts in the App Dashboard."))
        }
        AppTrouble::NotLive => (
            "the application is in development, or not approved for the requested permissions",
            format!("{dashboard} publish it once its permissions are approved, or give the person a role in it."),
        ),
        AppTrouble::ConfigurationNarrow => ("the login configuration lacks permissions", configuration(app)),
        AppTrouble::RefusedByMeta => (
            "Meta refuses, for a reason unknown to the operator",
            format!("{dashboard} check its alerts in the App Dashboard, or ask Meta."),
        ),
    }
}

fn redirect_uri(app: &MetaApp) -> String {
    let uri = app.status.as_ref().and_then(|status| status.oauth_redirect_uri.as_deref()).unwrap_or("none yet");
    format!(
        "The maintainer of the application at Meta must list status.oauthRedirectUri of this MetaApp, {uri}, letter for letter in the App Dashboard: Facebook Login (for Business), Settings, Valid OAuth Redirect URIs, with Client OAuth Login and Web OAuth Login on; and its host among the App Domains of Settings, Basic."
    )
}

fn configuration(app: &MetaApp) -> String {
    let id = app.spec.login.as_ref().and_then(|login| login.config_id.as_deref()).unwrap_or("no longer set");
    format!(
        "The maintainer of the application at Meta must add them to the configuration of spec.login.configId, {id} (Facebook Login for Business, Configurations), or the maintainer of this MetaApp must remove them from spec.requiredPermissions."
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn app() -> MetaApp {
        let app = json!({
            "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaApp", "metadata": {"name": "acme"},
            "spec": {
                "appId": "1111000011110000", "appSecretRef": {"name": "x"}, "login": {"configId": "8800000000000001"},
            },
            "status": {"oauthRedirectUri": "https://hooks.example.com/oauth/callback"},
        });
        serde_json::from_value(app).unwrap()
    }

    fn text(trouble: AppTrouble, words: &str) -> String {
        let note = note(&app(), &Key::new("tenant-a", "acme"), trouble, ("code 191", words));
        assert!(note.warning);
        note.text
    }

    #[test]
    fn each_names_the_grant_the_code_and_who_has_to_do_what() {
        for trouble in AppTrouble::ALL {
            let text = text(*trouble, "");
            assert!(text.contains("MetaGrant tenant-a/acme") && text.contains("(code 191)."), "{text}");
            let acts = text.contains("The maintainer of") || *trouble == AppTrouble::DialogUnavailable;
            assert!(acts && text.ends_with('.') && text.chars().count() < 700, "{text}");
        }
    }

    #[test]
    fn the_redirect_uri_and_the_configuration_are_named() {
        let uri = text(AppTrouble::RedirectUriRefused, "Can't Load URL");
        let named =
            "status.oauthRedirectUri of this MetaApp, https://hooks.example.com/oauth/callback, letter for letter";
        assert!(uri.contains(named) && uri.ends_with(" Meta said: Can't Load URL"), "{uri}");
        let configuration = text(AppTrouble::ConfigurationNarrow, "");
        assert!(configuration.contains("spec.login.configId, 8800000000000001"), "{configuration}");
    }

    #[test]
    fn what_a_browser_brought_is_told_as_such_and_redacted() {
        use AppTrouble::{DialogFailed, DialogUnavailable, RedirectUriBlocked};
        for trouble in [DialogFailed, DialogUnavailable, RedirectUriBlocked] {
            let forged = text(trouble, "EAAB0123456789abcdef0123456789 https://a.example/?x=y");
            assert!(forged.contains("may not be from Meta: [redacted] https://a.example/"), "{forged}");
            assert!(!forged.contains("Meta said"), "{forged}");
        }
    }
}
