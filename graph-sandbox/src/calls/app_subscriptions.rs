//! `/{app-id}/subscriptions`: the webhook subscriptions of an app.

use serde_json::{Value, json};

use super::call::Call;
use crate::callback;
use crate::ledger::plain_url;
use crate::protocol::{GraphError, webhook_fields};
use crate::switches::{ChallengeMismatch, SubscriptionsDeleteAll, SubscriptionsPost, SubscriptionsSuccess};
use crate::world::{AppField, AppSubscription, check_url};

/// Lists the subscriptions.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let app = call.own_app(&world)?;
    let rows: Vec<Value> = app
        .subscriptions
        .iter()
        .map(|(object, row)| {
            let fields: Vec<Value> =
                row.fields.iter().map(|field| json!({"name": field.name, "version": field.version})).collect();
            json!({"object": object, "callback_url": row.callback_url, "active": row.active, "fields": fields})
        })
        .collect();
    Ok(json!({"data": rows}))
}

/// Subscribes, after the callback has answered the challenge.
pub(super) async fn post(call: &Call) -> Result<Value, GraphError> {
    let (object, url, fields, attempt) = {
        let world = call.core.world.lock();
        call.own_app(&world)?;
        let object = call.params.required("object")?;
        webhook_fields::check_object(object)?;
        let url = call.params.required("callback_url")?;
        let parsed = check_url(url).map_err(|problem| GraphError::parameter(format_args!("Param {problem}")))?;
        let fields = call.params.required_list("fields")?;
        webhook_fields::check_names(object, "fields", &fields)?;
        let verify_token = call.params.required("verify_token")?;
        let attempt = callback::Attempt::new(&world.resolve, &parsed, verify_token);
        (object, url, fields, attempt)
    };
    let instead = call.callback_answer.as_ref();
    let outcome = attempt.run(&call.core.client, call.core.callback_limit, instead).await;
    call.core.ledger.amend(call.seq, |entry| entry.callback = Some(outcome.note(plain_url(url))));
    let mut world = call.core.world.lock();
    if let Err(failure) = outcome.result {
        let mismatch = world.switches.challenge_mismatch;
        return Err(verification_failed(&failure, mismatch));
    }
    let app = call.caller.app().clone();
    let merge = world.switches.subscriptions_post == SubscriptionsPost::Merge;
    let version = call.version.to_string();
    call.commit(&mut world, |world| {
        let Some(app) = world.apps.get_mut(&app) else {
            return;
        };
        let row = AppSubscription { callback_url: url.to_owned(), active: true, fields: Vec::new() };
        let old = app.subscriptions.insert(object.to_owned(), row);
        let kept = old.filter(|_| merge).map(|old| old.fields).unwrap_or_default();
        if let Some(row) = app.subscriptions.get_mut(object) {
            row.fields = with_fields(kept, fields, &version);
        }
    });
    Ok(match world.switches.subscriptions_success {
        SubscriptionsSuccess::Boolean => json!({"success": true}),
        SubscriptionsSuccess::Text => json!({"success": "true"}),
    })
}

fn with_fields(mut fields: Vec<AppField>, names: Vec<String>, version: &str) -> Vec<AppField> {
    for name in names {
        fields.retain(|field| field.name != name);
        fields.push(AppField { name, version: version.to_owned() });
    }
    fields
}

fn verification_failed(failure: &callback::Failure, mismatch: ChallengeMismatch) -> GraphError {
    match (failure, mismatch) {
        (callback::Failure::Mismatch { .. }, ChallengeMismatch::Code2201) => {
            GraphError::new(2201, format!("(#2201) {failure}"))
        }
        _ => {
            let message = format!("(#2200) Callback verification failed with the following errors: {failure}");
            GraphError::new(2200, message)
        }
    }
}

/// Removes subscriptions, or some fields of one.
pub(super) fn delete(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let app = call.own_app(&world)?.id.clone();
    let object = call.params.get("object");
    if let Some(object) = object {
        webhook_fields::check_object(object)?;
    } else if world.switches.subscriptions_delete_all == SubscriptionsDeleteAll::Refused {
        return Err(GraphError::missing_parameter("object"));
    }
    let fields = call.params.list("fields")?;
    call.commit(&mut world, |world| {
        let Some(app) = world.apps.get_mut(&app) else {
            return;
        };
        app.subscriptions.retain(|found, row| {
            if object.is_some_and(|object| object != found) {
                return true;
            }
            match &fields {
                None => false,
                Some(fields) => {
                    row.fields.retain(|field| !fields.contains(&field.name));
                    !row.fields.is_empty()
                }
            }
        });
    });
    Ok(json!({"success": true}))
}
