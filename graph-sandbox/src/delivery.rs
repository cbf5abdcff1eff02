//! Delivery: sends the webhook events that are due.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::callback::{self, Failure};
use crate::core::Core;
use crate::webhooks::{Attempt, Outcome};

/// Delivers until the sandbox stops. Attempts under way then are cut off.
pub(crate) async fn run(core: Arc<Core>) {
    let mut moves = core.clock.moves();
    let mut attempts = JoinSet::new();
    loop {
        let (begun, now) = {
            let (world, now) = core.world_now();
            (core.outbox.begin(&world, now), now)
        };
        for attempt in begun {
            attempts.spawn(send(Arc::clone(&core), attempt));
        }
        core.outbox.progress.send_replace(());
        tokio::select! {
            () = core.stopping.cancelled() => return,
            () = core.outbox.told.notified() => {}
            _ = moves.changed() => {}
            _ = attempts.join_next(), if !attempts.is_empty() => {}
            () = pause(core.outbox.rest(now)) => {}
        }
    }
}

async fn pause(rest: Option<Duration>) {
    match rest {
        Some(rest) => tokio::time::sleep(rest).await,
        None => pending().await,
    }
}

/// Makes an attempt and draws the consequences.
async fn send(core: Arc<Core>, attempt: Attempt) {
    let outcome = ask(&core, &attempt).await;
    let (mut world, _) = core.world_now();
    core.outbox.conclude(&mut world, attempt, outcome);
}

async fn ask(core: &Core, attempt: &Attempt) -> Outcome {
    let failed = |failure| Outcome { status: None, failure: Some(failure) };
    let Ok(body) = attempt.body() else {
        return failed(Failure::Curl(43, "The events have no JSON form".to_owned()));
    };
    let (target, signatures, limit) = {
        let world = core.world.lock();
        let secret = world.apps.get(attempt.app()).map(|app| app.secret.clone()).unwrap_or_default();
        let target = callback::stand_in(&world.resolve, attempt.callback());
        let limit = world.switches.webhook_patience.limit(core.callback_limit);
        (target, attempt.signatures(&secret, &body), limit)
    };
    let target = match target {
        Ok(target) => target,
        Err(failure) => return failed(failure),
    };
    let request = core.client.post(target).header("content-type", "application/json");
    let request = request.header("user-agent", "facebookexternalua").body(body);
    let request = signatures.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    match callback::exchange(request, limit).await {
        Ok(answer) => Outcome { status: Some(answer.status), failure: answer.success().err() },
        Err(failure) => failed(failure),
    }
}

impl Core {
    /// Waits until nothing is under way or due by the sandbox's clock, or the sandbox stops.
    pub(crate) async fn flush(&self) {
        let mut progress = self.outbox.progress.subscribe();
        while self.outbox.is_due(self.clock.now()) {
            tokio::select! {
                _ = progress.changed() => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }
}
