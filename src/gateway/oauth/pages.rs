//! The pages that people see. Everything in them that is not fixed text is escaped by maud.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::flow::{Flow, Offer, Refusal};
use super::grants::{Grant, Page};
use super::http::CONFIRM;

/// The whole style sheet; the policy of the pages names its digest.
pub(super) const STYLE: &str = include_str!("style.css");

/// A page without a script, to be read on a phone.
fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}

/// What is asked for, and the button that begins.
pub(super) fn start(grant: &Grant, app: &str) -> Markup {
    document(
        "Authorise again",
        html! {
            p { "An authorisation at Facebook ends from time to time. This page renews one:" }
            (facts(grant, app, None))
            (pages_in_use(grant, "Pages that rely on it"))
            @if !grant.missing_pages().is_empty() {
                h2 { "Pages that rely on it and are missing" }
                ul { @for page in grant.missing_pages() { (page_row(grant, &page.id)) } }
            }
            p.note {
                "Go on only if you look after these pages and somebody you know asked you to. "
                "If a stranger sent you here, close this page."
            }
            p {
                "Facebook will ask you to log in and to choose pages. "
                strong { "Choose every page that is named here: what you leave out stops working at once." }
                " Afterwards you see what came of it, and have to agree before it is used here."
            }
            (begin(grant, "Continue to Facebook"))
        },
    )
}

/// What the person brought back, to be agreed to.
pub(super) fn confirm(grant: &Grant, app: &str, flow: &Flow, offer: &Offer) -> Markup {
    document(
        "Use this authorisation?",
        html! {
            p { "Facebook has authorised the application. Nothing was stored yet." }
            (facts(grant, app, Some(offer.person.as_deref().unwrap_or("a person without a name"))))
            (pages_in_use(grant, "Pages that rely on it, all covered"))
            @if !offer.uncovered.is_empty() {
                h2 { "Pages that rely on it, still missing" }
                ul { @for id in &offer.uncovered { (page_row(grant, id)) } }
            }
            @if !offer.others.is_empty() || offer.more > 0 {
                h2 { "Other pages that it covers" }
                ul {
                    @for name in &offer.others { li { (name) } }
                    (and_more(offer.more))
                }
            }
            p.note {
                "Agree only if this is your name, and if whoever runs " strong { (grant.key()) }
                " may act for all of these pages."
            }
            form method="post" action=(CONFIRM) {
                input type="hidden" name="flow" value=(flow.id());
                button name="decision" value="use" { "Use it" }
                button.quiet name="decision" value="drop" { "Do not use it" }
            }
        },
    )
}

/// It was handed to the operator.
pub(super) fn done(grant: &Grant) -> Markup {
    document(
        "Thank you",
        html! {
            p { "The new authorisation for " strong { (grant.key()) } " was handed over. It is checked once more and then put to use, which takes about a minute." }
            p { "You can close this page. Nothing else is to be done." }
        },
    )
}

/// It ended without effect.
pub(super) fn refused(grant: &Grant, app: &str, refusal: &Refusal) -> Markup {
    let (title, body) = explained(grant, refusal);
    document(
        title,
        html! {
            (body)
            p { strong { "Nothing was stored." } }
            (facts(grant, app, None))
            (begin(grant, "Start again"))
        },
    )
}

fn explained(grant: &Grant, refusal: &Refusal) -> (&'static str, Markup) {
    match refusal {
        Refusal::Declined => (
            "You did not agree at Facebook",
            html! {
                p { "Facebook says that you did not authorise the application. If that was a mistake, start again." }
            },
        ),
        Refusal::Cancelled => (
            "Not used",
            html! {
                p { "You chose not to use this authorisation." }
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
                p { "This answer of Facebook was used before, and each is good once. Start again." }
            },
        ),
        Refusal::NotAccepted => (
            "Facebook did not accept it",
            html! {
                p { "Facebook did not accept the answer that it gave you: it is too old, was used before, or belongs to another application. Start again. If that does not help, tell whoever sent you here." }
            },
        ),
        Refusal::WrongApp => (
            "Another application",
            html! {
                p { "What you authorised is another application than the one below. Start again from this page, and tell whoever sent you here if it happens again." }
            },
        ),
        Refusal::ScopesMissing(scopes) => (
            "Permissions are missing",
            html! {
                p { "The application needs these permissions too:" }
                ul { @for scope in scopes { li { code { (scope) } } } }
                (at_once())
                p { "Start again, and leave every permission switched on that Facebook shows." }
            },
        ),
        Refusal::PagesMissing(missing, more) => (
            "Pages are missing",
            html! {
                p { "These pages rely on the authorisation, and yours does not cover them:" }
                ul {
                    @for id in missing { (page_row(grant, id)) }
                    (and_more(*more))
                }
                (at_once())
                p { "Start again, and choose every page of this list at Facebook. If it does not offer one of them, you lack a role on that page: somebody who has it must authorise instead, or give it to you." }
            },
        ),
        Refusal::Unreachable => (
            "No answer",
            html! {
                p { "Facebook, or the system behind this page, did not answer in time. Wait a minute and start again." }
            },
        ),
        Refusal::AppBroken => (
            "The application does not work",
            html! {
                p { "Facebook does not accept the application itself. You cannot repair that: tell whoever sent you here." }
            },
        ),
    }
}

