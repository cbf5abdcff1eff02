//! Batches: several operations in one request.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::SetOnce;

use super::handle;
use super::results;
use crate::core::Core;
use crate::protocol::{Effect, GraphError, GraphRequest, Operation, Reply, read_method};
use crate::switches::BatchOverLimit;

/// How many operations a batch may have.
const LIMIT: usize = 50;

/// An operation as it is written. Keys that need nothing here are let through.
#[derive(Deserialize)]
struct Written {
    method: String,
    relative_url: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    depends_on: Option<String>,
    #[serde(default)]
    omit_response_on_success: Option<bool>,
}

/// An operation ready to run.
struct Planned {
    request: GraphRequest,
    /// The operations it waits for, with their positions.
    parents: Vec<(String, usize)>,
    name: Option<String>,
    /// Its item is null if it succeeds.
    omitted: bool,
    /// Its item is shown although others wait for it.
    shown: bool,
}

/// What came of an operation.
struct Finished {
    item: Value,
    /// Its answer, if it succeeded.
    answer: Option<Value>,
}

/// Carries out all operations; those that do not depend on each other at the same time.
pub(super) async fn run(core: &Arc<Core>, request: &GraphRequest, seq: u64) -> Result<Value, GraphError> {
    if request.batch.is_some() {
        return Err(GraphError::batch(100, "A batch cannot be an operation of a batch"));
    }
    if request.method != Method::POST {
        return Err(GraphError::batch(100, "Batch requests must use POST"));
    }
    let planned = plan(core, request, seq)?;
    let headers = request.params.flag("include_headers") != Some(false);
    let results: Vec<SetOnce<Finished>> = planned.iter().map(|_| SetOnce::new()).collect();
    let running = planned.into_iter().enumerate().map(|(index, operation)| {
        let results = &results;
        async move {
            let finished = operate(core, operation, results, headers).await;
            if let Some(slot) = results.get(index) {
                // Nobody else fills this slot.
                let _ = slot.set(finished);
            }
        }
    });
    join_all(running).await;
    Ok(results.into_iter().map(|slot| slot.into_inner().map_or(Value::Null, |finished| finished.item)).collect())
}

fn plan(core: &Core, request: &GraphRequest, seq: u64) -> Result<Vec<Planned>, GraphError> {
    let text = request.params.get("batch").unwrap_or_default();
    let rows: Vec<Value> =
        serde_json::from_str(text).map_err(|_| GraphError::batch(100, "batch parameter must be a JSON array"))?;
    if rows.len() > LIMIT {
        let code = match core.world.lock().switches.batch_over_limit {
            BatchOverLimit::Code100 => 100,
            BatchOverLimit::Code1 => 1,
        };
        let message = format!("Too many requests in batch message. Maximum batch size is {LIMIT}");
        return Err(GraphError::batch(code, message));
    }
    let mut names = BTreeMap::new();
    let mut planned: Vec<Planned> = Vec::new();
    for row in rows {
        let operation = plan_one(request, seq, row, &mut planned, &names)?;
        if let Some(name) = operation.name.clone()
            && names.insert(name, planned.len()).is_some()
        {
            return Err(GraphError::batch(100, "Two operations of the batch have the same name"));
        }
        planned.push(operation);
    }
    Ok(planned)
}

fn plan_one(
    batch: &GraphRequest,
    seq: u64,
    row: Value,
    before: &mut [Planned],
    names: &BTreeMap<String, usize>,
) -> Result<Planned, GraphError> {
    // Serde's own message would quote the operation, which may hold a token.
    let malformed = "Each operation of a batch must be an object with the texts method and relative_url";
    let written: Written = serde_json::from_value(row).map_err(|_| GraphError::batch(100, malformed))?;
    let method = read_method(&written.method)?;
    let body = written.body.as_deref().unwrap_or_default();
    let request = batch.operation(seq, &Operation { method, relative_url: &written.relative_url, body });
    let mut parents = Vec::new();
    for name in results::named_in(&request).into_iter().chain(written.depends_on) {
        let unknown = || GraphError::batch(100, "An operation depends on one that does not come before it");
        let index = *names.get(&name).ok_or_else(unknown)?;
        if let Some(parent) = before.get_mut(index) {
            // Whoever is waited for is not shown, unless it asks for that.
            parent.omitted = parent.omitted || !parent.shown;
        }
        parents.push((name, index));
    }
    let omitted = written.omit_response_on_success == Some(true);
    let shown = written.omit_response_on_success == Some(false);
    Ok(Planned { request, parents, name: written.name, omitted, shown })
}

async fn operate(core: &Arc<Core>, operation: Planned, results: &[SetOnce<Finished>], headers: bool) -> Finished {
    let mut request = operation.request;
    let mut answers = BTreeMap::new();
    for (name, index) in operation.parents {
        let Some(parent) = results.get(index) else { continue };
        let Some(answer) = &parent.wait().await.answer else {
            return Finished { item: Value::Null, answer: None };
        };
        answers.insert(name, answer);
    }
    if let Err(error) = results::fill_in(&mut request, &answers) {
        request.unreadable.get_or_insert(error);
    }
    match carry_out(Arc::clone(core), request).await {
        Effect::Reply(reply) => {
            // An error may stand under status 200: suppress_http_code asks for it.
            let succeeded = reply.error.is_none() && reply.status == 200;
            let answer = succeeded.then(|| serde_json::from_slice(&reply.body).unwrap_or_default());
            let omitted = operation.omitted && answer.is_some();
            Finished { item: if omitted { Value::Null } else { item(&reply, headers) }, answer }
        }
        Effect::Reset | Effect::Unfinished => Finished { item: Value::Null, answer: None },
    }
}

/// Boxed, since a batch is a request whose operations are requests.
fn carry_out(core: Arc<Core>, request: GraphRequest) -> Pin<Box<dyn Future<Output = Effect> + Send>> {
    Box::pin(async move { handle(&core, request).await })
}

fn item(reply: &Reply, with_headers: bool) -> Value {
    let mut item = json!({"code": reply.status, "body": String::from_utf8_lossy(&reply.body)});
    if with_headers {
        item["headers"] = headers(&reply.headers);
    }
    item
}

fn headers(headers: &HeaderMap) -> Value {
    let one = |(name, value): (&HeaderName, &HeaderValue)| json!({"name": written_name(name.as_str()), "value": String::from_utf8_lossy(value.as_bytes())});
    headers.iter().map(one).collect()
}

/// A header's name with capitals, as Graph writes it.
fn written_name(name: &str) -> String {
    let mut starts = true;
    let capitals = name.chars().map(|c| {
        let written = if starts { c.to_ascii_uppercase() } else { c };
        starts = c == '-';
        written
    });
    capitals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_have_capitals() {
        assert_eq!(written_name("x-app-usage"), "X-App-Usage");
    }
}
