//! Operators and times for tests that count what is asked and done: nothing happens on its own, however long they take.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use kube::api::ObjectMeta;
use meta_channel_operator::base::schedule::{last_slot, next_slot};
use meta_channel_operator::operator::Operator;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::observe::*;

impl Env {
    /// An operator for which no slot comes by chance, however long a test takes.
    pub fn unhurried(&self) -> Running {
        self.unhurried_with(|_| ())
    }

    pub fn unhurried_with(&self, change: impl FnOnce(&mut Operator)) -> Running {
        const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        self.operator_with(|operator| {
            let policy = &mut operator.policy;
            (policy.channel_period, policy.app_period, policy.broken_period) = (NEVER, NEVER, NEVER);
            change(operator);
        })
    }
}

/// What was written at Meta is read again 1, 5 and 10 minutes later. After that nothing is due but slots.
pub async fn settled(env: &Env, operator: &Running) -> Result<()> {
    for minutes in [1, 5, 10] {
        quiet(operator).await?;
        env.advance(minutes);
    }
    quiet(operator).await
}

/// The same, and moves the clock on to where for minutes no slot of a MetaApp or channel comes on its own, however long that takes.
pub async fn between_slots(env: &Env, operator: &Running) -> Result<()> {
    settled(env, operator).await?;
    let quarters = |meta: ObjectMeta| (meta.uid.unwrap_or_default(), Duration::from_secs(15 * 60));
    let hours = |meta: ObjectMeta| (meta.uid.unwrap_or_default(), Duration::from_secs(60 * 60));
    let mut all: Vec<_> =
        env.apps().list(&Default::default()).await?.into_iter().map(|it| hours(it.metadata)).collect();
    for namespace in [&env.tenant_a, &env.tenant_b] {
        let channels = env.channels(namespace).list(&Default::default()).await?;
        all.extend(channels.into_iter().map(|it| quarters(it.metadata)));
    }
    let is_between = |now: Timestamp| {
        all.iter().all(|(uid, period)| {
            let (last, next) = (last_slot(uid, now, *period), next_slot(uid, now, *period));
            now.duration_since(last).as_secs() > 90 && next.duration_since(now).as_secs() > PATIENCE.as_secs() as i64
        })
    };
    while !is_between(env.now()) {
        env.advance(1);
    }
    // Rounds are half a minute apart: by the one before now everybody was visited whose slot has come.
    let visited = env.now().as_second() as f64 - 60.0;
    wait_for("the visits", PATIENCE, async || {
        let until = operator.gauge("sweep_complete_timestamp_seconds{kind=\"FacebookChannel\"");
        ensure!(until >= visited, "visited until {until} of {visited}");
        Ok(())
    })
    .await?;
    quiet(operator).await
}