/// What people do not expect: a narrower choice counts for what was authorised before, too.
fn at_once() -> Markup {
    html! {
        p.note {
            "Facebook applies your choice at once. If it is your authorisation that is in use, what is missing has stopped "
            "working until you choose it again."
        }
    }
}

/// The person agreed, but it could not be stored now.
pub(super) fn try_again() -> Markup {
    document(
        "No answer",
        html! {
            p { "Facebook, or the system behind this page, did not answer in time. Nothing was stored yet." }
            p { a href=(CONFIRM) { "Go back" } " and try again in a minute." }
        },
    )
}

/// People cannot authorise now. The reason is for those who run it, and this page is public.
pub(super) fn not_possible(grant: &Grant) -> Markup {
    document(
        "Not possible now",
        html! {
            p { "The authorisation " strong { (grant.key()) } " cannot be renewed here at the moment." }
            p { "You cannot repair that: tell whoever sent you here. They find the reason in the status of the MetaApp and of the MetaGrant." }
        },
    )
}

/// No person can do anything about a system user's token.
pub(super) fn of_system_user(grant: &Grant) -> Markup {
    document(
        "Nothing to do for you",
        html! {
            p { "The authorisation " strong { (grant.key()) } " is a system user's. It is renewed without anybody's help, and no person's can take its place." }
            p { "If it does not work any more, an administrator of the business must generate a new token of the system user." }
        },
    )
}

/// More clicks than one person makes.
pub(super) fn too_many(grant: &Grant) -> Markup {
    document(
        "Too often",
        html! {
            p { "This was begun very often in a short time. Wait a minute, then try again." }
            (begin(grant, "Try again"))
        },
    )
}

/// The browser did not begin what it brought.
pub(super) fn other_browser() -> Markup {
    document(
        "Not begun in this browser",
        html! {
            p { "This step belongs to something that was not begun in this browser, was begun more than an hour ago, or was replaced by something newer. Nothing was stored." }
            p.note { "If somebody sent you this link, do not go on: it would have given your authorisation to them. Close this page." }
            p { "If you began yourself, open the first page again in this browser and let it set cookies." }
        },
    )
}

/// The click did not come from one of our pages.
pub(super) fn cross_site() -> Markup {
    document(
        "Not from this page",
        html! {
            p { "Your browser says that this click did not come from this site, or does not say where it came from. Nothing was begun." }
            p { "Open the first page again and use its button. If that does not help, use a newer browser." }
        },
    )
}

/// The button that begins.
fn begin(grant: &Grant, label: &str) -> Markup {
    let key = grant.key();
    html! {
        form method="post" action={ "/oauth/" (key.namespace) "/" (key.name) "/start" } {
            button { (label) }
        }
    }
}

fn facts(grant: &Grant, app: &str, person: Option<&str>) -> Markup {
    html! {
        dl {
            @if let Some(person) = person { dt { "Authorised by" } dd { (person) } }
            dt { "Grant" } dd { (grant.key()) }
            dt { "Application" } dd { (app) }
        }
    }
}

fn pages_in_use(grant: &Grant, title: &str) -> Markup {
    let pages: Vec<&Page> = grant.pages_in_use().collect();
    html! {
        h2 { (title) }
        @if pages.is_empty() {
            p { "None yet." }
        } @else {
            ul { @for page in pages { (page_row(grant, &page.id)) } }
        }
    }
}

/// A page in use by name, if it has one, and id.
fn page_row(grant: &Grant, id: &str) -> Markup {
    let mut known = grant.pages_in_use().chain(grant.missing_pages());
    let name = known.find(|page| page.id == id).and_then(|page| page.name.as_deref());
    html! {
        li {
            @if let Some(name) = name { (name) " " }
            small { (id) }
        }
    }
}

fn and_more(more: usize) -> Markup {
    html! { @if more > 0 { li { "and " (more) " more" } } }
}
