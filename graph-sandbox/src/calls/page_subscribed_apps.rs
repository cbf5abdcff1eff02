//! `/{page-id}/subscribed_apps`: which apps hear a page's events.

use serde_json::{Value, json};

use super::call::{Call, need_scope, need_task};
use super::select;
use crate::auth::Caller;
use crate::id::Id;
use crate::protocol::{GraphError, webhook_fields};
use crate::seed::{Task, TokenKind};
use crate::switches::{PageSubscribePost, PageSubscriptionsList, PageUnsubscribeAbsent, PageUnsubscribeToken};
use crate::world::{Page, PageSubscription, World};

const ROW_FIELDS: &[&str] = &["category", "link", "name", "id", "subscribed_fields"];

/// Lists the subscribed apps.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = call.own_page(&world)?;
    let selection = select::selection(call.params.get("fields"), ROW_FIELDS)?;
    if let Some(unknown) = selection.iter().find(|field| !ROW_FIELDS.contains(&field.name.as_str())) {
        return Err(GraphError::nonexisting_field(&unknown.name, "Application"));
    }
    need_scope(token, "pages_show_list", &page.id)?;
    need_scope(token, "pages_manage_metadata", &page.id)?;
    need_task(page, token, &[Task::CreateContent, Task::Manage, Task::Moderate])?;
    let all = world.switches.page_subscriptions_list == PageSubscriptionsList::All;
    let rows = page
        .subscriptions
        .iter()
        .filter(|(app, _)| all || **app == token.app)
        .map(|(app, row)| select::node(app.as_str(), &selection, |name| Ok(row_field(&world, app, row, name))))
        .collect::<Result<Vec<Value>, GraphError>>()?;
    Ok(json!({"data": rows}))
}

fn row_field(world: &World, id: &Id, row: &PageSubscription, name: &str) -> Option<Value> {
    let app = world.apps.get(id);
    match name {
        "name" => app.map(|app| app.name.clone()).or_else(|| row.name.clone()).map(Value::from),
        "category" => app.map(|app| app.category.as_str().into()),
        "link" => Some(format!("https://www.facebook.com/games/?app_id={id}").into()),
        "subscribed_fields" => Some(row.fields.clone().into()),
        _ => None,
    }
}

/// Subscribes the calling app to fields of the page.
pub(super) fn post(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, token) = call.own_page(&world)?;
    let fields = call.params.required_list("subscribed_fields")?;
    webhook_fields::check_names("page", "subscribed_fields", &fields)?;
    need_scope(token, "pages_manage_metadata", &page.id)?;
    let messaging = fields.iter().find(|field| webhook_fields::needs_messaging(field));
    if let Some(field) = messaging.filter(|_| !token.grants("pages_messaging", &page.id)) {
        return Err(GraphError::permission(format_args!(
            "To subscribe to the {field} field, one of these permissions is needed: pages_messaging"
        )));
    }
    need_task(page, token, &[Task::Moderate])?;
    if messaging.is_some() {
        need_task(page, token, &[Task::Messaging])?;
    }
    let (page, app) = (page.id.clone(), token.app.clone());
    let add = world.switches.page_subscribe_post == PageSubscribePost::Add;
    call.commit(&mut world, |world| {
        let Some(page) = world.pages.get_mut(&page) else {
            return;
        };
        let row = page.subscriptions.entry(app).or_default();
        if !add {
            row.fields.clear();
        }
        for field in fields {
            if !row.fields.contains(&field) {
                row.fields.push(field);
            }
        }
    });
    Ok(json!({"success": true}))
}

/// Unsubscribes the calling app from the page.
pub(super) fn delete(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let page = call.visible_page(&world)?;
    check_unsubscriber(call, &world, page)?;
    let (page_id, app) = (page.id.clone(), call.caller.app().clone());
    let absent = !page.subscriptions.contains_key(&app);
    if absent && world.switches.page_unsubscribe_absent == PageUnsubscribeAbsent::Refused {
        return Err(call.unsupported());
    }
    call.commit(&mut world, |world| {
        if let Some(page) = world.pages.get_mut(&page_id) {
            page.subscriptions.remove(&app);
        }
    });
    Ok(json!({"success": true}))
}

fn check_unsubscriber(call: &Call, world: &World, page: &Page) -> Result<(), GraphError> {
    let Caller::Issued(token) = &call.caller else {
        return Ok(());
    };
    let pages_own = token.kind == TokenKind::Page && token.page.as_ref() == Some(&page.id);
    if world.switches.page_unsubscribe_token == PageUnsubscribeToken::PageOrApp && pages_own {
        return need_scope(token, "pages_manage_metadata", &page.id);
    }
    Err(GraphError::needs_app_token())
}
