//! A thousand channels: how often Meta is asked about them, minute by minute and over restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::{TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use meta_channel_operator::api::{DEFAULT_FIELDS, FacebookChannel};
use serde_json::json;
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const COUNT: usize = 1_000;
/// Seconds in a period and in a round, and pages in a batch.
const PERIOD: usize = 15 * 60;
const ROUND: usize = 30;
const TOGETHER: usize = 25;
/// The operator is restarted before some of the first minutes. What is due meanwhile comes a period later, so that the test
/// looks on for a whole one after that.
const RESTARTS: [usize; 3] = [1, 2, 3];
const MINUTES: usize = 20;

const FIRST_PAGE: usize = 2_300_000_000_000_001;
/// Tokens in a Secret, and creations at once.
const TOKENS: usize = 100;
const AT_ONCE: usize = 16;

fn add_crowd(seed: &mut Seed) {
    let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
    let user = "6600000000000001";
    let fields = DEFAULT_FIELDS.join(", ");
    let crowd = format!(
        "{{pages: {COUNT}, first_page: {FIRST_PAGE}, app: {APP_ID}, user: {user}, scopes: {scopes}, subscribed_fields: [{fields}]}}"
    );
    seed.crowd = Some(serde_yaml_ng::from_str(&crowd).unwrap());
}

/// A Secret with the tokens of some of the channels, each under a key of its own.
fn secret(number: usize) -> String {
    format!("tokens-{}", number / TOKENS)
}

async fn put_tokens(env: &Env, first: usize) -> Result<()> {
    let tokens = (first..first + TOKENS).map(|number| {
        let page = FIRST_PAGE + number;
        (page.to_string(), format!("EAAcrowd{page}"))
    });
    let metadata = ObjectMeta {
        name: Some(secret(first)),
        labels: Some(BTreeMap::from([("metachannels.io/purpose".to_owned(), "page-token".to_owned())])),
        ..ObjectMeta::default()
    };
    let secret = Secret { metadata, string_data: Some(tokens.collect()), ..Secret::default() };
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(())
}

async fn put_channel(env: &Env, number: usize) -> Result<()> {
    let (name, page) = (format!("channel-{number}"), (FIRST_PAGE + number).to_string());
    let channel: FacebookChannel = serde_json::from_value(json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "FacebookChannel", "metadata": {"name": name},
        "spec": {
            "pageId": page,
            "credentials": {"pageToken": {
                "secretRef": {"name": secret(number), "key": page},
                "appRef": {"name": "acme", "namespace": env.platform},
            }},
            "endpoint": {"direct": {}},
        },
    }))?;
    env.channels(&env.tenant_a).create(&PostParams::default(), &channel).await?;
    Ok(())
}

/// Waits for this, for longer than for one channel. So many metrics are not checked all the time.
async fn for_all(what: &str, mut poll: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    wait_for(what, PATIENCE * 10, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        poll().await
    })
    .await
}

/// The seconds since then. On a slow machine a minute of the test may be longer: its clock also runs on its own.
fn since(env: &Env, begin: Timestamp) -> usize {
    usize::try_from(env.now().duration_since(begin).as_secs()).unwrap_or_default()
}

/// Twice the pages that are due in so many seconds on average: by chance they are never more.
fn bound(seconds: usize) -> usize {
    2 * COUNT * seconds / PERIOD
}

/// The requests that this many visits take at most: for each batch one for the pages and two for the evidence, where the
/// last batch of a round is not full; and what the app's own check takes.
fn requests(visits: usize, seconds: usize) -> usize {
    3 * (visits / TOGETHER + seconds / ROUND + 1) + 5
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_channels_are_asked_about_evenly_and_over_restarts_no_more_than_once_a_period() -> Result<()> {
    let env = Env::seeded(add_crowd).await?;
    let mut operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    try_join_all((0..COUNT).step_by(TOKENS).map(|first| put_tokens(&env, first))).await?;
    stream::iter((0..COUNT).map(Ok)).try_for_each_concurrent(AT_ONCE, |number| put_channel(&env, number)).await?;
    for_all("every channel to be connected", async || {
        let text = operator.metrics.text();
        let connected = text.lines().filter(|line| line.contains("connection=\"Connected\"")).count();
        ensure!(connected == COUNT, "{connected} of {COUNT}");
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let before = versions(&env).await?;
    env.sandbox.clear_ledger();
    let (mut begin, mut reads, mut asked) = (env.now(), Vec::new(), 0);
    let first = begin;
    for minute in 0..MINUTES {
        if RESTARTS.contains(&minute) {
            // Each passes over everything, and asks nothing.
            operator.stop().await;
            operator = env.operator();
            for_all("a pass over each channel", async || {
                let passes = operator.passes("FacebookChannel");
                ensure!(passes >= COUNT as u64, "{passes} passes");
                Ok(())
            })
            .await?;
        }
        advance_and_sweep(&env, &operator, 1).await?;
        let seconds = since(&env, begin);
        begin = env.now();
        let (operations, alone): (Vec<_>, Vec<_>) =
            env.sandbox.ledger().into_iter().partition(|entry| entry.batch.is_some());
        let pages = operations.iter().filter(|it| it.template.as_deref() == Some("/{version}/{page-id}"));
        let pages: Vec<_> = pages.filter_map(|it| it.node.clone()).collect();
        ensure!(pages.len() <= bound(seconds), "{} pages in {seconds} s", pages.len());
        let most = requests(pages.len(), seconds);
        ensure!(alone.len() <= most, "{} requests, not {most}, for {} pages: {alone:?}", alone.len(), pages.len());
        asked += alone.len();
        reads.extend(pages);
        env.sandbox.clear_ledger();
    }
    let seconds = since(&env, first);
    println!("{} pages in {seconds} s with {asked} requests", reads.len());
    let different: BTreeSet<_> = reads.iter().collect();
    assert_eq!(different.len(), COUNT, "every page was checked");
    let most = COUNT * seconds / PERIOD + COUNT / 10;
    assert!(reads.len() <= most, "{} reads, not {most}, in {seconds} s", reads.len());
    assert_eq!(versions(&env).await?, before);
    Ok(())
}
