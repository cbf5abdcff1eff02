//! Meta is slow, throttled or ambiguous, or rejects the application: no answer is not an answer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use meta_channel_operator::operator::Operator;
use serde_json::json;
use testkit::sandbox::AppChange;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::add_system_user;
use crate::support::observe::*;
use crate::support::schedule::settled;

/// Everything that Meta may do instead of answering, but for the limit of a whole app.
const EFFECTS: [&str; 8] = [
    "hang",
    "reset",
    "html",
    "truncated",
    "{status: {code: 500, body: oops}}",
    "{graph_error: {code: 2, is_transient: true, echo_token: true}}",
    "{graph_error: {code: 32, echo_token: true}}",
    "{graph_error: {code: 424242, echo_token: true}}",
];

/// Calls of a visit to a channel, by their templates.
const CALLS: [&str; 2] = ["/{version}/{page-id}", PAGE_ROWS];

/// A client that waits so long for an answer.
fn waiting(env: &Env, operator: &Operator, timeout: Duration) -> GraphClient {
    let options = GraphOptions { timeout, ..GraphOptions::new(&env.sandbox.url()).unwrap() };
    GraphClient::new(options, Arc::new(operator.metrics.clone())).unwrap()
}

fn break_everything(env: &Env) {
    for (number, effect) in EFFECTS.iter().enumerate() {
        for (level, template) in CALLS.iter().enumerate() {
            let page = page(number + level * EFFECTS.len());
            env.sandbox.add_fault(fault(&format!("{{match: {{page: {page}, template: '{template}'}}, do: {effect}}}")));
        }
    }
}

