//! The three steps of a rotation, in every order, and seen at different times.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::http::Request;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;

use super::*;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Switch,
    Add,
    Remove,
}

/// The rotation of one secret into the next one.
struct Rotation<'a> {
    env: &'a Env,
    old: String,
    new: String,
    done: Vec<Step>,
    /// When Meta signed with what is in no entry.
    uncovered: Vec<(Timestamp, Timestamp)>,
}

impl<'a> Rotation<'a> {
    fn new(env: &'a Env, number: usize) -> Self {
        Self { env, old: secret(number), new: secret(number + 1), done: Vec::new(), uncovered: Vec::new() }
    }

    fn is_done(&self, step: Step) -> bool {
        self.done.contains(&step)
    }

    /// Whether what Meta signs with is in an entry of the Secret.
    fn is_covered(&self) -> bool {
        if self.is_done(Step::Switch) { self.is_done(Step::Add) } else { !self.is_done(Step::Remove) }
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        let (env, old, new) = (self.env, self.old.as_str(), self.new.as_str());
        let (before, covered) = (env.now(), self.is_covered());
        match step {
            Step::Switch => change_app_secret(env, new)?,
            Step::Add if self.is_done(Step::Remove) => write(env, &[(CURRENT, Some(new))]).await?,
            Step::Add => write(env, &[(CURRENT, Some(new)), (FORMER, Some(old))]).await?,
            Step::Remove if self.is_done(Step::Add) => write(env, &[(FORMER, None)]).await?,
            Step::Remove => write(env, &[(CURRENT, None)]).await?,
        }
        self.done.push(step);
        let parts = [(new, self.is_done(Step::Add)), (old, !self.is_done(Step::Remove))];
        let of = |there| parts.iter().filter(|it| it.1 == there).map(|it| it.0).collect::<Vec<_>>();
        gateway_takes(env, &of(true), &of(false)).await?;
        match (covered, self.is_covered()) {
            (true, false) => self.uncovered.push((before, Timestamp::MAX)),
            (false, true) => self.uncovered.last_mut().context("none")?.1 = env.now(),
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_and_no_condition_moves_in_whichever_order_the_app_secret_is_rotated() -> Result<()> {
    use Step::{Add, Remove, Switch};
    const ORDERS: [[Step; 3]; 6] = [
        [Add, Switch, Remove],
        [Add, Remove, Switch],
        [Switch, Add, Remove],
        [Switch, Remove, Add],
        [Remove, Add, Switch],
        [Remove, Switch, Add],
    ];
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.sandbox.set_switch("webhook_batching", "single")?;
    let steady = Steady::watch(&env);
    let mut sent = 0;
    for (number, order) in ORDERS.into_iter().enumerate() {
        let mut rotation = Rotation::new(&env, number);
        let first = env.sandbox.deliveries().len();
        sent += while_events_come(&env, async {
            for step in order {
                rotation.step(step).await?;
                // Someone looks on in every state.
                ask(&env, &format!("{number}-{step:?}")).await?;
                quiet(&operator).await?;
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            Ok(())
        })
        .await?;
        uses(&env, CURRENT, &rotation.new, None).await.with_context(|| format!("{order:?}"))?;
        let deliveries = env.sandbox.deliveries().split_off(first);
        // What changed and was not read yet is to come again (503).
        let is_refused = |status| matches!(status, Some(403 | 503));
        let refused: Vec<_> = deliveries.iter().filter(|it| is_refused(it.status)).map(|it| it.time).collect();
        let within = |at: &Timestamp| rotation.uncovered.iter().any(|(from, to)| from <= at && at <= to);
        assert!(refused.iter().all(within), "{order:?}: {refused:?} {:?}", rotation.uncovered);
        assert_eq!(refused.is_empty(), rotation.uncovered.is_empty(), "{order:?}");
        let others = deliveries.iter().filter(|it| it.status != Some(200) && !is_refused(it.status)).count();
        assert_eq!(others, 0, "{order:?}: {deliveries:?}");
        // Edits are free again, and what would come of it later has come.
        advance_and_sweep(&env, &operator, 6).await?;
    }
    let taken = env.sandbox.deliveries().into_iter().filter(|it| it.status == Some(200)).count();
    assert!(sent > 100 && taken >= sent, "{taken} of {sent}");
    steady.holds();
    assert!(app_status(&env).await?.next_step.is_none());
    for namespace in [&env.platform, &env.tenant_a] {
        warned(&env, namespace, &[""; 0]).await?;
    }
    Ok(())
}

/// A client that does not read the Secret with the app secret before the door is open.
fn held_back(client: &Client) -> (Client, watch::Sender<bool>) {
    let (door, opened) = watch::channel(true);
    let client = client.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, mut opened) = (client.clone(), opened.clone());
        async move {
            if request.uri().path().ends_with("/secrets/acme-app") {
                let _ = opened.wait_for(|open| *open).await;
            }
            client.send(request).await
        }
    });
    (Client::new(service, "default"), door)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_sees_the_secret_late_tells_the_gateway_late_and_no_event_is_lost() -> Result<()> {
    let env = Env::new().await?;
    let (late_operator, door) = held_back(&env.account.client);
    let operator = env.operator_with(|operator| operator.client = late_operator);
    connected(&env).await?;
    env.sandbox.set_switch("webhook_batching", "single")?;
    let steady = Steady::watch(&env);
    let pause = || tokio::time::sleep(Duration::from_millis(400));
    while_events_come(&env, async {
        for number in [0, 1] {
            let (old, new) = (secret(number), secret(number + 1));
            door.send_replace(false);
            write(&env, &[(CURRENT, Some(&new)), (FORMER, Some(&old))]).await?;
            gateway_takes(&env, &[&old], &[&new]).await?;
            change_app_secret(&env, &new)?;
            ask(&env, &format!("{number}")).await?;
            pause().await;
            door.send_replace(true);
            gateway_takes(&env, &[&old, &new], &[]).await?;
            uses(&env, CURRENT, &new, None).await?;
            door.send_replace(false);
            write(&env, &[(FORMER, None)]).await?;
            ask(&env, &format!("{number}-removed")).await?;
            pause().await;
            door.send_replace(true);
            gateway_takes(&env, &[&new], &[&old]).await?;
        }
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    steady.holds();
    warned(&env, &env.platform, &[""; 0]).await?;
    Ok(())
}
