//! The pages of the dialog. Everything in them that is not fixed text is escaped.

use super::Request;
use crate::protocol::Params;
use crate::world::{ActorKind, World};

/// Parameters that go through the form unchanged.
const CARRIED: &[&str] = &[
    "client_id",
    "redirect_uri",
    "state",
    "response_type",
    "scope",
    "config_id",
    "code_challenge",
    "code_challenge_method",
];
/// A page is for a person; a test can name any page.
const MOST_PAGES: usize = 200;

/// The dialog itself.
pub(super) fn chooser(world: &World, asked: &Request<'_>, params: &Params) -> String {
    let carried = CARRIED.iter().filter_map(|name| params.get(name).map(|value| hidden(name, value)));
    let people = world.actors.values().filter(|actor| actor.kind == ActorKind::Person);
    let people = people
        .map(|person| format!("<option value=\"{}\">{}</option>", escape(person.id.as_str()), escape(&person.name)));
    let pages = world.pages.values().filter(|page| page.is_visible()).take(MOST_PAGES).map(|page| {
        let (id, name) = (escape(page.id.as_str()), escape(&page.name));
        format!("<li><label><input type=\"checkbox\" name=\"pages[]\" value=\"{id}\"> {name}</label></li>")
    });
    let scopes = asked.scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope)));
    let body = format!(
        "<p><b>{app}</b> asks for:</p><ul>{scopes}</ul>\
         <form method=\"post\">{carried}\
         <p><label>Log in as <select name=\"person\">{people}</select></label></p>\
         <p><label><input type=\"radio\" name=\"opt_in\" value=\"all\" checked> \
         All current and future pages</label><br>\
         <label><input type=\"radio\" name=\"opt_in\" value=\"selected\"> These pages only:</label></p>\
         <ul>{pages}</ul>\
         <p><button name=\"decision\" value=\"continue\">Continue</button> \
         <button name=\"decision\" value=\"cancel\">Cancel</button></p></form>",
        app = escape(&asked.app.name),
        scopes = scopes.collect::<String>(),
        carried = carried.collect::<String>(),
        people = people.collect::<String>(),
        pages = pages.collect::<String>(),
    );
    document("Log in", &body)
}

/// A refusal.
pub(super) fn error(title: &str, text: &str) -> String {
    document(title, &format!("<p>{}</p>", escape(text)))
}

fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1><p>Graph sandbox: a stand-in, not Meta.</p>{body}</body></html>"
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_text_or_attribute() {
        assert_eq!(escape("<a href=\"x\" o='y'>&amp;"), "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;amp;");
        assert!(error("<script>", "</p><script>").contains("<p>&lt;/p&gt;&lt;script&gt;</p>"));
        assert!(!error("<script>", "x").contains("<script>"));
    }
}