async fn all_struck(env: &Env, times: u64) -> Result<()> {
    wait_for("every fault to strike", PATIENCE, async || {
        for active in env.sandbox.faults() {
            ensure!(active.matched >= times, "{active:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_changes_nothing_until_it_is_too_old_and_recovers_by_itself() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, EFFECTS.len() * CALLS.len())).await?;
    let operator = env.operator_with(|operator| {
        operator.concurrency = 32;
        // Each call that hangs is waited for, several times over.
        operator.graph = waiting(&env, operator, Duration::from_secs(4));
    });
    let names = connect_pages(&env, EFFECTS.len() * CALLS.len()).await?;
    let before = versions(&env).await?;
    let record = env.record(&env.tenant_a);

    // A slot without an answer: not one status is written, though each look was tried.
    break_everything(&env);
    advance_and_pass(&env, &operator, 16, "FacebookChannel", names.len() as u64).await?;
    all_struck(&env, 1).await?;
    assert_eq!(versions(&env).await?, before);

    // A change meanwhile is not taken for verified, and nothing is taken for broken.
    let changed = [0, EFFECTS.len(), 6, 7];
    for number in changed {
        let patch = "{\"spec\":{\"subscribedFields\":[\"messages\"]}}";
        let name = &names[number].0;
        env.kubectl().run(&["-n", &env.tenant_a, "patch", "fbc", name, "--type=merge", "-p", patch]).await?;
        let expected = ["Ready=Unknown/Pending", "Reconciling=True", "!Stalled", "Connected=True", "Authorized=True"];
        env.channel_is(&env.tenant_a, name, &expected).await?;
    }

    // Past the limit it is not known any more; by no means is it False.
    env.advance(70);
    for (name, _) in &names {
        let expected = ["Ready=Unknown", "Connected=Unknown", "Expired=Unknown", "Disconnected=Unknown"];
        let channel = env.channel_is(&env.tenant_a, name, &[&expected[..], &["Reconciling=True"]].concat()).await?;
        let ready = &channel.status.unwrap().conditions[0];
        let open = ["GraphUnavailable", "RateLimited", "UnrecognizedError"];
        assert!(open.contains(&ready.reason.as_str()), "{name}: {ready:?}");
    }
    for version in record.versions() {
        let status = version.status.clone().unwrap_or_default();
        for condition in status.conditions.iter().filter(|it| it.status == "False") {
            let normal = ["Expired", "Disconnected"].contains(&condition.type_.as_str());
            assert!(normal, "{} {}", version.name_any(), condition.type_);
        }
        // Some of the faults echo the token.
        assert!(!serde_json::to_string(&version)?.contains("EAA"), "{} shows a token", version.name_any());
    }

    // It comes back without anybody: those who were throttled after some minutes, and what was not understood in its slot.
    env.sandbox.clear_faults();
    advance_and_sweep(&env, &operator, 16).await?;
    for (name, _) in &names {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded", "Connected=True", "!Reconciling"])
            .await?;
    }
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    warned(&env, &env.platform, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_looked_at_once_an_hour_survives_a_look_without_an_answer() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    // The slot of the app is an hour wide, so this ends in it whenever it began.
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    let before = versions(&env).await?;
    for template in ["/{version}/{app-id}", APP_ROWS] {
        env.sandbox.add_fault(fault(&format!("{{match: {{template: '{template}'}}, times: 1, do: html}}")));
    }
    advance_and_pass(&env, &operator, 61, "MetaApp", 3).await?;
    all_struck(&env, 1).await?;
    assert_eq!(versions(&env).await?, before);
    Ok(())
}

/// Conditions of the MetaApp and of the grant, with the times of their transitions.
async fn conditions(env: &Env) -> Result<[serde_json::Value; 2]> {
    let app = env.app_is(&["Ready=True/ReconcileSucceeded"]).await?.status.unwrap_or_default().conditions;
    let grant = env.grant_is(&["Ready=True/ReconcileSucceeded"]).await?.status.unwrap_or_default().conditions;
    Ok([json!(app), json!(grant)])
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_meta_does_instead_of_answering_about_an_app_or_a_grant_turns_nothing() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = env.operator_with(|operator| {
        operator.policy.token_period = Duration::from_secs(60 * 60);
        operator.graph = waiting(&env, operator, Duration::from_secs(2));
    });
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    let before = conditions(&env).await?;
    let transient = "{graph_error: {code: 4, is_transient: true, echo_token: true}}";
    for effect in EFFECTS.iter().chain(&[transient]) {
        // One at a time: what is heard of one call may keep the others from being made.
        for template in ["/{version}/{app-id}", APP_ROWS, "/{version}/debug_token"] {
            env.sandbox.add_fault(fault(&format!("{{match: {{template: '{template}'}}, do: {effect}}}")));
            quiet(&operator).await?;
            env.advance(61);
            all_struck(&env, 1).await.with_context(|| effect.to_string())?;
            quiet(&operator).await?;
            assert_eq!(conditions(&env).await?, before, "{effect} of {template}");
            env.sandbox.clear_faults();
            advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
        }
    }
    assert_eq!(conditions(&env).await?, before);
    warned(&env, &env.platform, &[""; 0]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_leaves_broken_channels_as_they_were_and_tells_nothing_twice() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    let namespace = &env.tenant_b;
    let other_app = "EAAsandbox-other-app-page-b-00000000";
    env.put_channels(namespace, &[("mixed-up", PAGE_B, other_app), ("outlet", PAGE_C, TOKEN_C)]).await?;
    env.channel_is(namespace, "outlet", &["Ready=False/PasswordChanged", "Stalled=True"]).await?;
    env.channel_is(namespace, "mixed-up", &["Ready=False/WrongApp", "Stalled=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    settled(&env, &operator).await?;
    let before = versions(&env).await?;
    env.sandbox.add_fault(fault("{match: {template: '/{version}/debug_token'}, do: {status: {code: 500}}}"));
    advance_and_pass(&env, &operator, 125, "FacebookChannel", 4).await?;
    assert_eq!(versions(&env).await?, before);
    env.sandbox.clear_faults();
    advance_and_pass(&env, &operator, 10, "FacebookChannel", 2).await?;
    assert_eq!(versions(&env).await?, before);
    warned(&env, namespace, &["mixed-up WrongApp", "outlet PasswordChanged"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_taken_for_neither_good_nor_bad_before_meta_answers() -> Result<()> {
    let tokens = [page_token("new-a", PAGE_A, ""), page_token("new-c", PAGE_C, "")];
    let env = Env::seeded(|seed| seed.tokens.extend(tokens)).await?;
    let _operator = env.operator();
    env.put_app().await?;
    let namespace = &env.tenant_a;
    env.put_channels(namespace, &[("shop", PAGE_A, TOKEN_A), ("outlet", PAGE_C, TOKEN_C)]).await?;
    env.channel_is(namespace, "shop", &["Ready=True"]).await?;
    env.channel_is(namespace, "outlet", &["Ready=False/PasswordChanged"]).await?;
    env.sandbox.add_fault(fault("{match: {template: '/{version}/debug_token'}, do: html}"));
    env.put_token(namespace, "shop", &text("new-a")).await?;
    env.put_token(namespace, "outlet", &text("new-c")).await?;
    let unknown = ["Ready=Unknown/GraphUnavailable", "Authorized=Unknown", "Connected=Unknown", "Expired=Unknown"];
    for name in ["shop", "outlet"] {
        env.channel_is(namespace, name, &[&unknown[..], &["Reconciling=True", "!Stalled"]].concat()).await?;
    }
    // The token that was known comes back: what was known of it is not known any more, but nothing is made up.
    env.put_token(namespace, "shop", TOKEN_A).await?;
    env.channel_is(namespace, "shop", &unknown).await?;
    env.sandbox.clear_faults();
    env.advance(6);
    for name in ["shop", "outlet"] {
        env.channel_is(namespace, name, &["Ready=True", "Connected=True", "Expired=False"]).await?;
    }
    warned(&env, namespace, &["outlet PasswordChanged"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_hang_an_object_that_cannot_be_decoded_and_a_broken_app_delay_no_new_channel() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 10)).await?;
    // Who waited for a page that hangs would wait for longer than this test does.
    let operator = env.operator_with(|operator| {
        operator.graph = waiting(&env, operator, PATIENCE * 4);
    });
    env.put_app().await?;
    let names: Vec<_> = (0..4).map(|number| format!("old-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        env.put_channel(&env.tenant_a, name, &page(number), &text(&format!("page-{number}"))).await?;
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    // A time that the schema allows and no clock of ours can hold.
    let misfit = json!({ "status": { "lastVerifiedAt": "9999-12-31T23:59:59Z" } });
    env.channels(&env.tenant_a).patch_status("old-3", &PatchParams::default(), &Patch::Merge(&misfit)).await.ok();
    let broken = env.app_manifest().replace("name: acme,", "name: broken,").replace("acme-app", "broken-app");
    env.put_secret(&env.platform, "broken-app", "app-secret", "app-secret", "not-the-secret-of-this-app-000000")
        .await?;
    env.apply(&broken.replace("webhook: {}", "audience: Testers")).await?;
    for number in 4..8 {
        let manifest = env.channel_manifest(&env.tenant_b, &format!("lame-{number}"), &page(number));
        env.put_token(&env.tenant_b, &format!("lame-{number}"), &text(&format!("page-{number}"))).await?;
        env.apply(&manifest.replace("name: acme,", "name: broken,")).await?;
    }
    quiet(&operator).await?;
    for (number, name) in names.iter().enumerate().take(3) {
        env.sandbox.add_fault(fault(&format!("{{match: {{page: {}}}, do: hang}}", page(number))));
        env.request_look(&env.tenant_a, name, "now").await?;
    }
    all_struck(&env, 1).await?;
    // The secret of that app is wrong, which counts once Meta has said it twice.
    env.advance(1);
    env.put_channel(&env.tenant_a, "new", &page(8), &text("page-8")).await?;
    env.channel_is(&env.tenant_a, "new", &["Ready=True"]).await?;
    assert!(operator.gauge("reconciles_active") >= 3.0, "the others still wait for an answer");
    env.channel_is(&env.tenant_b, "lame-7", &["Ready=False/AppNotReady"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_app_secret_is_told_once_on_the_app_and_a_new_one_heals_everything() -> Result<()> {
    const NEW: &str = "sandbox-app-secret-1111111111111111";
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.sandbox.change_app(APP_ID, AppChange { secret: Some(NEW.into()), ..AppChange::default() })?;
    env.sandbox.clear_ledger();
    advance_and_sweep(&env, &operator, 16).await?;
    // Once is not enough: nothing changed, and nobody was told.
    env.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
    warned(&env, &env.platform, &[""; 0]).await?;
    env.advance(1);
    let app = env.app_is(&["Ready=False", "CredentialsValid=False", "Stalled=True"]).await?;
    let status = app.status.unwrap();
    let rejected = &status.conditions.iter().find(|it| it.type_ == "CredentialsValid").unwrap().message;
    assert!(status.next_step.unwrap().contains("acme-app"), "{rejected}");
    // Meta's words stand on the app alone.
    let (rejected, _) = rejected.split_once(" Meta said: ").unwrap();
    let not_ready = ["Ready=False/AppNotReady", "Reconciling=True", "!Stalled", "Expired=Unknown", "Claimed=True"];
    for name in ["shop", "support"] {
        let quotes = async || {
            let channel = env.channel_is(&env.tenant_a, name, &not_ready).await?;
            let message = sentence(&channel.status.unwrap().conditions).unwrap().to_owned();
            ensure!(message.contains(rejected), "{message} does not quote {rejected}");
            Ok(())
        };
        wait_for("the channel to quote the app", PATIENCE, quotes).await?;
    }
    // Nothing is asked about the pages from then on.
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    for _ in 0..4 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    assert!(env.sandbox.ledger().iter().all(|it| it.template.as_deref() == Some("/{version}/{app-id}")));

    let secret = format!("{{\"stringData\":{{\"app-secret\":\"{NEW}\",\"previous-app-secret\":\"{APP_SECRET}\"}}}}");
    let patch = ["-n", &env.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &secret];
    env.kubectl().run(&patch).await?;
    env.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    let told = warnings(&env, &env.platform).await?;
    assert!(told.len() == 1 && told[0].starts_with("acme "), "{told:?}");
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_that_outlasts_two_days_is_told_once_more_also_over_a_restart() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.sandbox.add_fault(fault(&format!("{{match: {{page: {PAGE_A}}}, do: {{graph_error: {{code: 368}}}}}}")));
    advance_and_sweep(&env, &operator, 16).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/Restricted", "Stalled=True", "Expired=False"]).await?;
    warned(&env, &env.tenant_a, &["shop Restricted"]).await?;
    advance_and_sweep(&env, &operator, 47 * 60).await?;
    operator.stop().await;
    let operator = env.operator();
    // Looked at in one of the slots of what is broken, the first after the two days.
    for _ in 0..4 {
        advance_and_sweep(&env, &operator, 61).await?;
    }
    let told = ["shop Restricted", "shop RestrictionOutlastedGrace"];
    warned(&env, &env.tenant_a, &told).await?;
    let channel = env.channel_is(&env.tenant_a, "shop", &["Ready=False/Restricted"]).await?;
    assert!(channel.status.unwrap().next_step.unwrap().contains("Meta's support"));
    advance_and_sweep(&env, &operator, 48 * 60).await?;
    warned(&env, &env.tenant_a, &told).await?;
    env.sandbox.clear_faults();
    advance_and_sweep(&env, &operator, 121).await?;
    let channel = env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Stalled"]).await?;
    assert_eq!(channel.status.unwrap().restricted_since, None);
    Ok(())
}
