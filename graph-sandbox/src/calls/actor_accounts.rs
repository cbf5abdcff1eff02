//! `GET /me/accounts`: the pages of a person or system user, with their tokens.

use serde_json::Value;

use super::call::Call;
use super::page::{is_granted, needs_review};
use super::{page_values, paging, select};
use crate::id::Id;
use crate::protocol::fields::Selected;
use crate::protocol::{GraphError, page_fields};
use crate::switches::AccountsWithoutScope;
use crate::world::{Page, PageToken, Token, World};

/// Fields without `fields`.
const DEFAULT: &[&str] = &["access_token", "category", "name", "id", "tasks"];

/// How many rows a part has at most.
const MOST: usize = 100;

/// Lists the pages in the order of their ids, a window at a time.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (actor, token) = call.own_actor(&world)?;
    let selection = select::selection(call.fields(), DEFAULT)?;
    let exists = |name: &str| name == "tasks" || page_fields::exists(name);
    if let Some(unknown) = selection.iter().find(|field| !exists(&field.name)) {
        return Err(GraphError::nonexisting_field(&unknown.name, "Page"));
    }
    let granted = token.scopes.iter().any(|scope| scope == "pages_show_list");
    if !granted && world.switches.accounts_without_scope == AccountsWithoutScope::Refused {
        return Err(GraphError::missing_scope("pages_show_list"));
    }
    let pages: Vec<&Page> = world.pages.values().filter(|page| is_listed(page, token, &actor.id)).collect();
    let mut minted = Vec::new();
    let show = |page: &&Page| row(call, &world, page, token, &selection, &mut minted);
    let answer = paging::page(call, MOST, &world.switches, world.switches.accounts_paging, &pages, show)?;
    call.commit(&mut world, |world| {
        for token in minted {
            world.add_minted(token);
        }
    });
    Ok(answer)
}

fn is_listed(page: &Page, token: &Token, actor: &Id) -> bool {
    page.is_visible() && page.has_role(actor) && is_granted(page, token)
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
            return Err(needs_review(scope));
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
            _ => page_values::value(call, page, &world.switches, name),
        })
    })
}
