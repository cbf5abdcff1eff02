//! What ended without effect: what happened, and who must do what.

use maud::{Markup, html};

use super::{and_more, begin, document, facts, page_row};
use crate::api::inbox::AppTrouble;
use crate::gateway::oauth::flow::{AppFailure, Flow, Refusal};
use crate::gateway::oauth::grants::Grant;
use crate::gateway::oauth::paths;

/// It ended without effect.
pub(in crate::gateway::oauth) fn refused(grant: &Grant, app: &str, flow: &Flow, refusal: &Refusal) -> Markup {
    let (title, body) = explained(grant, refusal);
    document(
        title,
        html! {
            (body)
            p { strong { "Nothing was stored." } }
            (facts(grant, app, None))
            (begin(grant, flow.address(), "Start again"))
        },
    )
}

/// The person agreed, but it could not be stored now.
pub(in crate::gateway::oauth) fn try_again(grant: &Grant, flow: &Flow, refusal: &Refusal) -> Markup {
    let (title, body) = explained(grant, refusal);
    document(
        title,
        html! {
            (body)
            p { "Nothing was stored yet. " a href=(paths::confirm(flow)) { "Go back" } " and try again in a minute." }
        },
    )
}

fn explained(grant: &Grant, refusal: &Refusal) -> (&'static str, Markup) {
    match refusal {
        Refusal::Declined => (
            "You did not agree at Facebook",
            html! {
                p { "Facebook says that you did not authorize the application. If that was a mistake, start again." }
            },
        ),
        Refusal::Cancelled => (
            "Not used",
            html! {
                p { "You chose not to use this authorization." }
            },
        ),
        Refusal::Expired => (
            "Too late",
            html! {
                p { "Each step may take ten minutes, and this one took longer. Start again." }
            },
        ),
        Refusal::Used => (
            "Used before",
            html! {
                p { "This answer from Facebook was used before, and each answer works only once. Start again." }
            },
        ),
        Refusal::NotAccepted => (
            "Facebook did not accept it",
            html! {
                p { "Facebook did not accept the answer that it gave you: it is too old, was used before, or belongs to another application. Start again. If that does not help, tell the person who sent you here." }
            },
        ),
        Refusal::WrongApp => (
            "Another application",
            html! {
                p { "You authorized another application than the one below. Start again from this page, and tell the person who sent you here if it happens again." }
            },
        ),
        Refusal::AccountTrouble => (
            "Facebook wants something from you first",
            html! {
                p { "Facebook does not let your account authorize anything at the moment: it wants you to confirm the account, or to log in once more. Open facebook.com, do what it asks for, then start again." }
            },
        ),
        Refusal::NotOfSystemUser => (
            "Nothing to do for you",
            html! {
                p { "The authorization in use belongs to a system user and works. Yours belongs to a person and cannot replace it." }
            },
        ),
        Refusal::ScopesMissing(scopes) => (
            "Permissions are missing",
            html! {
                p { "The application also needs these permissions:" }
                ul { @for scope in scopes { li { code { (scope) } } } }
                (at_once())
                p { "Start again, and leave every permission that Facebook shows turned on." }
            },
        ),
        Refusal::PagesMissing(missing, more) => (
            "Pages are missing",
            html! {
                p { "These pages rely on the authorization, and yours does not cover them:" }
                ul {
                    @for id in missing { (page_row(grant, id)) }
                    (and_more(*more))
                }
                (at_once())
                p { "Start again, and choose every page of this list at Facebook. If it does not offer one of them, you lack a role on that page: someone who has it must authorize instead, or give it to you." }
            },
        ),
        Refusal::App(failure) => of_app(failure),
        Refusal::Empty
        | Refusal::TimedOut
        | Refusal::NoAnswer
        | Refusal::Throttled
        | Refusal::Busy
        | Refusal::TooOften
        | Refusal::Unreachable => ("No answer", silent(refusal)),
    }
}

/// Why there was no answer. All of it may pass.
fn silent(refusal: &Refusal) -> Markup {
    let what = match refusal {
        Refusal::Empty => "Facebook sent you back without an answer.",
        Refusal::TimedOut => "Facebook did not answer in time.",
        Refusal::Throttled => "Facebook accepts no more requests from this application at the moment.",
        Refusal::TooOften => "From your network, someone came back from Facebook very often in a short time.",
        Refusal::Busy => "Too many people are coming back from Facebook just now.",
        Refusal::Unreachable => "The system behind this page did not answer.",
        _ => "Facebook gave no usable answer.",
    };
    html! { p { (what) " You did nothing wrong. Wait a minute and start again." } }
}

/// What only the maintainer of the application can mend, and is told by an Event.
fn of_app(failure: &AppFailure) -> (&'static str, Markup) {
    let what = match failure.trouble {
        AppTrouble::DialogUnavailable => {
            let body = html! {
                p { "Facebook sent you back because of an error of its own (" (failure.fact) "). You did nothing wrong. Wait a minute and start again. If it happens again, tell the person who sent you here." }
            };
            return ("No answer", body);
        }
        AppTrouble::DialogFailed => "Facebook sent you back with an error instead of asking you.",
        AppTrouble::RedirectUriBlocked | AppTrouble::RedirectUriRefused => {
            "Facebook does not accept the address to which it should send you back."
        }
        AppTrouble::CredentialsRejected => "Facebook does not accept the credentials of the application.",
        AppTrouble::AppBlocked => "Facebook has blocked the application.",
        AppTrouble::NotLive => {
            "At Facebook, the application is open only to people with a role in it, or is not approved for this."
        }
        AppTrouble::ConfigurationNarrow => "The application asks Facebook for fewer permissions than it needs.",
        AppTrouble::RefusedByMeta => "Facebook refuses, for a reason unknown to this page.",
    };
    let body = html! {
        p { (what) " (" (failure.fact) ")" }
        p { "You cannot fix this, and starting again does not help until it is fixed: tell the person who sent you here. The maintainer of the application finds the reason in the Events of the MetaApp." }
    };
    ("The application does not work", body)
}

/// What people do not expect: a narrower choice counts for what was authorized before, too.
fn at_once() -> Markup {
    html! {
        p.note {
            "Facebook applies your choice at once. If your authorization is the one in use, whatever is missing has stopped "
            "working until you choose it again."
        }
    }
}
