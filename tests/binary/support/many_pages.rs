//! Many pages, each with a token of its own or all of one grant.

use crate::support::env::*;

pub fn many_page(n: usize) -> String {
    format!("33000000000{n:05}")
}

pub fn many_token(n: usize) -> String {
    format!("EAAsandbox-many-{n:05}-000000000000000")
}

/// The usual seed with more pages, each with a token.
pub fn seed_of_many(count: usize) -> String {
    let mut seed = SEED.to_owned();
    let mut add = |after: &str, entry: &dyn Fn(usize) -> String| {
        let entries: String = (0..count).map(entry).collect();
        seed = seed.replacen(&format!("\n{after}:\n"), &format!("\n{after}:\n{entries}"), 1);
    };
    add("pages", &|n| {
        let fields = "{category: Brand, messaging_feature_status: {hop_v2: true}}";
        format!("  - {{id: {}, name: Shop {n}, fields: {fields}}}\n", many_page(n))
    });
    add("tokens", &|n| {
        let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
        format!(
            "  - {{alias: many-{n}, token: {}, kind: page, app: {APP_ID}, user: 6600000000000001, page: {}, scopes: {scopes}, issued_at: -2d}}\n",
            many_token(n),
            many_page(n)
        )
    });
    seed
}

pub const GRANT: &str = "EAAsandbox-many-grant-00000000000000";

/// The usual seed with more pages, which a person manages who gave a token.
pub fn seed_of_granted(count: usize) -> String {
    let person = "6600000000000001";
    let page = |n| {
        let tasks = format!("{{{person}: [MODERATE, MESSAGING, MANAGE]}}");
        format!("  - {{id: {}, name: Shop {n}, tasks: {tasks}}}\n", many_page(n))
    };
    let pages: String = (0..count).map(page).collect();
    let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
    let token = format!("  - {{token: {GRANT}, kind: user, app: {APP_ID}, user: {person}, scopes: {scopes}}}\n");
    SEED.replacen("\npages:\n", &format!("\npages:\n{pages}"), 1).replacen(
        "\ntokens:\n",
        &format!("\ntokens:\n{token}"),
        1,
    )
}
