//! `/{page-id}/personas` and `/{persona-id}`: who a page speaks as.

use serde_json::{Value, json};

use super::call::Call;
use super::conversation::messaging_page;
use super::{attachments, paging, select};
use crate::id::Id;
use crate::protocol::GraphError;
use crate::protocol::fields::Selected;
use crate::switches::AccountsPaging;
use crate::world::{Page, Persona};

const FIELDS: &[&str] = &["id", "name", "profile_picture_url"];
const MAX_NAME: usize = 50;
/// How many rows a part has at most.
const MOST: usize = 100;

/// Makes a persona.
pub(super) fn post(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let name = call.params.required("name")?.to_owned();
    if name.chars().nth(MAX_NAME).is_some() {
        let message = format!("Length of param name must be less than or equal to {MAX_NAME}");
        return Err(GraphError::parameter(message));
    }
    let picture = call.params.required("profile_picture_url")?.to_owned();
    if !attachments::is_web(&picture) {
        return Err(GraphError::parameter("Param profile_picture_url should represent a valid URL"));
    }
    let id = Id::fresh(|id| page.messaging.personas.contains_key(id));
    let (answer, page) = (json!({"id": id}), page.id.clone());
    call.commit(&mut world, |world| {
        if let Some(page) = world.pages.get_mut(&page) {
            page.messaging.personas.insert(id, Persona { name, picture });
        }
    });
    Ok(answer)
}

/// Lists the page's personas.
pub(super) fn list(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let selection = selection(call)?;
    let personas: Vec<(&Id, &Persona)> = page.messaging.personas.iter().collect();
    paging::page(call, MOST, &world.switches, AccountsPaging::Cursors, &personas, |(id, persona)| {
        row(id, persona, &selection)
    })
}

/// Reads one persona.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let (id, persona) = persona(call, page)?;
    row(id, persona, &selection(call)?)
}

/// Deletes one persona.
pub(super) fn delete(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (page, _) = messaging_page(call, &world)?;
    let (id, page) = (persona(call, page)?.0.clone(), page.id.clone());
    call.commit(&mut world, |world| {
        if let Some(page) = world.pages.get_mut(&page) {
            page.messaging.personas.remove(&id);
        }
    });
    Ok(json!({"success": true}))
}

fn persona<'w>(call: &Call, page: &'w Page) -> Result<(&'w Id, &'w Persona), GraphError> {
    let id = call.node.id().and_then(|id| id.parse::<Id>().ok());
    id.and_then(|id| page.messaging.personas.get_key_value(&id)).ok_or_else(|| call.unsupported())
}

fn selection(call: &Call) -> Result<Vec<Selected>, GraphError> {
    let selection = select::selection(call.params.get("fields"), FIELDS)?;
    match selection.iter().find(|field| !FIELDS.contains(&field.name.as_str())) {
        Some(unknown) => Err(GraphError::nonexisting_field(&unknown.name, "Persona")),
        None => Ok(selection),
    }
}

fn row(id: &Id, persona: &Persona, selection: &[Selected]) -> Result<Value, GraphError> {
    select::node(id.as_str(), selection, |name| {
        Ok(match name {
            "name" => Some(persona.name.as_str().into()),
            "profile_picture_url" => Some(persona.picture.as_str().into()),
            _ => None,
        })
    })
}
