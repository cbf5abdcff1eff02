//! The pages that people see. Everything in them that is not fixed text is escaped by maud.

pub(super) mod refusals;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::flow::{Flow, Offer};
use super::grants::Grant;
use super::paths::{self, CONFIRM};

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
pub(super) fn start(grant: &Grant, app: &str, address: &str) -> Markup {
    document(
        "Authorize again",
        html! {
            p { "An authorization at Facebook ends from time to time. This page renews the following one:" }
            (facts(grant, app, None))
            (relying(grant, "Pages that rely on it", grant.unchecked_pages(), 0))
            @if !grant.missing_pages().is_empty() {
                h2 { "Pages that rely on it and are missing" }
                ul { @for page in grant.missing_pages() { (page_row(grant, &page.id)) } }
            }
            p.note {
                "Continue only if you manage these pages and someone you know asked you to. "
                "If a stranger sent you here, close this page."
            }
            p {
                "Facebook will ask you to log in and to choose pages. "
                strong { "Choose every page that is named here: any page that you leave out stops working at once." }
                " Afterwards, you see the result and must agree before it is used here."
            }
            (begin(grant, address, "Continue to Facebook"))
        },
    )
}

/// What the person brought back, to be agreed to.
pub(super) fn confirm(grant: &Grant, app: &str, flow: &Flow, offer: &Offer) -> Markup {
    document(
        "Use this authorization?",
        html! {
            p { "Facebook has authorized the application. Nothing has been stored yet." }
            (facts(grant, app, Some(offer.person.as_deref().unwrap_or("a person without a name"))))
            (relying(grant, "Pages that rely on it, all covered", offer.regained.0.iter().map(String::as_str), offer.regained.1))
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
                "Agree only if this is your name, and if the people who run " strong { (grant.key()) }
                " may act for all of these pages."
            }
            @if !grant.admits(&offer.grantor) {
                p.note {
                    "You are not among the people who authorized " strong { (grant.key()) } " before. Your authorization changes "
                    "nothing until the people who run it accept you."
                }
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
pub(super) fn done(grant: &Grant, waits: Option<&str>) -> Markup {
    if let Some(id) = waits {
        return waiting(grant, id);
    }
    document(
        "Thank you",
        html! {
            p { "The new authorization for " strong { (grant.key()) } " was handed over. It is checked once more and then used, which takes about a minute." }
            p { "You can close this page. There is nothing else to do." }
        },
    )
}

/// It was handed to the operator, and the person has to be accepted first.
fn waiting(grant: &Grant, id: &str) -> Markup {
    document(
        "You must be accepted first",
        html! {
            p { "The new authorization for " strong { (grant.key()) } " was handed over. It is not used yet because you are not among the people who authorized it before." }
            p { "Give the person who sent you here your number: " strong { (id) } ". They accept you by putting it into the field grantors of the MetaGrant. Your authorization waits for a day; after that, you must start again." }
        },
    )
}

/// People cannot authorize now. The reason is for those who run it, and this page is public.
pub(super) fn not_possible(grant: &Grant) -> Markup {
    document(
        "Not possible now",
        html! {
            p { "The authorization " strong { (grant.key()) } " cannot be renewed here at the moment." }
            p { "You cannot fix this: tell the person who sent you here. The status of the MetaApp and of the MetaGrant gives the reason." }
        },
    )
}

/// No person can do anything about a system user's token.
pub(super) fn of_system_user(grant: &Grant) -> Markup {
    document(
        "Nothing to do for you",
        html! {
            p { "The authorization " strong { (grant.key()) } " belongs to a system user. It is renewed automatically, and a person's authorization cannot replace it." }
            p { "If it no longer works, an administrator of the business must generate a new token of the system user." }
        },
    )
}

/// What the browser brought cannot be judged yet.
pub(super) fn not_yet() -> Markup {
    document(
        "Not yet",
        html! {
            p { "This authorization cannot be read at the moment. Nothing is lost: reload this page in a minute." }
        },
    )
}

/// The browser did not begin what it brought.
pub(super) fn other_browser() -> Markup {
    document(
        "Not started in this browser",
        html! {
            p { "This step belongs to a login that was not started in this browser, was started more than an hour ago, or was replaced by newer ones. Nothing was stored." }
            p.note { "If someone sent you this link, do not continue: it would have given your authorization to them. Close this page." }
            p { "If you started this yourself, open the first page again in this browser and let it set cookies." }
        },
    )
}

/// The click came from another site.
pub(super) fn cross_site() -> Markup {
    document(
        "Not from this page",
        html! {
            p { "Your browser says that this click came from another site. Nothing was started." }
            p { "Open the first page again and use its button. If that does not help, tell the person who sent you here: the address of this page may differ from the declared one." }
        },
    )
}

/// The browser does not say where the click came from.
pub(super) fn no_origin() -> Markup {
    document(
        "Not from this page",
        html! {
            p { "Your browser does not say where this click came from, so it may have been another site. Nothing was started." }
            p { "Turn off whatever hides it, such as a privacy extension, or use another browser. Then open the first page again and use its button." }
        },
    )
}

/// The button that begins.
fn begin(grant: &Grant, address: &str, label: &str) -> Markup {
    html! {
        form method="post" action=(paths::start(&grant.key(), address)) {
            button { (label) }
        }
    }
}

fn facts(grant: &Grant, app: &str, person: Option<&str>) -> Markup {
    html! {
        dl {
            @if let Some(person) = person { dt { "Authorized by" } dd { (person) } }
            dt { "Grant" } dd { (grant.key()) }
            dt { "Application" } dd { (app) }
        }
    }
}

/// The pages in use, and more of which not all are told.
fn relying<'a>(grant: &'a Grant, title: &str, others: impl Iterator<Item = &'a str>, more: usize) -> Markup {
    let pages: Vec<&str> = grant.pages_in_use().map(|page| page.id.as_str()).chain(others).collect();
    html! {
        h2 { (title) }
        @if pages.is_empty() {
            p { "None yet." }
        } @else {
            ul {
                @for id in pages { (page_row(grant, id)) }
                (and_more(more))
            }
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
