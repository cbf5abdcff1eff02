//! What is counted of an operator over a span of time, without asking it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::AuditEvent;

use crate::stage::Stage;

/// A span that has begun.
pub struct Meter<'a> {
    stage: &'a Stage,
    began: Instant,
    /// Where the audit log ended then.
    audited: u64,
}

/// What was counted in a span.
pub struct Reading {
    pub elapsed: Duration,
    /// HTTP requests to the Graph API.
    pub requests: u64,
    /// Operations of batches within them.
    pub operations: u64,
    /// Requests to the API server by verb and resource, but for watches and the Lease: they go with time, not with work.
    pub api: BTreeMap<String, u64>,
    pub api_writes: u64,
    pub secret_reads: u64,
}

impl<'a> Meter<'a> {
    pub fn start(stage: &'a Stage) -> Result<Self> {
        let (_, audited) = stage.plane.audit_since(0)?;
        stage.sandbox.clear_ledger();
        Ok(Self { stage, began: Instant::now(), audited })
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn read(&self) -> Result<Reading> {
        let elapsed = self.elapsed();
        let graph = self.stage.sandbox.ledger_summary(0);
        let (events, _) = self.stage.plane.audit_since(self.audited)?;
        let events: Vec<_> = events.iter().filter(|it| is_work(it)).collect();
        let mut api = BTreeMap::new();
        events.iter().for_each(|event| *api.entry(what(event)).or_insert(0) += 1);
        let sum = |of: &dyn Fn(&str) -> bool| api.iter().filter(|(what, _)| of(what)).map(|(_, count)| count).sum();
        Ok(Reading {
            elapsed,
            requests: graph.requests,
            operations: graph.operations,
            api_writes: sum(&|what| !what.starts_with("get ") && !what.starts_with("list ")),
            secret_reads: sum(&|what| what == "get secrets"),
            api,
        })
    }
}

fn is_work(event: &AuditEvent) -> bool {
    event.verb != "watch" && event.object_ref.resource != "leases"
}

/// Verb and resource.
fn what(event: &AuditEvent) -> String {
    let (resource, part) = (&event.object_ref.resource, &event.object_ref.subresource);
    let slash = if part.is_empty() { "" } else { "/" };
    let shown = if resource.is_empty() { &event.request_uri } else { resource };
    format!("{} {shown}{slash}{part}", event.verb)
}
