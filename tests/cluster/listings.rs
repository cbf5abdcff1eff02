//! What the list of a grant's pages says once, says oddly or leaves out: nothing of it disturbs a channel before it is certain.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::*;
use crate::support::observe::*;

const WELL: &[&str] = &["Ready=True/ReconcileSucceeded", "Connected=True", "Authorized=True/TokenValid"];

/// Has the grant look, and waits until its pages were listed and everything that follows is done.
async fn listed(env: &Env, operator: &Running, at: &str) -> Result<()> {
    let before = env.requests("GET", ACCOUNTS).len();
    look_at_grant(env, at).await?;
    wait_for("the list", PATIENCE, async || {
        ensure!(env.requests("GET", ACCOUNTS).len() > before);
        Ok(())
    })
    .await?;
    quiet(operator).await
}

/// Versions of everything about the channels, and of the published token.
async fn all(env: &Env) -> Result<(Vec<(String, Option<String>)>, Option<String>)> {
    Ok((versions(env).await?, published(env).await?.resource_version()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_for_an_hour_disturbs_no_channel_while_the_pages_give_their_tokens() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let before = all(&env).await?;
    env.sandbox.preset("listing-empty", &[("person", PERSON)])?;
    for minute in 0..6 {
        listed(&env, &operator, &minute.to_string()).await?;
        env.advance(10);
        quiet(&operator).await?;
    }
    let grant = grant_is(&env, &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"]).await?;
    let used = grant.status.unwrap().pages.into_iter().filter(|page| page.in_use).map(|page| page.id);
    assert_eq!(used.collect::<Vec<_>>(), [PAGE_A, PAGE_B]);
    both_are(&env, WELL).await?;
    assert_eq!(all(&env).await?, before);
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);

    // After a restart nothing is remembered, and one list confirms nothing.
    operator.stop().await;
    let operator = env.operator();
    awake(&operator).await?;
    listed(&env, &operator, "restarted").await?;
    assert_eq!(all(&env).await?, before);
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_list_leaves_out_or_spells_otherwise_disturbs_no_channel() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let before = all(&env).await?;
    let presets: [(&str, &[(&str, &str)]); 14] = [
        ("listing-empty-once", &[]),
        ("listing-row-missing", &[("page", PAGE_A)]),
        ("listing-row-without-tasks", &[]),
        ("listing-row-tasks-null", &[]),
        ("listing-row-tasks-profile-plus", &[]),
        ("listing-row-full-control", &[]),
        ("listing-fails-while-paging", &[]),
        ("listing-too-much-data", &[]),
        ("listing-data-access-over-once", &[]),
        ("listing-paging-null", &[]),
        ("listing-cursors-null", &[]),
        ("listing-next-with-offset", &[]),
        ("debug-token-without-type", &[]),
        ("debug-token-type-null", &[]),
    ];
    for (name, parameters) in presets {
        let applied = env.sandbox.preset(name, parameters)?;
        listed(&env, &operator, name).await?;
        advance_and_pass(&env, &operator, 2, "MetaGrant", 0).await?;
        grant_is(&env, &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"]).await?;
        both_are(&env, WELL).await?;
        assert_eq!(all(&env).await?, before, "{name}");
        assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0], "{name}");
        env.sandbox.take_back(&applied)?;
        listed(&env, &operator, &format!("{name} is over")).await?;
    }
    let status = grants(&env).get("acme-grant").await?.status.unwrap();
    assert_eq!((status.page_count, status.token_type.as_deref()), (Some(3), Some("USER")));
    Ok(())
}

/// What becomes of a channel whose page is missing something: nothing at first, and this a minute later.
async fn lost_after_a_minute(env: &Env, operator: &Running, reason: &str) -> Result<()> {
    let before = all(env).await?;
    listed(env, operator, "missing").await?;
    assert_eq!(all(env).await?, before, "one list changes nothing");
    assert_eq!(warnings(env, &env.tenant_a).await?, [""; 0]);
    grant_is(env, &["Ready=True/ReconcileSucceeded"]).await?;
    env.advance(1);
    let (ready, cut) = (format!("Ready=False/{reason}"), format!("Disconnected=True/{reason}"));
    env.channel_is(&env.tenant_a, "shop", &[&ready, &cut, "Expired=False", "Claimed=True"]).await?;
    env.channel_is(&env.tenant_a, "support", WELL).await?;
    Ok(())
}

/// What the page node leaves out of its answer.
fn page_gives_no_token(env: &Env) {
    let edit = "{edit: {remove: [access_token]}}";
    let matched = format!("{{page: {PAGE_A}, template: '/{{version}}/{{page-id}}'}}");
    env.sandbox.add_fault(fault(&format!("{{match: {matched}, do: {edit}}}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_a_token_in_list_and_answer_is_cut_off_a_minute_later_and_comes_back() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    env.sandbox.preset("listing-row-missing", &[("page", PAGE_A)])?;
    page_gives_no_token(&env);
    lost_after_a_minute(&env, &operator, "NotInGrant").await?;
    withdrawn(&env).await?;
    warned(&env, &env.tenant_a, &["acme-grant GrantShrunk", "shop NotInGrant"]).await?;
    env.sandbox.clear_faults();
    listed(&env, &operator, "back").await?;
    both_are(&env, WELL).await?;
    published(&env).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_the_token_names_and_nobody_gives_a_token_for_is_reached_through_a_business() -> Result<()> {
    let env = Env::seeded(|seed| {
        person_manages_pages(seed);
        token_names_pages(seed);
    })
    .await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    env.sandbox.preset("listing-row-missing", &[("page", PAGE_A)])?;
    page_gives_no_token(&env);
    lost_after_a_minute(&env, &operator, "BusinessManagementMissing").await
}

/// Lets the person's token name these pages.
fn token_names_pages(seed: &mut Seed) {
    let scopes = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];
    let rows = scopes.map(|scope| format!("{{scope: {scope}, target_ids: [{PAGE_A}, {PAGE_B}, {PAGE_C}]}}"));
    let token = seed.tokens.iter_mut().find(|token| token.alias.as_deref() == Some("user")).unwrap();
    token.granular_scopes = serde_yaml_ng::from_str(&format!("[{}]", rows.join(", "))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_the_token_names_and_that_were_never_listed_are_ready_when_they_give_their_tokens() -> Result<()> {
    let env = Env::seeded(|seed| {
        person_manages_pages(seed);
        token_names_pages(seed);
    })
    .await?;
    env.sandbox.preset("listing-empty", &[("person", PERSON)])?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    both_are(&env, WELL).await?;
    grant_is(&env, &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"]).await?;
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    Ok(())
}

/// How often the faults in force were met.
fn met(env: &Env) -> u64 {
    env.sandbox.faults().iter().map(|fault| fault.matched).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_parts_is_read_to_its_end_whatever_is_refused_on_the_way() -> Result<()> {
    let offset = format!(
        "{{match: {{template: '{ACCOUNTS}', parameter: offset}}, times: 1, do: {{graph_error: {{code: 100, message: '(#100) Invalid parameter'}}}}}}"
    );
    let rows: [(&str, Option<&str>, u64); 3] = [
        // The second part is refused once, and is asked for again after the first.
        ("listing-fails-while-paging", None, 2),
        ("listing-next-with-offset", Some(&offset), 2),
        // 100, 50 and 25 rows are too many.
        ("listing-too-much-data", None, 3),
    ];
    for (name, more, times) in rows {
        let env = Env::seeded(|seed| {
            person_manages_pages(seed);
            let crowd = format!(
                "{{pages: 120, first_page: 4400000000000001, app: {APP_ID}, user: {PERSON}, scopes: [pages_show_list]}}"
            );
            seed.crowd = Some(serde_yaml_ng::from_str(&crowd).unwrap());
        })
        .await?;
        env.sandbox.preset(name, &[])?;
        more.map(|yaml| env.sandbox.add_fault(fault(yaml)));
        let operator = env.operator();
        connected(&env, &operator).await?;
        let status = grant_is(&env, &["Ready=True/ReconcileSucceeded"]).await?.status.unwrap();
        assert_eq!((status.page_count, status.pages_truncated), (Some(123), true), "{name}");
        assert_eq!(met(&env) % times, 0, "{name}");
        assert!(met(&env) >= times, "{name}");
        operator.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_page_that_never_answers_the_list_is_not_read_again_and_again() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let before = all(&env).await?;
    env.sandbox.preset("listing-row-missing", &[("page", PAGE_A)])?;
    let matched = format!("{{page: {PAGE_A}, template: '/{{version}}/{{page-id}}', field: access_token}}");
    let down = "{graph_error: {code: 1, status: 500, message: An unknown error occurred}}";
    let node = env.sandbox.add_fault(fault(&format!("{{match: {matched}, do: {down}}}")));
    let asked = || env.sandbox.faults().into_iter().find(|it| it.id == node).map_or(0, |it| it.matched);
    listed(&env, &operator, "missing").await?;
    for _ in 0..12 {
        advance_and_pass(&env, &operator, 1, "MetaGrant", 0).await?;
    }
    advance_and_pass(&env, &operator, 6, "MetaGrant", 1).await?;
    let (lists, nodes) = (env.requests("GET", ACCOUNTS).len(), asked());
    for _ in 0..4 {
        advance_and_pass(&env, &operator, 6, "MetaGrant", 1).await?;
    }
    assert_eq!((env.requests("GET", ACCOUNTS).len(), asked()), (lists, nodes + 4));
    assert_eq!(all(&env).await?, before);
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_are_gone_twice_are_a_lost_role() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    env.sandbox.preset("listing-row-tasks-empty", &[("page", PAGE_A)])?;
    lost_after_a_minute(&env, &operator, "RoleLost").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_refused_for_good_ends_the_grant_once_it_was_refused_twice() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let before = all(&env).await?;
    let matched = format!("{{template: '{ACCOUNTS}'}}");
    let refuse = |error: &str| {
        let error = format!("{{graph_error: {error}}}");
        env.sandbox.add_fault(fault(&format!("{{match: {matched}, do: {error}}}")));
    };
    refuse("{code: 10, message: '(#10) This endpoint requires another permission'}");
    listed(&env, &operator, "first").await?;
    for _ in 0..3 {
        advance_and_pass(&env, &operator, 6, "MetaGrant", 1).await?;
    }
    assert_eq!(all(&env).await?, before, "what says nothing of the token ends nothing");
    env.sandbox.clear_faults();
    listed(&env, &operator, "well").await?;

    refuse(
        "{code: 190, subcode: 493, message: 'The access token is invalid since the user hasn''t engaged the app in longer than 90 days.'}",
    );
    listed(&env, &operator, "second").await?;
    assert_eq!(all(&env).await?, before);
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    env.advance(1);
    let ended =
        grant_is(&env, &["Ready=False/DataAccessExpired", "Valid=False", "Expired=True", "Stalled=True"]).await?;
    let message = ended.status.unwrap().conditions.into_iter().find(|it| it.type_ == "Valid").unwrap().message;
    assert!(message.contains("90 days"), "Meta's words are told: {message}");
    warned(&env, &env.tenant_a, &["acme-grant DataAccessExpired"]).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    assert!(secrets.get_opt(PUBLISHED).await?.is_some(), "it is told on the grant, and costs its channels nothing yet");
    Ok(())
}
