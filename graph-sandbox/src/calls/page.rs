//! `GET /{page-id}`.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::call::{Call, need_scope};
use super::{page_values, select};
use crate::auth::Caller;
use crate::protocol::{GraphError, page_fields};
use crate::seed::TokenKind;
use crate::world::{Page, PageToken, Token, World};

/// Reads the page node.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let page = call.visible_page(&world)?;
    let token = reader(call, page)?;
    let selection = select::selection(call.fields(), page_fields::DEFAULT)?;
    // Unknown fields come first: they are wrong whoever asks.
    if let Some(unknown) = selection.iter().find(|field| !page_fields::exists(&field.name)) {
        return Err(GraphError::nonexisting_field(&unknown.name, "Page"));
    }
    need_scope(token, "pages_show_list", &page.id)?;
    let mut minted = None;
    let node = select::node(page.id.as_str(), &selection, |name| {
        if let Some(scope) = page_fields::extra_scope(name, world.switches.page_fields_scope)
            && !token.grants(scope, &page.id)
        {
            return Err(needs_review(scope));
        }
        Ok(match name {
            "access_token" => page_token(call, &world, page, token).map(|found| {
                let text = found.text().into();
                minted = Some(found);
                text
            }),
            _ => page_values::value(call, page, &world.switches, name),
        })
    })?;
    if let Some(PageToken::New(token)) = minted {
        call.commit(&mut world, |world| {
            world.add_minted(*token);
        });
    }
    Ok(node)
}

/// The token, if it may see the page at all.
fn reader<'c>(call: &'c Call, page: &Page) -> Result<&'c Token, GraphError> {
    let Caller::Issued(token) = &call.caller else {
        return Err(needs_review("pages_read_engagement"));
    };
    let sees = match token.kind {
        TokenKind::Page => token.page.as_ref() == Some(&page.id),
        _ => token.user.as_ref().is_some_and(|user| page.has_role(user)),
    };
    if sees { Ok(token) } else { Err(call.unsupported()) }
}

/// The page token of the same app and person: the caller's own, or one derived from it.
fn page_token(call: &Call, world: &World, page: &Page, caller: &Token) -> Option<PageToken> {
    if caller.kind == TokenKind::Page {
        return Some(PageToken::Known(caller.text.expose_secret().to_owned()));
    }
    is_granted(page, caller).then(|| world.page_token(caller, &page.id, call.now))
}

/// Pages of businesses take one more scope, and so does reading their tokens.
pub(super) fn is_granted(page: &Page, token: &Token) -> bool {
    token.grants("pages_show_list", &page.id)
        && page.owner.as_ref().is_none_or(|business| token.grants("business_management", business))
}

pub(super) fn needs_review(scope: &str) -> GraphError {
    GraphError::new(
        10,
        format!(
            "(#10) This endpoint requires the '{scope}' permission or the 'Page Public Content Access' feature. \
             Refer to https://developers.facebook.com/docs/apps/review for details."
        ),
    )
}
