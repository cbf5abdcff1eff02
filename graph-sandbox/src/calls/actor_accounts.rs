//! `GET /me/accounts`: the pages of a person or system user, with their tokens.

use std::ops::Bound;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::paging::{Paging, Window};
use super::{Call, page_fields, select};
use crate::graph::GraphError;
use crate::graph::fields::Selected;
use crate::id::Id;
use crate::switches::AccountsWithoutScope;
use crate::world::{Page, PageToken, Token, World};

/// Fields without `fields`.
const DEFAULT: &[&str] = &["access_token", "category", "name", "id", "tasks"];

/// Lists the pages in the order of their ids, a window at a time.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (actor, token) = call.own_actor(&world)?;
    let selection = select::selection(call.params.get("fields"), DEFAULT)?;
    let exists = |name: &str| name == "tasks" || page_fields::exists(name);
    if let Some(unknown) = selection.iter().find(|field| !exists(&field.name)) {
        return Err(GraphError::nonexisting_field(&unknown.name, "Page"));
    }
    let window = Window::read(&call.params)?;
    let granted = token.scopes.iter().any(|scope| scope == "pages_show_list");
    if !granted && world.switches.accounts_without_scope == AccountsWithoutScope::Refused {
        return Err(GraphError::permission("Requires pages_show_list permission to manage the object."));
    }
    let listed = |page: &&Page| is_listed(page, token, &actor.id);
    let paging = pages(&world, &window, listed);
    let mut minted = Vec::new();
    let rows = paging.items.iter().map(|page| row(call, &world, page, token, &selection, &mut minted));
    let rows = rows.collect::<Result<Vec<Value>, GraphError>>()?;
    let answer = paging.answer(call, rows, token.text.expose_secret());
    call.commit(&mut world, |world| {
        for token in minted {
            world.add_minted(token);
        }
    });
    Ok(answer)
}

/// Pages of businesses take one more scope, and so does reading their tokens.
pub(super) fn is_granted(page: &Page, token: &Token) -> bool {
    token.grants("pages_show_list", &page.id)
        && page.owner.as_ref().is_none_or(|business| token.grants("business_management", business))
}

fn is_listed(page: &Page, token: &Token, actor: &Id) -> bool {
    page.is_visible() && page.has_role(actor) && is_granted(page, token)
}

/// The pages in the window, and whether there are more beyond it.
fn pages<'w>(world: &'w World, window: &Window, listed: impl Fn(&&Page) -> bool) -> Paging<'w> {
    let take = window.limit.saturating_add(1);
    let mut items: Vec<&Page> = match (&window.after, &window.before) {
        (_, Some(before)) => {
            world.pages.range(..before).rev().map(|(_, page)| page).filter(listed).take(take).collect()
        }
        (after, None) => {
            let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            world.pages.range((start, Bound::Unbounded)).map(|(_, page)| page).filter(listed).take(take).collect()
        }
    };
    let more = items.len() > window.limit;
    items.truncate(window.limit);
    if window.before.is_some() {
        items.reverse();
    }
    let backwards = window.before.is_some();
    Paging { items, has_next: more || backwards, has_previous: if backwards { more } else { window.after.is_some() } }
}

fn row(
    call: &Call,
    world: &World,
    page: &Page,
    token: &Token,
    selection: &[Selected],
    minted: &mut Vec<Token>,
) -> Result<Value, GraphError> {
    select::node(page.id.as_str(), selection, |name| {
        if let Some(scope) = page_fields::extra_scope(name, world.switches.page_fields_scope)
            && !token.grants(scope, &page.id)
        {
            return Err(super::page::needs_review(scope));
        }
        Ok(match name {
            "access_token" => {
                let found = world.page_token(token, &page.id, call.now);
                let text = found.text().to_owned();
                if let PageToken::New(token) = found {
                    minted.push(*token);
                }
                Some(text.into())
            }
            "tasks" => token.user.as_ref().map(|user| serde_json::json!(page.tasks_of(user))),
            _ => page_fields::value(page, &token.app, name),
        })
    })
}
