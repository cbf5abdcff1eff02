//! `/{page-id}/messenger_profile`: an app's greeting, menus and the like on a page.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::conversation::messaging_page;
use crate::id::Id;
use crate::protocol::{GraphError, fields};
use crate::world::World;

/// Meta's fields. Who receives messages is none of them.
const FIELDS: &[&str] = &[
    "account_linking_url",
    "commands",
    "description",
    "get_started",
    "greeting",
    "home_url",
    "ice_breakers",
    "persistent_menu",
    "platform",
    "subject_to_new_eu_privacy_rules",
    "title",
    "whitelisted_domains",
];

/// Fields that are only read.
const COMPUTED: &[&str] = &["platform", "subject_to_new_eu_privacy_rules"];

/// Reads what is set.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let selection = fields::parse(call.params.required("fields")?)?;
    if let Some(unknown) = selection.iter().find(|field| !FIELDS.contains(&field.name.as_str())) {
        return Err(GraphError::nonexisting_field(&unknown.name, "MessengerProfile"));
    }
    let Some(profile) = page.messaging.profiles.get(&token.app) else {
        return Ok(json!({"data": []}));
    };
    let chosen = selection.iter().filter_map(|field| Some((field.name.clone(), profile.get(&field.name)?.clone())));
    let row: Map<String, Value> = chosen.collect();
    Ok(if row.is_empty() { json!({"data": []}) } else { json!({"data": [row]}) })
}

/// Sets the given fields; the others stay.
pub(super) fn post(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let mut given = Map::new();
    for (name, text) in call.params.iter().filter(|(name, _)| settable(name)) {
        // In a form the value is JSON in a text; a plain text such as a URL stands for itself.
        given.insert(name.to_owned(), serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    }
    if given.is_empty() {
        let message = format!("Requires one of the params: {}", FIELDS.join(","));
        return Err(GraphError::parameter(message));
    }
    let (page, app) = (page.id.clone(), token.app.clone());
    change(call, &mut world, &page, app, |profile| profile.extend(given))
}

/// Removes the named fields.
pub(super) fn delete(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    let names = call.params.required_list("fields")?;
    if let Some((index, name)) = names.iter().enumerate().find(|(_, name)| !settable(name)) {
        return Err(GraphError::not_one_of(&format!("fields[{index}]"), FIELDS, name));
    }
    let (page, app) = (page.id.clone(), token.app.clone());
    change(call, &mut world, &page, app, |profile| profile.retain(|name, _| !names.contains(name)))
}

fn settable(name: &str) -> bool {
    FIELDS.contains(&name) && !COMPUTED.contains(&name)
}

fn change(
    call: &Call,
    world: &mut World,
    page: &Id,
    app: Id,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<Value, GraphError> {
    call.commit(world, |world| {
        if let Some(page) = world.pages.get_mut(page) {
            change(page.messaging.profiles.entry(app).or_default());
        }
    });
    Ok(json!({"result": "success"}))
}
