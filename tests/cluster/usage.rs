//! Much of what Meta allows is used: the whole app, or one page, slows down before the limit is met.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{UsageLevel, UsageShare, UsageStatus};
use serde_json::json;
use testkit::sandbox::{LedgerEntry, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::many_channels::{connected, name, reads};
use crate::support::observe::*;
use crate::support::subscriptions::row;

/// Every answer says that so much of the app's limit is used.
fn app_is_used(env: &Env, percent: u32) {
    answers_say(env, "{}", percent);
}

/// The answers to these calls say that so much of the app's limit is used.
fn answers_say(env: &Env, calls: &str, percent: u32) {
    let usage = format!("{{\"call_count\":{percent},\"total_time\":3,\"total_cputime\":1}}");
    env.sandbox.add_fault(fault(&format!("{{match: {calls}, do: {{headers: {{X-App-Usage: '{usage}'}}}}}}")));
}

/// Waits until the gauge of the app's usage shows this.
async fn gauge_is(env: &Env, operator: &Running, percent: u32) -> Result<()> {
    let line =
        format!("meta_channel_operator_app_usage_percent{{namespace=\"{}\",name=\"acme\"}} {percent}\n", env.platform);
    wait_for(&format!("a usage of {percent} %"), PATIENCE, async || {
        ensure!(operator.metrics.text().contains(&line));
        Ok(())
    })
    .await
}

/// Waits until the status of the app tells this, which it does within a minute of the clock.
async fn usage_is(env: &Env, expected: Option<UsageStatus>) -> Result<()> {
    wait_for(&format!("the usage to be told as {expected:?}"), PATIENCE, async || {
        let usage = env.apps().get("acme").await?.status.context("no status")?.usage;
        ensure!(usage == expected, "{usage:?}");
        Ok(())
    })
    .await
}

fn of_app(level: UsageLevel, percent: u32) -> Option<UsageStatus> {
    Some(UsageStatus { app: Some(UsageShare { level, percent }), highest_page: None })
}

/// A person has a channel checked, and so hears what every answer says by now.
async fn hear(env: &Env, operator: &Running, number: usize, percent: u32) -> Result<()> {
    env.request_look(&env.tenant_a, &name(number), &format!("{percent} %")).await?;
    gauge_is(env, operator, percent).await?;
    // A minute later its status tells it.
    quiet(operator).await?;
    env.advance(1);
    quiet(operator).await
}

fn times_read(env: &Env, number: usize) -> usize {
    reads(env).iter().filter(|it| it.node == Some(page(number))).count()
}

/// Moves the clock, two minutes at a time.
async fn pass_time(env: &Env, operator: &Running, minutes: i64) -> Result<()> {
    for _ in 0..minutes / 2 {
        advance_and_sweep(env, operator, 2).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_96_percent_only_what_is_pressing_is_asked_and_everything_stays_as_it_is() -> Result<()> {
    const COUNT: usize = 30;
    let env = Env::seeded(|seed| {
        add_pages(seed, COUNT + 2);
        // The last but one ends soon.
        seed.tokens.retain(|token| token.alias.as_deref() != Some(&format!("page-{COUNT}")));
        seed.tokens.push(page_token(&format!("page-{COUNT}"), &page(COUNT), ", expires_at: +20h"));
    })
    .await?;
    let operator = env.operator_with(|operator| operator.policy.staleness_limit = Duration::from_secs(2 * 60 * 60));
    connected(&env, &operator, COUNT).await?;
    env.put_channel(&env.tenant_b, "ending", &page(COUNT), &text(&format!("page-{COUNT}"))).await?;
    env.channel_is(&env.tenant_b, "ending", &["Ready=True/ExpiresSoon"]).await?;

    app_is_used(&env, 96);
    hear(&env, &operator, 0, 96).await?;
    usage_is(&env, of_app(UsageLevel::Sparse, 96)).await?;
    quiet(&operator).await?;
    let before = versions(&env).await?;
    env.sandbox.clear_ledger();
    pass_time(&env, &operator, 60).await?;
    quiet(&operator).await?;
    // The app itself, again and again, to hear whether it is over; and what is about to end.
    let (of_app_itself, others): (Vec<_>, Vec<_>) = env
        .sandbox
        .ledger()
        .into_iter()
        .partition(|it| it.template.as_deref().is_some_and(|template| template.starts_with("/{version}/{app-id}")));
    assert!((3..=3 * 20).contains(&of_app_itself.len()), "{} looks at the app", of_app_itself.len());
    let others: Vec<_> = others.into_iter().filter(|it| it.template.as_deref() != Some("/{version}/")).collect();
    let ending = Some(format!("page-{COUNT}"));
    let about_other = |it: &&LedgerEntry| {
        it.node != Some(page(COUNT)) && it.inspected.as_ref().and_then(|token| token.alias.clone()) != ending
    };
    assert_eq!(others.iter().find(about_other), None, "only what is about to end was asked about");
    assert!(times_read(&env, COUNT) >= 3, "what is about to end was asked about");
    assert_eq!(versions(&env).await?, before);

    // A person's change is checked, and a new channel, and a new token.
    let fields = row(&env, &page(1));
    for (connection, expected) in [("Disconnected", vec![]), ("Connected", fields)] {
        let patch = json!({ "spec": { "connection": connection } });
        env.channels(&env.tenant_a).patch(&name(1), &PatchParams::default(), &Patch::Merge(&patch)).await?;
        let is_true = format!("{connection}=True");
        env.channel_is(&env.tenant_a, &name(1), &["Ready=True", &is_true]).await?;
        assert_eq!(row(&env, &page(1)), expected);
    }
    env.put_channel(&env.tenant_b, "new", &page(COUNT + 1), &text(&format!("page-{}", COUNT + 1))).await?;
    env.channel_is(&env.tenant_b, "new", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;

    // It is over: the app hears it, and the ring catches up in batches.
    quiet(&operator).await?;
    env.sandbox.clear_faults();
    env.advance(6);
    gauge_is(&env, &operator, 0).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    pass_time(&env, &operator, 18).await?;
    wait_for("a look at every page", PATIENCE, async || {
        let missed: Vec<_> = (0..COUNT).filter(|number| times_read(&env, *number) == 0).collect();
        ensure!(missed.is_empty(), "{missed:?}");
        Ok(())
    })
    .await?;
    assert_eq!(reads(&env).into_iter().find(|it| it.batch.is_none()), None, "in batches");
    usage_is(&env, None).await?;
    for number in 0..COUNT {
        env.channel_is(&env.tenant_a, &name(number), &["Ready=True/ReconcileSucceeded", "!Reconciling"]).await?;
    }
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    warned(&env, &env.tenant_b, &["ending ExpiresSoon"]).await?;
    assert_eq!(warnings(&env, &env.platform).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_that_was_found_is_repaired_at_96_percent() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 3)).await?;
    let operator = env.operator();
    connected(&env, &operator, 3).await?;
    let fields = row(&env, &page(1));
    let subscription = PageSubscriptionChange { app: APP_ID.parse()?, fields: Some(vec!["messages".to_owned()]) };
    env.sandbox.change_page(&page(1), PageChange { subscription: Some(subscription), ..PageChange::default() })?;
    // The answers that show it are the first to say how much is used: the app's own check may come before them.
    answers_say(&env, &format!("{{template: '{PAGE_ROWS}'}}"), 96);
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 4).await?;
    gauge_is(&env, &operator, 96).await?;
    assert_eq!(row(&env, &page(1)), fields);
    // Whether it lasts is checked in time, though little else is.
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    env.advance(2);
    wait_for("another look", PATIENCE, async || {
        ensure!(times_read(&env, 1) == 1);
        Ok(())
    })
    .await?;
    assert_eq!((times_read(&env, 0), times_read(&env, 2)), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_at_96_percent_slows_itself_alone() -> Result<()> {
    const COUNT: usize = 4;
    let env = Env::seeded(|seed| add_pages(seed, COUNT)).await?;
    let operator = env.operator();
    connected(&env, &operator, COUNT).await?;
    for template in ["/{version}/{page-id}", PAGE_ROWS] {
        let usage = format!("{{match: {{page: {}, template: '{template}'}}, do: {{usage: {{percent: 96}}}}}}", page(2));
        env.sandbox.add_fault(fault(&usage));
    }
    let channels = async || anyhow::Ok(env.channels(&env.tenant_a).list(&Default::default()).await?.items);
    let before = channels().await?;
    // It is heard in the next slot.
    pass_time(&env, &operator, 16).await?;
    assert_eq!(times_read(&env, 2), 1);
    env.advance(1);
    let share = UsageShare { level: UsageLevel::Sparse, percent: 96 };
    usage_is(&env, Some(UsageStatus { app: None, highest_page: Some(share) })).await?;
    env.sandbox.clear_ledger();
    pass_time(&env, &operator, 90).await?;
    let times: BTreeMap<_, _> = (0..COUNT).map(|number| (number, times_read(&env, number))).collect();
    assert!(times.iter().all(|(number, times)| *number == 2 || (6..=7).contains(times)), "{times:?}");
    assert!((1..=2).contains(&times[&2]), "once an hour: {times:?}");
    assert_eq!(channels().await?, before);

    // Its own limit is no obstacle to a person's change.
    env.sandbox.clear_ledger();
    env.request_look(&env.tenant_a, &name(2), "now").await?;
    wait_for("a look", PATIENCE, async || {
        ensure!(times_read(&env, 2) == 1);
        Ok(())
    })
    .await?;
    // It is over, and an hour later everybody knows.
    env.sandbox.clear_faults();
    pass_time(&env, &operator, 76).await?;
    env.sandbox.clear_ledger();
    pass_time(&env, &operator, 32).await?;
    assert!((2..=3).contains(&times_read(&env, 2)), "{}", times_read(&env, 2));
    usage_is(&env, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_80_percent_on_slots_come_half_as_often() -> Result<()> {
    const COUNT: usize = 8;
    let env = Env::seeded(|seed| add_pages(seed, COUNT)).await?;
    let operator = env.operator();
    connected(&env, &operator, COUNT).await?;
    app_is_used(&env, 80);
    hear(&env, &operator, 0, 80).await?;
    usage_is(&env, of_app(UsageLevel::Tight, 80)).await?;
    quiet(&operator).await?;
    let before = versions(&env).await?;
    env.sandbox.clear_ledger();
    pass_time(&env, &operator, 120).await?;
    for number in 0..COUNT {
        // The clock also runs on its own while it is moved.
        assert!((4..=5).contains(&times_read(&env, number)), "{} of page {number}", times_read(&env, number));
    }
    assert_eq!(versions(&env).await?, before);
    assert_eq!(env.writes(), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_channel_leaves_is_cleaned_up_once_there_is_room_for_it() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 2)).await?;
    let operator = env.operator();
    connected(&env, &operator, 2).await?;
    app_is_used(&env, 96);
    hear(&env, &operator, 0, 96).await?;
    env.channels(&env.tenant_a).delete(&name(1), &Default::default()).await?;
    let state = async |expected: &str| {
        wait_for(&format!("the claim to be {expected}"), PATIENCE, async || {
            let claim = env.claims().get(&format!("facebook-page-{}", page(1))).await?;
            let state = claim.status.as_ref().map(|status| status.state.as_str()).unwrap_or_default();
            ensure!(state == expected, "{state}");
            Ok(())
        })
        .await
    };
    state("CleanupPending").await?;
    for _ in 0..4 {
        advance_and_pass(&env, &operator, 5, "AssetClaim", 0).await?;
        quiet(&operator).await?;
    }
    assert_eq!(env.writes(), []);
    state("CleanupPending").await?;
    env.sandbox.clear_faults();
    env.advance(6);
    gauge_is(&env, &operator, 0).await?;
    quiet(&operator).await?;
    env.advance(12);
    state("Tombstone").await?;
    assert_eq!(row(&env, &page(1)), [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_who_asks_for_everything_at_once_keeps_no_other_from_its_turn() -> Result<()> {
    const MANY: usize = 24;
    let env = Env::seeded(|seed| add_pages(seed, MANY + 1)).await?;
    let operator = env.operator();
    connected(&env, &operator, MANY).await?;
    env.put_channel(&env.tenant_b, "small", &page(MANY), &text(&format!("page-{MANY}"))).await?;
    env.channel_is(&env.tenant_b, "small", &["Ready=True"]).await?;
    app_is_used(&env, 85);
    hear(&env, &operator, 0, 85).await?;

    for number in 0..MANY {
        env.request_look(&env.tenant_a, &name(number), "at once").await?;
    }
    let held_back = || operator.gauge("checks_deferred_total") as usize;
    wait_for("most of them to stand in line", PATIENCE, async || {
        ensure!(held_back() >= MANY / 2, "{} held back", held_back());
        Ok(())
    })
    .await?;
    env.sandbox.clear_ledger();
    env.request_look(&env.tenant_b, "small", "once").await?;
    wait_for("the look of the other tenant", PATIENCE, async || {
        ensure!(times_read(&env, MANY) > 0);
        Ok(())
    })
    .await?;
    let before = reads(&env).iter().take_while(|it| it.node != Some(page(MANY))).count();
    assert!(before <= MANY / 4, "{before} looks of the other tenant came first");
    Ok(())
}
