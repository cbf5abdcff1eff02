//! Channels that a grant authorizes: waiting for it, cut off when the page leaves it, and waiting again when it ends.

use anyhow::{Result, ensure};
use kube::ResourceExt;
use meta_channel_operator::api::Connection;
use testkit::sandbox::{PageChange, PersonChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::*;
use crate::support::observe::*;
use crate::support::subscriptions::methods;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_before_a_grant_works_is_named_and_waited_for() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let _operator = env.operator();
    let [shop, _] = channels(&env);
    env.apply(&shop).await?;
    let waiting =
        |reason: &str| [format!("Ready=False/{reason}"), "Reconciling=True".to_owned(), "!Stalled".to_owned()];
    let is = async |reason: &str| {
        let expected = waiting(reason);
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        env.channel_is(&env.tenant_a, "shop", &expected).await
    };
    is("GrantNotFound").await?;
    env.apply(&grant_manifest(&env)).await?;
    is("AppNotFound").await?;
    let [app, seed, _] = secrets(&env);
    env.apply(&[env.app_manifest(), app].join("---\n")).await?;
    let channel = is("GrantNotReady").await?;
    let status = channel.status.unwrap();
    let message = sentence(&status.conditions).unwrap();
    assert!(message.contains("SecretUnavailable") && message.contains("acme-grant"), "{message}");
    env.apply(&seed).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_leaves_the_grant_is_cut_off_and_comes_back_without_a_touch() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    published(&env).await?;
    let record = env.record(&env.tenant_a);
    regrant(&env, &[PAGE_B])?;
    look_at_grant(&env, "once").await?;
    let cut = [
        "Ready=False/NotInGrant",
        "Authorized=False/NotInGrant",
        "Disconnected=True/NotInGrant",
        "Expired=False",
        "Connected=False",
        "Claimed=True",
        "Stalled=True",
    ];
    let shop = env.channel_is(&env.tenant_a, "shop", &cut).await?;
    assert_eq!(shop.status.unwrap().published_secret_name, None);
    withdrawn(&env).await?;
    warned(&env, &env.tenant_a, &["acme-grant GrantShrunk", "shop NotInGrant"]).await?;
    let notes = notes(&env, &env.tenant_a, "GrantShrunk", |_| true).await?;
    assert!(notes.iter().all(|note| note.contains(PAGE_A) && !note.contains(PAGE_B)), "{notes:?}");
    quiet(&operator).await?;
    assert_eq!(made_about(&env, "user").len(), 1, "one debug_token for all channels of the grant");
    assert_eq!(env.requests("GET", DEBUG_TOKEN).len(), 1);
    assert_eq!(env.writes(), []);

    regrant(&env, &[PAGE_A, PAGE_B])?;
    look_at_grant(&env, "twice").await?;
    both_are(&env, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    published(&env).await?;
    quiet(&operator).await?;
    for version in record.versions().into_iter().filter(|it| it.name_any() == "support") {
        let status = version.status.unwrap();
        assert_eq!((status.connection, status.conditions[0].status.as_str()), (Connection::Connected, "True"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_role_is_found_in_the_listing_and_wakes_the_channel_of_that_page_alone() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let (passes, support) = (operator.passes("FacebookChannel"), version(&env, "support").await?);
    change_tasks(&env, PAGE_A, "[ANALYZE]")?;
    look_at_grant(&env, "once").await?;
    quiet(&operator).await?;
    assert_eq!(operator.passes("FacebookChannel"), passes, "one list is no lost role");
    env.advance(1);
    let lost = ["Ready=False/RoleLost", "Disconnected=True/RoleLost", "Expired=False", "Claimed=True"];
    let shop = env.channel_is(&env.tenant_a, "shop", &lost).await?;
    assert!(sentence(&shop.status.unwrap().conditions).unwrap().contains("MESSAGING and MODERATE"));
    quiet(&operator).await?;
    // What it finds may come to it in two parts.
    let woken = operator.passes("FacebookChannel") - passes;
    assert!((1..=2).contains(&woken), "{woken} passes");
    assert_eq!(version(&env, "support").await?, support);
    change_tasks(&env, PAGE_A, "[MESSAGING, MODERATE]")?;
    look_at_grant(&env, "twice").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_given_back_is_found_within_two_hours_by_one_look_of_the_grant() -> Result<()> {
    // None at all, and too few: the list has the page without a token, or lacks it; or says so itself.
    for tasks in ["[]", "[ANALYZE]"] {
        let env = Env::seeded(person_manages_pages).await?;
        let operator = env.operator();
        connected(&env, &operator).await?;
        change_tasks(&env, PAGE_A, tasks)?;
        change_tasks(&env, PAGE_B, tasks)?;
        look_at_grant(&env, "once").await?;
        for _ in 0..3 {
            quiet(&operator).await?;
            env.advance(2);
        }
        both_are(&env, &["Ready=False", "Connected=False", "Stalled=True"]).await?;
        quiet(&operator).await?;
        env.sandbox.clear_ledger();
        // As long as it is not given back, one look each two hours finds that out for all, and nothing is written.
        let before = versions(&env).await?;
        for _ in 0..24 {
            advance_and_sweep(&env, &operator, 15).await?;
        }
        let lists = env.requests("GET", ACCOUNTS).len();
        assert!((3..=4).contains(&lists), "{tasks}: {lists} lists in six hours");
        assert_eq!(versions(&env).await?, before, "{tasks}");

        change_tasks(&env, PAGE_A, "[MESSAGING, MODERATE]")?;
        change_tasks(&env, PAGE_B, "[MESSAGING, MODERATE]")?;
        for _ in 0..8 {
            advance_and_sweep(&env, &operator, 15).await?;
        }
        both_are(&env, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
        // Then there is nothing to be asked of the grant before its own slot.
        quiet(&operator).await?;
        env.sandbox.clear_ledger();
        for _ in 0..10 {
            advance_and_sweep(&env, &operator, 15).await?;
        }
        assert_eq!(env.requests("GET", ACCOUNTS).len(), 0, "{tasks}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_its_token_for_a_lost_role_gets_another_one_within_two_hours() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    // The list does not know of it; the page refuses whatever token it gave.
    let error = "{graph_error: {code: 190, subcode: 492, message: x}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{page: {PAGE_A}}}, do: {error}}}")));
    advance_and_sweep(&env, &operator, 16).await?;
    advance_and_sweep(&env, &operator, 2).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/RoleLost", "Stalled=True"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True", "Connected=True"]).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    for _ in 0..24 {
        advance_and_sweep(&env, &operator, 15).await?;
    }
    let (lists, probes) = (env.requests("GET", ACCOUNTS).len(), methods(&env, "/{version}/{page-id}", PAGE_A).len());
    assert!((3..=4).contains(&lists) && probes <= 8, "{lists} lists, {probes} probes in six hours");
    env.sandbox.clear_faults();
    for _ in 0..8 {
        advance_and_sweep(&env, &operator, 15).await?;
    }
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    Ok(())
}

fn change_tasks(env: &Env, page: &str, tasks: &str) -> Result<()> {
    let tasks = serde_yaml_ng::from_str(&format!("{PERSON}: {tasks}"))?;
    env.sandbox.change_page(page, PageChange { tasks, ..PageChange::default() })?;
    Ok(())
}

async fn version(env: &Env, name: &str) -> Result<Option<String>> {
    Ok(env.channels(&env.tenant_a).get(name).await?.resource_version())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_is_told_once_and_its_channels_wait_without_a_probe() -> Result<()> {
    let env = Env::seeded(|seed| {
        person_manages_pages(seed);
        let another = "{alias: later, token: EAAtest-later-000000000000000000, kind: user, app: 1111000011110000, user: 6600000000000002, scopes: [pages_show_list, pages_manage_metadata, pages_messaging], expires_at: +59d, issued_at: -1h}";
        seed.tokens.push(serde_yaml_ng::from_str(another).unwrap());
        seed.people.push(serde_yaml_ng::from_str("{id: 6600000000000002, name: Billie Second}").unwrap());
        for page in &mut seed.pages {
            page.tasks = serde_yaml_ng::from_str(
                "{6600000000000001: [MODERATE, MESSAGING], 6600000000000002: [MODERATE, MESSAGING]}",
            )
            .unwrap();
        }
    })
    .await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let record = env.record(&env.tenant_a);
    let change = PersonChange { password_changed: true, ..PersonChange::default() };
    env.sandbox.change_person(PERSON, change)?;
    // It is found when the pages are checked in their slots: nobody asks the grant.
    advance_and_sweep(&env, &operator, 16).await?;
    let waiting = [
        "Ready=False/GrantNotReady",
        "Authorized=False/GrantNotReady",
        "Expired=True/PasswordChanged",
        "Reconciling=True",
        "!Stalled",
    ];
    both_are(&env, &waiting).await?;
    let grant = grant_is(&env, &["Ready=False/PasswordChanged", "Valid=False", "Stalled=True"]).await?;
    let told = sentence(&grant.status.unwrap().conditions).unwrap().to_owned();
    let shop = env.channels(&env.tenant_a).get("shop").await?;
    let status = shop.status.unwrap();
    assert!(sentence(&status.conditions).unwrap().contains("PasswordChanged"), "{told}");
    assert_eq!(status.connection, Connection::Expired);
    warned(&env, &env.tenant_a, &["acme-grant PasswordChanged"]).await?;
    published(&env).await?;
    for version in record.versions() {
        let status = version.status.unwrap();
        let authorized = status.conditions.iter().find(|it| it.type_ == "Authorized").unwrap();
        let blamed = authorized.status == "False" && authorized.reason != "GrantNotReady";
        assert!(!blamed, "the channel is not blamed: {authorized:?}");
        assert_ne!(status.connection, Connection::Disconnected);
    }

    // The channels do not probe while the grant does not work.
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    for _ in 0..3 {
        advance_and_sweep(&env, &operator, 50).await?;
    }
    let about_pages =
        env.sandbox.ledger().into_iter().filter(|it| it.node.is_some() && it.template.as_deref() != Some(ACCOUNTS));
    let about_pages: Vec<_> =
        about_pages.filter(|it| [PAGE_A, PAGE_B].contains(&it.node.as_deref().unwrap_or_default())).collect();
    assert_eq!(about_pages, []);
    warned(&env, &env.tenant_a, &["acme-grant PasswordChanged"]).await?;

    // A new seed heals everything without a touch.
    let seed = secret_manifest(&env.tenant_a, "acme-grant", "grant-token", "token", "EAAtest-later-000000000000000000");
    env.apply(&seed).await?;
    both_are(&env, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    let shop = env.channels(&env.tenant_a).get("shop").await?;
    assert_eq!(shop.status.unwrap().authorization.unwrap().grantor_id.as_deref(), Some("6600000000000002"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_the_token_it_is_given_has_the_grant_look_before_it_is_to_blame() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let before = versions(&env).await?;
    let refuse = |times: &str| {
        let error = "{graph_error: {code: 190, subcode: 460, message: x}}";
        env.sandbox.add_fault(fault(&format!("{{match: {{page: {PAGE_A}}}, {times}do: {error}}}")));
    };
    // Once: the grant looks, finds nothing wrong with it, and neither does the page then.
    refuse("times: 2, ");
    advance_and_sweep(&env, &operator, 16).await?;
    assert_eq!(made_about(&env, "user").len(), 1);
    assert_eq!(env.requests("GET", ACCOUNTS).len(), 1);
    advance_and_sweep(&env, &operator, 2).await?;
    assert_eq!(versions(&env).await?, before);
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);

    // Again and again, whatever the grant says: then it is about this page, and the other one has nothing to do with it.
    refuse("");
    advance_and_sweep(&env, &operator, 16).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    advance_and_sweep(&env, &operator, 2).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/PasswordChanged", "Expired=True"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True", "Connected=True"]).await?;
    grant_is(&env, &["Ready=True"]).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    for _ in 0..12 {
        advance_and_sweep(&env, &operator, 120).await?;
    }
    let probes =
        env.requests("GET", "/{version}/{page-id}").into_iter().filter(|it| it.node.as_deref() == Some(PAGE_A));
    let probes = probes.count();
    assert!((1..=13).contains(&probes), "{probes} probes in a day");
    env.sandbox.clear_faults();
    advance_and_sweep(&env, &operator, 125).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_doubted_while_nobody_bears_witness_is_not_known_and_heals_by_itself() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    let doubt = format!("{{match: {{page: {PAGE_A}}}, do: {{graph_error: {{code: 190, message: x}}}}}}");
    env.sandbox.add_fault(fault(&doubt));
    env.sandbox
        .add_fault(fault(&format!("{{match: {{template: '{DEBUG_TOKEN}'}}, do: {{status: {{code: 500, body: x}}}}}}")));
    advance_and_sweep(&env, &operator, 16).await?;
    let unknown = ["Ready=Unknown/GraphUnavailable", "Connected=Unknown", "Authorized=Unknown", "Reconciling=True"];
    env.channel_is(&env.tenant_a, "shop", &unknown).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True", "Connected=True"]).await?;
    env.sandbox.clear_faults();
    env.advance(6);
    both_are(&env, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_asks_about_the_grant_and_about_no_page() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    operator.stop().await;
    let before = versions(&env).await?;
    let secret = published(&env).await?.resource_version();
    let operator = env.operator();
    awake(&operator).await?;
    grant_is(&env, &["Ready=True"]).await?;
    wait_for("the listing", PATIENCE, async || {
        ensure!(env.sandbox.ledger().iter().any(|it| it.template.as_deref() == Some(ACCOUNTS)));
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let about_pages = |env: &Env| {
        let ledger = env.sandbox.ledger().into_iter();
        ledger.filter(|it| [PAGE_A, PAGE_B].contains(&it.node.as_deref().unwrap_or_default())).count()
    };
    assert_eq!(about_pages(&env), 0);
    assert_eq!(versions(&env).await?, before);
    // The ring goes on with tokens from memory, and reads no Secret for it; that with the published token is looked into once.
    let reads = operator.gauge("secret_reads_total");
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    assert!(about_pages(&env) >= 4, "{}", about_pages(&env));
    assert_eq!(versions(&env).await?, before);
    assert_eq!(operator.gauge("secret_reads_total"), reads + 1.0);
    assert_eq!(published(&env).await?.resource_version(), secret);
    Ok(())
}
