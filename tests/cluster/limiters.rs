//! The operator holds itself back: from fights over what it wrote, and from asking Meta after every edit.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::conditions::sentence;
use meta_channel_operator::api::{ClaimState, FacebookChannel};
use serde_json::json;
use testkit::sandbox::AppSubscriptionChange;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::*;

/// Looks at a page, each of which reads the page itself.
fn looks_at(env: &Env, page: &str) -> usize {
    methods(env, "/{version}/{page-id}", page).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_repaired_is_read_again_after_one_five_and_ten_minutes() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let fields = Some(vec!["messages".to_owned()]);
    change_app(&env, AppSubscriptionChange { fields, ..AppSubscriptionChange::default() })?;
    repaired(&env, &operator, 61, APP_ROWS, 1).await?;
    for (reads, minutes) in [1, 4, 5].into_iter().enumerate() {
        env.advance(minutes);
        // The slot of the app may lie between them.
        wait_for(&format!("read {} after the repair", reads + 1), PATIENCE, async || {
            let made = methods(&env, APP_ROWS, APP_ID);
            ensure!(made.len() > 3 + reads, "{made:?}");
            Ok(())
        })
        .await?;
    }
    assert_eq!(env.writes().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_rewritten_again_and_again_is_left_alone_after_three_repairs() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let rewrite = || {
        let callback_url = Some(format!("{FOREIGN}?key=hidden"));
        change_app(&env, AppSubscriptionChange { callback_url, ..AppSubscriptionChange::default() })
    };
    rewrite()?;
    // Found in its slot, and again a minute after each repair.
    for (minutes, count) in [(61, 1), (1, 2), (1, 3)] {
        repaired(&env, &operator, minutes, APP_ROWS, count).await?;
        rewrite()?;
    }
    env.advance(1);
    let app = env.app_is(&["Ready=False/RepairFight", "WebhookSubscribed=False/RepairFight", "Stalled=True"]).await?;
    let message = sentence(&app.status.as_ref().context("no status")?.conditions).unwrap();
    assert!(message.contains(FOREIGN) && !message.contains("hidden"), "{message}");
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotReady", "Reconciling=True", "!Stalled"]).await?;
    for _ in 0..3 {
        advance_and_pass(&env, &operator, 125, "MetaApp", 1).await?;
    }
    let repairs = |operator: &Running| {
        ["restored", "given_up"].map(|it| operator.gauge(&format!("repairs_total{{kind=\"MetaApp\",result=\"{it}\"")))
    };
    assert_eq!(repairs(&operator), [3.0, 1.0]);
    // A restart forgets nothing of it.
    operator.stop().await;
    let operator = env.operator();
    for _ in 0..2 {
        advance_and_pass(&env, &operator, 125, "MetaApp", 1).await?;
    }
    assert_eq!(repairs(&operator), [0.0, 0.0]);
    env.app_is(&["Ready=False/RepairFight"]).await?;
    assert_eq!(env.writes().len(), 3);
    warned(&env, &env.platform, &["acme RepairFight"]).await?;
    let told = told(&env, &env.platform, "Normal").await?;
    assert_eq!(told.iter().filter(|told| *told == "acme Repaired").count(), 3, "{told:?}");

    env.apply(&env.app_manifest_with("webhook: {fields: [messages, standby]}")).await?;
    env.app_is(&["Ready=True", "WebhookSubscribed=True", "!Stalled"]).await?;
    assert_eq!(env.requests("POST", APP_ROWS).len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_row_that_is_taken_away_again_and_again_is_left_alone_until_a_person_asks() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let taken = || change_row(&env, PAGE_A, APP_ID, Some(&["messages".to_owned()]));
    taken()?;
    let disconnected =
        ["Ready=False/RepairFight", "Subscribed=False/RepairFight", "Disconnected=True/RepairFight", "Stalled=True"];
    for (minutes, count) in [(16, 1), (1, 2), (1, 3)] {
        repaired(&env, &operator, minutes, PAGE_ROWS, count).await?;
        taken()?;
    }
    env.advance(1);
    let channel = env.channel_is(&env.tenant_a, "shop", &disconnected).await?;
    assert!(sentence(&channel.status.context("no status")?.conditions).unwrap().contains("Found: messages."));
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    operator.stop().await;
    let operator = env.operator();
    for _ in 0..3 {
        advance_and_pass(&env, &operator, 125, "FacebookChannel", 2).await?;
    }
    env.channel_is(&env.tenant_a, "shop", &disconnected).await?;
    assert_eq!(env.writes().len(), 3);
    warned(&env, &env.tenant_a, &["shop RepairFight"]).await?;

    env.request_look(&env.tenant_a, "shop", "now").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Stalled"]).await?;
    assert_eq!(env.writes().len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_beyond_a_burst_wait_for_their_look_and_the_last_one_wins() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator_with(|operator| {
        // No look but those that the edits cause.
        operator.policy.channel_period = Duration::from_secs(24 * 60 * 60);
        operator.policy.broken_period = operator.policy.channel_period;
    });
    connected(&env).await?;
    env.advance(10);
    let looks = || looks_at(&env, PAGE_A);
    let before = looks();
    for number in 0..10 {
        let fields = if number % 2 == 0 { json!(["messages"]) } else { json!(["messages", "standby"]) };
        let patch = json!({ "spec": { "subscribedFields": fields } });
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        // The status follows at once.
        let expected =
            if number < 5 { ["Ready=True", "!Reconciling"] } else { ["Ready=Unknown/Pending", "Reconciling=True"] };
        env.channel_is(&env.tenant_a, "shop", &expected).await?;
    }
    let burst = looks() - before;
    // A pass that finds its claim changed meanwhile begins again, and so checks again because of the same edit.
    assert!((5..=7).contains(&burst), "{burst} looks");
    env.channel_is(&env.tenant_a, "shop", &["Connected=True", "Subscribed=True", "!Stalled"]).await?;
    // Only the last edit needs the second field.
    change_row(&env, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
    env.advance(1);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Reconciling"]).await?;
    assert_eq!(row(&env, PAGE_A), ["messages", "standby"]);
    let last = looks() - before - burst;
    assert!((1..=2).contains(&last), "{last} looks");
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

/// The last time that a channel's message names, to the second.
fn time_of(channel: &FacebookChannel) -> Result<Timestamp> {
    let conditions = &channel.status.as_ref().context("no status")?.conditions;
    let message = sentence(conditions).context("no message")?;
    let words = message.split([' ', '.', ';', ',']).rev();
    words.filter_map(|word| word.parse().ok()).next().with_context(|| format!("no time in {message}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_beyond_a_burst_says_until_when_it_is_not_looked_at_and_nothing_is_rewritten_till_then() -> Result<()>
{
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.advance(10);
    quiet(&operator).await?;
    let edit = async |number: usize| -> Result<()> {
        let fields = if number.is_multiple_of(2) { json!(["messages"]) } else { json!(["messages", "standby"]) };
        let patch = json!({ "spec": { "subscribedFields": fields } });
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    };
    for number in 0..5 {
        edit(number).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Reconciling"]).await?;
    }
    edit(5).await?;
    let waiting = env.channel_is(&env.tenant_a, "shop", &["Ready=Unknown/Pending", "Reconciling=True"]).await?;
    let message = &waiting.status.as_ref().context("no status")?.conditions[0].message;
    assert!(message.contains("changed many times"), "{message}");
    let until = time_of(&waiting)?;
    let seconds = until.duration_since(env.now()).as_secs();
    assert!((-5..=60).contains(&seconds), "{message}, it is {}", env.now());
    // Whoever asks again meanwhile changes neither.
    for number in 0..3 {
        env.request_look(&env.tenant_a, "shop", &format!("request {number}")).await?;
        quiet(&operator).await?;
    }
    let still = env.channels(&env.tenant_a).get("shop").await?;
    if env.now() < until {
        assert_eq!(still.status, waiting.status);
    }
    env.advance(2);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Reconciling"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_silence_says_since_when_and_is_not_rewritten_till_its_end() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let limit = format!("{{match: {{template: '{DEBUG_TOKEN}'}}, times: 1, do: {{graph_error: {{code: 4}}}}}}");
    env.sandbox.add_fault(fault(&limit));
    let begun = env.now();
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let waiting = env.channel_is(&env.tenant_a, "shop", &["Ready=Unknown/RateLimited", "Reconciling=True"]).await?;
    let since = time_of(&waiting)?;
    assert!((0..=100).contains(&since.duration_since(begun).as_secs()), "{since} after {begun}");
    // Another one that comes meanwhile is told the same, and neither is rewritten.
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    let other = env.channel_is(&env.tenant_a, "support", &["Ready=Unknown/RateLimited"]).await?;
    assert_eq!(time_of(&other)?, since);
    // Within a minute the app says that there is silence.
    advance_and_sweep(&env, &operator, 1).await?;
    let before = versions(&env).await?;
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 1).await?;
    }
    assert_eq!(versions(&env).await?, before);
    env.advance(10);
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True", "!Reconciling"]).await?;
    }
    Ok(())
}

/// Waits until a page was checked this many times.
async fn looked_at(env: &Env, page: &str, times: usize) -> Result<()> {
    wait_for(&format!("{times} looks at {page}"), PATIENCE, async || {
        let looks = looks_at(env, page);
        ensure!(looks == times, "{looks} looks");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_silences_the_page_or_the_whole_app_until_it_is_over() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator_with(|operator| {
        operator.policy.channel_period = Duration::from_secs(24 * 60 * 60);
        operator.policy.app_period = operator.policy.channel_period;
    });
    connected(&env).await?;
    let look = async |name: &str, at: &str| -> Result<()> {
        let passes = operator.passes("FacebookChannel");
        env.request_look(&env.tenant_a, name, at).await?;
        wait_for("the pass", PATIENCE, async || {
            ensure!(operator.passes("FacebookChannel") > passes);
            Ok(())
        })
        .await
    };
    for (code, others) in [(32, 1), (4, 0)] {
        env.sandbox.clear_ledger();
        let limit = format!(
            "{{match: {{page: {PAGE_A}, template: '{PAGE_ROWS}'}}, times: 1, do: {{graph_error: {{code: {code}}}}}}}"
        );
        env.sandbox.add_fault(fault(&limit));
        look("shop", &format!("{code}-1")).await?;
        looked_at(&env, PAGE_A, 1).await?;
        quiet(&operator).await?;
        look("shop", &format!("{code}-2")).await?;
        look("support", &format!("{code}-1")).await?;
        quiet(&operator).await?;
        assert_eq!((looks_at(&env, PAGE_A), looks_at(&env, PAGE_B)), (1, others), "code {code}");
        for name in ["shop", "support"] {
            env.channel_is(&env.tenant_a, name, &["Ready=True", "Connected=True", "!Reconciling"]).await?;
        }
        // It ends on its own.
        env.advance(8);
        looked_at(&env, PAGE_A, 2).await?;
        looked_at(&env, PAGE_B, 1).await?;
        env.sandbox.clear_faults();
        env.advance(10);
    }
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out_with_one_call_at_a_time() -> Result<()> {
    const CHANNELS: usize = 30;
    let env = Env::seeded(|seed| add_pages(seed, CHANNELS + 2)).await?;
    let operator = env.operator();
    env.put_app().await?;
    let names: Vec<_> = (0..CHANNELS).map(|number| format!("channel-{number}")).collect();
    let pages: Vec<_> = (0..CHANNELS).map(page).collect();
    let tokens: Vec<_> = (0..CHANNELS).map(|number| text(&format!("page-{number}"))).collect();
    let channels = (0..CHANNELS).map(|it| (names[it].as_str(), pages[it].as_str(), tokens[it].as_str()));
    env.put_channels(&env.tenant_a, &channels.collect::<Vec<_>>()).await?;
    for name in &names {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.put_channel(&env.tenant_b, "gone", &page(CHANNELS), &text(&format!("page-{CHANNELS}"))).await?;
    env.channel_is(&env.tenant_b, "gone", &["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    env.sandbox.add_fault(fault("{match: {}, do: html}"));
    let unreachable = async |count: u64| {
        wait_for(&format!("{count} unreachable apps"), PATIENCE, async || {
            ensure!(operator.metrics.text().contains(&format!("unreachable_apps {count}\n")));
            Ok(())
        })
        .await
    };
    // A round of the sweep is a request or two, and opens nothing.
    advance_and_sweep(&env, &operator, 16).await?;
    unreachable(0).await?;
    for name in &names {
        env.request_look(&env.tenant_a, name, "once").await?;
    }
    unreachable(1).await?;
    // What a deleted channel leaves waits as well.
    env.channels(&env.tenant_b).delete("gone", &Default::default()).await?;
    let claim_is = async |expected: ClaimState| {
        wait_for(&format!("the claim to be {expected:?}"), PATIENCE, async || {
            let state = env.claims().get(&format!("facebook-page-{}", page(CHANNELS))).await?.state();
            ensure!(state == expected, "{state:?}");
            Ok(())
        })
        .await
    };
    claim_is(ClaimState::CleanupPending).await?;
    // Who comes meanwhile is told since when Meta has not answered.
    let late = CHANNELS + 1;
    env.put_channel(&env.tenant_b, "late", &page(late), &text(&format!("page-{late}"))).await?;
    let waiting = env.channel_is(&env.tenant_b, "late", &["Ready=Unknown/GraphUnavailable"]).await?;
    assert!(time_of(&waiting)? <= env.now() + SignedDuration::from_secs(1));
    // The channels' slots come and go, and the app alone is asked about.
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    let before = versions(&env).await?;
    for _ in 0..8 {
        advance_and_sweep(&env, &operator, 2).await?;
    }
    let asked = env.sandbox.ledger();
    let of_app = asked.iter().filter(|it| it.template.as_deref() == Some("/{version}/{app-id}")).count();
    assert!(of_app > 0 && of_app == asked.len(), "{of_app} of {}", asked.len());
    assert_eq!(versions(&env).await?, before);

    env.sandbox.clear_faults();
    env.sandbox.clear_ledger();
    env.advance(8);
    unreachable(0).await?;
    for _ in 0..8 {
        advance_and_sweep(&env, &operator, 2).await?;
    }
    wait_for("a look at each channel", PATIENCE, async || {
        let looks = pages.iter().filter(|page| looks_at(&env, page) > 0).count();
        ensure!(looks == CHANNELS, "{looks} looks");
        Ok(())
    })
    .await?;
    for name in &names {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.channel_is(&env.tenant_b, "late", &["Ready=True"]).await?;
    claim_is(ClaimState::Tombstone).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}
