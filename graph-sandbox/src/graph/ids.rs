//! `GET /?ids=`: several nodes in one read.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::charge::{self, Billed};
use super::route::{find_node, node_route};
use crate::auth::Caller;
use crate::calls::{self, Call};
use crate::core::Core;
use crate::protocol::{GraphError, GraphRequest, Version, read_as_get};
use crate::switches::{IdsLimit, IdsPartial};

/// How many ids Graph is said to take.
const LIMIT: usize = 50;

/// A read of several ids, with one token for all.
pub(super) struct Reading<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) request: &'a GraphRequest,
    pub(super) caller: &'a Caller,
    pub(super) version: Version,
    pub(super) seq: u64,
    pub(super) now: Timestamp,
}

impl Reading<'_> {
    /// Reads the ids; each counts as a call.
    pub(super) async fn run(self, usage: &mut HeaderMap) -> Result<Value, GraphError> {
        if read_as_get(self.request.method.clone()) != Method::GET {
            return Err(GraphError::unsupported(self.request.method.as_str(), "ids"));
        }
        let ids = self.request.params.required_list("ids")?;
        let switches = self.core.world.lock().switches.clone();
        if ids.len() > LIMIT && switches.ids_limit == IdsLimit::Fifty {
            let message = format!("Too many IDs. Maximum: {LIMIT}. Provided: {}.", ids.len());
            return Err(GraphError::parameter(message));
        }
        let mut nodes = Map::new();
        for id in ids {
            match self.read(&id, usage).await {
                Ok(node) => {
                    nodes.insert(id, node);
                }
                Err(_) if switches.ids_partial == IdsPartial::Omitted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Value::Object(nodes))
    }

    async fn read(&self, id: &str, usage: &mut HeaderMap) -> Result<Value, GraphError> {
        let (route, node) = {
            let world = self.core.world.lock();
            let node = find_node(&world, self.request, id)?;
            (node_route(&node)?, node)
        };
        charge::charge(self.core, Billed { caller: self.caller, route, node: &node }, self.now, usage)?;
        let call = Call {
            core: Arc::clone(self.core),
            now: self.now,
            seq: self.seq,
            caller: self.caller.clone(),
            node,
            version: self.version,
            method: Method::GET,
            url: self.request.url.clone(),
            segments: vec![id.to_owned()],
            params: self.request.params.clone(),
            own_fields: None,
            proof: self.request.proof.clone(),
            without_effect: false,
            callback_answer: None,
        };
        calls::dispatch(route, call).await
    }
}
