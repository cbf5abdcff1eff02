//! Time passes: how often Meta is asked about channels that nobody touches, and what that finds.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::sandbox::{LedgerEntry, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::many_channels::*;
use crate::support::observe::*;

/// Threads are checked once an hour.
const CONVERSATIONS: &str = "/{version}/{page-id}/conversations";

/// So many, or little more: the clock also runs on its own while a test moves it, so that a slot may come besides.
fn at_least(expected: usize, counted: usize) -> bool {
    (expected..=expected + 2 + expected / 6).contains(&counted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_finds_nothing_new_costs_no_pass_and_no_question_about_the_token() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 3)).await?;
    let operator = env.operator();
    connected(&env, &operator, 3).await?;
    let (before, passes) = (versions(&env).await?, operator.passes("FacebookChannel"));
    let writes = operator.count("status_writes_total", "FacebookChannel");
    for _ in 0..3 {
        advance_and_pass(&env, &operator, 16, "FacebookChannel", 3).await?;
    }
    let reads = reads(&env).len();
    assert!(at_least(9, reads), "{reads} reads");
    assert_eq!(env.requests("GET", DEBUG_TOKEN), []);
    assert_eq!(operator.passes("FacebookChannel"), passes);
    assert_eq!(operator.count("status_writes_total", "FacebookChannel"), writes);
    assert_eq!(versions(&env).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_in_its_slot_and_only_the_channel_it_befell_is_woken() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 3)).await?;
    let operator = env.operator();
    connected(&env, &operator, 3).await?;
    let passes = operator.passes("FacebookChannel");
    let fields = Some(vec!["messages".to_owned()]);
    let subscription = Some(PageSubscriptionChange { app: APP_ID.parse()?, fields });
    env.sandbox.change_page(&page(1), PageChange { subscription, ..PageChange::default() })?;
    // Three visits, and a pass over the one with news.
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 4).await?;
    assert_eq!(operator.passes("FacebookChannel"), passes + 1);
    let writes: Vec<_> = env.requests("POST", PAGE_ROWS).into_iter().filter_map(|it| it.node).collect();
    assert_eq!(writes, [page(1)]);
    // What the visit read was not read again before the repair.
    let of_page = reads(&env).into_iter().filter(|it| it.node == Some(page(1))).count();
    assert_eq!(of_page, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hangs_leaves_the_others_looked_at_and_is_not_known_any_more_past_the_limit() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 6)).await?;
    let operator = env.operator();
    connected(&env, &operator, 6).await?;
    let before = versions(&env).await?;
    env.sandbox.add_fault(fault(&format!("{{match: {{page: {}}}, do: hang}}", page(2))));
    let visited = |outcome: &str| {
        let text = operator.metrics.text();
        let label = format!("sweep_visits_total{{kind=\"FacebookChannel\",outcome=\"{outcome}\"}} ");
        let line = text.lines().find(|line| line.contains(&label)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 6).await?;
    assert!(at_least(5, visited("same") as usize) && at_least(1, visited("unanswered") as usize));
    assert_eq!(versions(&env).await?, before, "no answer is not an answer");
    env.advance(70);
    env.channel_is(&env.tenant_a, &name(2), &["Ready=Unknown/GraphUnavailable", "Reconciling=True"]).await?;
    for number in [0, 1, 3, 4, 5] {
        env.channel_is(&env.tenant_a, &name(number), &["Ready=True/ReconcileSucceeded"]).await?;
    }
    env.sandbox.clear_faults();
    env.advance(8);
    env.channel_is(&env.tenant_a, &name(2), &["Ready=True/ReconcileSucceeded"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_about_once_a_day_and_hourly_in_its_last() -> Result<()> {
    let lasting = page_token("page-0", &page(0), "");
    let ending = page_token("page-1", &page(1), ", expires_at: +3d");
    let env = Env::seeded(|seed| {
        add_pages(seed, 2);
        seed.tokens.retain(|token| !matches!(token.alias.as_deref(), Some("page-0" | "page-1")));
        seed.tokens.extend([lasting, ending]);
    })
    .await?;
    let day = Duration::from_secs(24 * 60 * 60);
    let operator = env.operator_with(|operator| operator.policy.token_period = day);
    env.put_app().await?;
    for number in 0..2 {
        env.put_channel(&env.tenant_a, &name(number), &page(number), &text(&format!("page-{number}"))).await?;
        env.channel_is(&env.tenant_a, &name(number), &["Ready=True"]).await?;
    }
    env.sandbox.clear_ledger();
    let asked = |number: usize| made_about(&env, &format!("page-{number}")).len();
    let day = async || {
        let before = (asked(0), asked(1));
        for _ in 0..48 {
            advance_and_sweep(&env, &operator, 30).await?;
        }
        anyhow::Ok((asked(0) - before.0, asked(1) - before.1))
    };
    assert_eq!(day().await?, (1, 1));
    let (second, third) = (day().await?, day().await?);
    assert_eq!((second.0, third.0), (1, 1));
    // The last day of the token begins about where the third does.
    let near = second.1 + third.1;
    assert!((20..=28).contains(&near), "{near} questions in the last two days of a token");
    env.channel_is(&env.tenant_a, &name(0), &["Ready=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_of_many_costs_few_requests_and_shows_each_page_its_own_token() -> Result<()> {
    const COUNT: usize = 60;
    let env = Env::seeded(|seed| add_pages(seed, COUNT)).await?;
    let operator = env.operator();
    connected(&env, &operator, COUNT).await?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", COUNT as u64).await?;
    let ledger = env.sandbox.ledger();
    let (operations, requests): (Vec<_>, Vec<_>) = ledger.into_iter().partition(|it| it.batch.is_some());
    // Slots come while the channels are made, so that some may have been visited before the others.
    let alone = |it: &LedgerEntry| it.template.as_deref() != Some(CONVERSATIONS);
    let requests: Vec<_> = requests.into_iter().filter(alone).collect();
    let batches = requests.iter().filter(|it| it.template.as_deref() == Some("/{version}/")).count();
    // Of some of the pages evidence is due too.
    assert!((3..=9).contains(&batches), "{batches} batches");
    let others: Vec<_> = requests.iter().filter_map(|it| it.template.clone()).collect();
    assert!(requests.len() - batches <= 6, "the app and a token whose slot came, but no page: {others:?}");
    for template in [PAGE_NODE, PAGE_ROWS] {
        let count = operations.iter().filter(|it| it.template.as_deref() == Some(template)).count();
        assert!(at_least(COUNT, count), "{count} of {template}");
    }
    for operation in operations {
        let token = operation.token.as_ref().unwrap();
        assert_eq!(token.page.as_ref().map(ToString::to_string), operation.node, "{operation:?}");
        assert_eq!(format!("{:?}", operation.proof), "Valid");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_leaves_open_is_asked_alone_in_the_same_slot() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 4)).await?;
    let operator = env.operator();
    connected(&env, &operator, 4).await?;
    env.sandbox.add_fault(fault(&format!("{{match: {{page: {}, batched: true}}, do: 'null'}}", page(1))));
    let passes = operator.passes("FacebookChannel");
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 4).await?;
    assert_eq!(operator.passes("FacebookChannel"), passes);
    let alone = env.sandbox.ledger().into_iter().filter(|it| it.batch.is_none() && it.node == Some(page(1)));
    let alone = alone.filter(|it| it.template.as_deref() != Some(CONVERSATIONS));
    assert_eq!(alone.filter(|it| it.status == Some(200)).count(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_about_many_pages_costs_two_requests_more_than_the_pages() -> Result<()> {
    const COUNT: usize = 10;
    let env = Env::seeded(|seed| add_pages(seed, COUNT)).await?;
    let operator = env.operator();
    connected(&env, &operator, COUNT).await?;
    for number in 0..COUNT {
        let routing = serde_json::from_value(json!({ "default_app": APP_ID }))?;
        env.sandbox.change_routing(&page(number), routing)?;
        let message = serde_json::from_value(json!({"psid": format!("77000000000000{number:02}"), "text": "hi"}))?;
        env.sandbox.customer_writes(&page(number), message)?;
    }
    wait_for("the gateway to report all messages", PATIENCE, async || {
        for number in 0..COUNT {
            let status = env.channels(&env.tenant_a).get(&name(number)).await?.status;
            ensure!(status.and_then(|status| status.inbound).is_some(), "not of channel {number}");
        }
        Ok(())
    })
    .await?;
    // The slots of all of them come at once.
    advance_and_sweep(&env, &operator, 61).await?;
    for number in 0..COUNT {
        env.channel_is(&env.tenant_a, &name(number), &["Ready=True", "PrimaryReceiver=True/DefaultApp"]).await?;
    }
    for template in [CONVERSATIONS, "/{version}/{page-id}/thread_owner"] {
        let reads = env.requests("GET", template);
        assert!(at_least(COUNT, reads.len()), "{} of {template}", reads.len());
        let requests: BTreeSet<_> = reads.iter().map(|it| it.batch.unwrap_or(it.seq)).collect();
        assert!(requests.len() <= 3, "{} requests for {} of {template}", requests.len(), reads.len());
    }
    Ok(())
}
