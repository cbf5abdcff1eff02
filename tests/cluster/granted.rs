//! Channels that a grant authorises: connected from one `kubectl apply` in any order, cut off when the page leaves the grant,
//! and waiting when the grant ends.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::{Connection, MetaGrant};
use serde_json::json;
use testkit::sandbox::{PageChange, PersonChange, Seed};
use testkit::wait_for;

use crate::props::*;
use crate::world::*;

const PERSON: &str = "6600000000000001";
/// The person's own token, good for 58 days.
const USER_TOKEN: &str = "EAAsandbox-user-00000000000000000000";
const DEBUG_TOKEN: &str = "/{version}/debug_token";
const ACCOUNTS: &str = "/{version}/{user-id}/accounts";
const PUBLISHED: &str = "facebookchannel-shop-page-token";

/// Lets the person manage all three pages, and gives page C a token of its own.
fn person_manages_pages(seed: &mut Seed) {
    for page in &mut seed.pages {
        page.tasks = serde_yaml_ng::from_str(&format!("{PERSON}: [MODERATE, MESSAGING, MANAGE]")).unwrap();
    }
    seed.tokens.push(page_token("outlet", PAGE_C, ""));
}

fn secret_manifest(namespace: &str, name: &str, purpose: &str, key: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{metachannels.io/purpose: {purpose}}}}}\nstringData: {{{key}: {value}}}\n"
    )
}

fn grant_manifest(world: &World) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme-grant, namespace: {}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n",
        world.tenant_a, world.platform
    )
}

/// The channels of the pages A and B by the grant, A with its token published.
fn channels(world: &World) -> [String; 2] {
    let granted = |name, page| world.granted_manifest(&world.tenant_a, name, page, "acme-grant");
    [format!("{}  publishToken: true\n", granted("shop", PAGE_A)), granted("support", PAGE_B)]
}

fn secrets(world: &World) -> [String; 3] {
    [
        secret_manifest(&world.platform, "acme-app", "app-secret", "app-secret", APP_SECRET),
        secret_manifest(&world.tenant_a, "acme-grant", "grant-token", "token", USER_TOKEN),
        secret_manifest(&world.tenant_a, "outlet-token", "page-token", "token", &text("outlet")),
    ]
}

/// What a repository declares: an app, a grant, two channels by it, one with a token of its own, and the Secrets.
fn repository(world: &World) -> Vec<String> {
    let outlet = world.channel_manifest(&world.tenant_a, "outlet", PAGE_C);
    let [shop, support] = channels(world);
    let mut all = vec![world.app_manifest(), grant_manifest(world), shop, support, outlet];
    all.extend(secrets(world));
    all
}

fn grants(world: &World) -> Api<MetaGrant> {
    Api::namespaced(world.client.clone(), &world.tenant_a)
}

async fn grant_is(world: &World, expected: &[&str]) -> Result<MetaGrant> {
    wait_for(&format!("the grant to be {expected:?}"), PATIENCE, async || {
        let grant = grants(world).get("acme-grant").await?;
        let status = grant.status.as_ref().context("no status")?;
        let shown = shown(&status.conditions);
        ensure!(
            expected.iter().all(|it| shown.iter().any(|had| had == it || had.split('/').next() == Some(it))),
            "{shown:?}"
        );
        Ok(grant)
    })
    .await
}

/// Has the grant look now, as a person would.
async fn look_at_grant(world: &World, at: &str) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": at } } });
    grants(world).patch("acme-grant", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

async fn published(world: &World) -> Result<Secret> {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    wait_for("the published token", PATIENCE, async || Ok(secrets.get(PUBLISHED).await?)).await
}

async fn withdrawn(world: &World) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    wait_for("the published token to go", PATIENCE, async || {
        ensure!(secrets.get_opt(PUBLISHED).await?.is_none());
        Ok(())
    })
    .await
}

async fn both_are(world: &World, expected: &[&str]) -> Result<()> {
    for name in ["shop", "support"] {
        world.channel_is(&world.tenant_a, name, expected).await?;
    }
    Ok(())
}

/// The channels of pages A and B, connected by the grant; the ledger is empty.
async fn connected(world: &World, operator: &Running) -> Result<()> {
    let mut all = vec![world.app_manifest(), grant_manifest(world)];
    all.extend(channels(world));
    all.extend(secrets(world));
    world.apply(&all.join("---\n")).await?;
    both_are(world, &["Ready=True/Reached", "Connected=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(operator).await?;
    world.sandbox.clear_ledger();
    Ok(())
}

/// Applies the repository in this order, each part after what the one before came to.
async fn connects(parts: impl Fn(&World) -> Vec<Vec<String>>) -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let record = world.record(&world.tenant_a);
    let operator = world.operator();
    for part in parts(&world) {
        quiet(&operator).await?;
        world.apply(&part.join("---\n")).await?;
    }
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
    let wait = ["-n", &world.tenant_a, "wait", "--for=condition=Ready", "fbc", "--all", &timeout];
    world.kubectl().run(&wait).await?;
    let ready = ["Ready=True/Reached", "Connected=True", "Claimed=True", "Authorized=True/TokenValid", "!Stalled"];
    for name in ["shop", "support", "outlet"] {
        world.channel_is(&world.tenant_a, name, &ready).await?;
    }
    grant_is(&world, &["Ready=True/Reached", "Valid=True"]).await?;
    world.app_is(&["Ready=True/Reached"]).await?;
    quiet(&operator).await?;
    for version in record.versions() {
        let conditions = version.status.map(|status| shown(&status.conditions)).unwrap_or_default();
        assert!(!conditions.iter().any(|it| it.starts_with("Stalled")), "{conditions:?}");
    }
    check_ledger(&world);
    check_status(&world).await
}

/// The app's subscription came before any page's, each was written once and read back; the grant cost one question about
/// its token, and the tokens that it gives none.
fn check_ledger(world: &World) {
    let writes = world.writes();
    let templates: Vec<_> = writes.iter().filter_map(|it| it.template.as_deref()).collect();
    assert_eq!(templates, [APP_ROWS, PAGE_ROWS, PAGE_ROWS, PAGE_ROWS]);
    let ledger = world.sandbox.ledger();
    for page in [PAGE_A, PAGE_B, PAGE_C] {
        let of_page = ledger.iter().filter(|it| it.node.as_deref() == Some(page));
        let rows: Vec<_> = of_page.filter(|it| it.template.as_deref() == Some(PAGE_ROWS)).collect();
        let written = rows.iter().position(|it| it.method == "POST").expect("the page was subscribed");
        assert!(rows[written + 1..].iter().any(|it| it.method == "GET"), "{page} was not read back");
    }
    assert_eq!(made_about(world, "user").len(), 1, "one debug_token for the grant");
    assert_eq!(made_about(world, "outlet").len(), 1);
    assert_eq!(world.requests("GET", DEBUG_TOKEN).len(), 2, "none for the tokens that the grant gives");
}

async fn check_status(world: &World) -> Result<()> {
    let channel = world.channels(&world.tenant_a).get("shop").await?;
    let status = channel.status.clone().unwrap();
    let authorization = status.authorization.unwrap();
    assert_eq!(authorization.token_type.as_deref(), Some("PAGE"));
    assert_eq!(authorization.grantor_id.as_deref(), Some(PERSON));
    assert_eq!(status.expires, authorization.expires_at.map(|at| at.to_string()), "the end of the grant");
    assert!(status.expires.is_some() && authorization.scopes.contains(&"pages_messaging".to_owned()));
    let claim = world.claims().get(&format!("facebook-page-{PAGE_A}")).await?;
    assert_eq!(serde_json::to_value(&claim.spec.proof)?["method"], "GrantListing");

    // The published token lies in a Secret of the channel; deleted by hand it comes back.
    let secret = published(world).await?;
    assert_eq!(secret.owner_references()[0].uid, channel.uid().unwrap());
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    secrets.delete(PUBLISHED, &DeleteParams::default()).await?;
    let again = published(world).await?;
    assert_ne!(again.uid(), secret.uid());
    assert_eq!(again.data, secret.data);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_from_one_apply() -> Result<()> {
    connects(|world| vec![repository(world)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_from_one_apply_in_the_reverse_order() -> Result<()> {
    connects(|world| vec![repository(world).into_iter().rev().collect()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_with_its_secrets_last() -> Result<()> {
    connects(|world| {
        let mut all = repository(world);
        let secrets = all.split_off(5);
        vec![all, secrets]
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_with_its_app_and_then_its_grant_last() -> Result<()> {
    connects(|world| {
        let mut all = repository(world);
        let (app, grant) = (all.remove(0), all.remove(0));
        vec![all, vec![app], vec![grant]]
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_before_a_grant_works_is_named_and_waited_for() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let _operator = world.operator();
    let [shop, _] = channels(&world);
    world.apply(&shop).await?;
    let waiting =
        |reason: &str| [format!("Ready=False/{reason}"), "Reconciling=True".to_owned(), "!Stalled".to_owned()];
    let is = async |reason: &str| {
        let expected = waiting(reason);
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        world.channel_is(&world.tenant_a, "shop", &expected).await
    };
    is("GrantNotFound").await?;
    world.apply(&grant_manifest(&world)).await?;
    is("AppNotFound").await?;
    let [app, seed, _] = secrets(&world);
    world.apply(&[world.app_manifest(), app].join("---\n")).await?;
    let channel = is("GrantNotReady").await?;
    let message = &channel.status.unwrap().conditions[0].message;
    assert!(message.contains("SecretNotReleased") && message.contains("acme-grant"), "{message}");
    world.apply(&seed).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/Reached", "Connected=True"]).await?;
    assert_eq!(warnings(&world, &world.tenant_a).await?, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_leaves_the_grant_is_cut_off_and_comes_back_without_a_touch() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    connected(&world, &operator).await?;
    published(&world).await?;
    let record = world.record(&world.tenant_a);
    regrant(&world, &[PAGE_B])?;
    look_at_grant(&world, "once").await?;
    let cut = [
        "Ready=False/NotInGrant",
        "Authorized=False/NotInGrant",
        "Disconnected=True/NotInGrant",
        "Expired=False",
        "Connected=False",
        "Claimed=True",
        "Stalled=True",
    ];
    let shop = world.channel_is(&world.tenant_a, "shop", &cut).await?;
    assert_eq!(shop.status.unwrap().published_secret_name, None);
    withdrawn(&world).await?;
    warned(&world, &world.tenant_a, &["acme-grant GrantShrunk", "shop NotInGrant"]).await?;
    quiet(&operator).await?;
    assert_eq!(made_about(&world, "user").len(), 1, "one debug_token for all channels of the grant");
    assert_eq!(world.requests("GET", DEBUG_TOKEN).len(), 1);
    assert_eq!(world.writes(), []);

    regrant(&world, &[PAGE_A, PAGE_B])?;
    look_at_grant(&world, "twice").await?;
    both_are(&world, &["Ready=True/Reached", "Connected=True"]).await?;
    published(&world).await?;
    quiet(&operator).await?;
    for version in record.versions().into_iter().filter(|it| it.name_any() == "support") {
        let status = version.status.unwrap();
        assert_eq!((status.connection, status.conditions[0].status.as_str()), (Connection::Connected, "True"));
    }
    Ok(())
}

fn regrant(world: &World, pages: &[&str]) -> Result<()> {
    let change = format!("regrant: {{app: {APP_ID}, pages: [{}]}}", pages.join(", "));
    world.sandbox.change_person(PERSON, serde_yaml_ng::from_str(&change)?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_role_is_found_in_the_listing_and_wakes_the_channel_of_that_page_alone() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    connected(&world, &operator).await?;
    let (passes, support) = (operator.passes("FacebookChannel"), version(&world, "support").await?);
    change_tasks(&world, PAGE_A, "[ANALYZE]")?;
    look_at_grant(&world, "once").await?;
    let lost = ["Ready=False/RoleLost", "Disconnected=True/RoleLost", "Expired=False", "Claimed=True"];
    let shop = world.channel_is(&world.tenant_a, "shop", &lost).await?;
    assert!(shop.status.unwrap().conditions[0].message.contains("MESSAGING and MODERATE"));
    quiet(&operator).await?;
    assert_eq!(operator.passes("FacebookChannel"), passes + 1);
    assert_eq!(version(&world, "support").await?, support);
    change_tasks(&world, PAGE_A, "[MESSAGING, MODERATE]")?;
    look_at_grant(&world, "twice").await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/Reached", "Connected=True"]).await?;
    Ok(())
}

fn change_tasks(world: &World, page: &str, tasks: &str) -> Result<()> {
    let tasks = serde_yaml_ng::from_str(&format!("{PERSON}: {tasks}"))?;
    world.sandbox.change_page(page, PageChange { tasks, ..PageChange::default() })?;
    Ok(())
}

async fn version(world: &World, name: &str) -> Result<Option<String>> {
    Ok(world.channels(&world.tenant_a).get(name).await?.resource_version())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_is_told_once_and_its_channels_wait_without_a_probe() -> Result<()> {
    let world = World::seeded(|seed| {
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
    let operator = world.operator();
    connected(&world, &operator).await?;
    let record = world.record(&world.tenant_a);
    let change = PersonChange { password_changed: true, ..PersonChange::default() };
    world.sandbox.change_person(PERSON, change)?;
    // It is found when the pages are looked at in their slots: nobody asks the grant.
    advance_and_sweep(&world, &operator, 16).await?;
    let waiting = ["Ready=False/GrantNotReady", "Authorized=Unknown/GrantNotReady", "Reconciling=True", "!Stalled"];
    both_are(&world, &waiting).await?;
    let grant = grant_is(&world, &["Ready=False/PasswordChanged", "Valid=False", "Stalled=True"]).await?;
    let told = grant.status.unwrap().conditions[0].message.clone();
    let shop = world.channels(&world.tenant_a).get("shop").await?;
    assert!(shop.status.unwrap().conditions[0].message.contains("PasswordChanged"), "{told}");
    warned(&world, &world.tenant_a, &["acme-grant PasswordChanged"]).await?;
    published(&world).await?;
    for version in record.versions() {
        let status = version.status.unwrap();
        let authorized = status.conditions.iter().find(|it| it.type_ == "Authorized").unwrap();
        assert_ne!(authorized.status, "False", "the channel is not blamed: {authorized:?}");
        assert!([Connection::Connected, Connection::Pending].contains(&status.connection));
    }

    // The channels do not probe while the grant does not work.
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    for _ in 0..3 {
        advance_and_sweep(&world, &operator, 50).await?;
    }
    let about_pages =
        world.sandbox.ledger().into_iter().filter(|it| it.node.is_some() && it.template.as_deref() != Some(ACCOUNTS));
    let about_pages: Vec<_> =
        about_pages.filter(|it| [PAGE_A, PAGE_B].contains(&it.node.as_deref().unwrap_or_default())).collect();
    assert_eq!(about_pages, []);
    warned(&world, &world.tenant_a, &["acme-grant PasswordChanged"]).await?;

    // A new seed heals everything without a touch.
    let seed =
        secret_manifest(&world.tenant_a, "acme-grant", "grant-token", "token", "EAAtest-later-000000000000000000");
    world.apply(&seed).await?;
    both_are(&world, &["Ready=True/Reached", "Connected=True"]).await?;
    let shop = world.channels(&world.tenant_a).get("shop").await?;
    assert_eq!(shop.status.unwrap().authorization.unwrap().grantor_id.as_deref(), Some("6600000000000002"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_the_token_it_is_given_has_the_grant_look_before_it_is_to_blame() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    connected(&world, &operator).await?;
    let before = versions(&world).await?;
    let refuse = |times: &str| {
        let error = "{graph_error: {code: 190, subcode: 460, message: x}}";
        world.sandbox.add_fault(fault(&format!("{{match: {{page: {PAGE_A}}}, {times}do: {error}}}")));
    };
    // Once: the grant looks, finds nothing wrong with it, and neither does the page then.
    refuse("times: 2, ");
    advance_and_sweep(&world, &operator, 16).await?;
    assert_eq!(made_about(&world, "user").len(), 1);
    assert_eq!(world.requests("GET", ACCOUNTS).len(), 1);
    advance_and_sweep(&world, &operator, 2).await?;
    assert_eq!(versions(&world).await?, before);
    assert_eq!(warnings(&world, &world.tenant_a).await?, [""; 0]);

    // Again and again, whatever the grant says: then it is about this page, and the other one has nothing to do with it.
    refuse("");
    advance_and_sweep(&world, &operator, 16).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    advance_and_sweep(&world, &operator, 2).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/PasswordChanged", "Expired=True"]).await?;
    world.channel_is(&world.tenant_a, "support", &["Ready=True", "Connected=True"]).await?;
    grant_is(&world, &["Ready=True"]).await?;
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    for _ in 0..12 {
        advance_and_sweep(&world, &operator, 120).await?;
    }
    let probes =
        world.requests("GET", "/{version}/{page-id}").into_iter().filter(|it| it.node.as_deref() == Some(PAGE_A));
    let probes = probes.count();
    assert!((1..=13).contains(&probes), "{probes} probes in a day");
    world.sandbox.clear_faults();
    advance_and_sweep(&world, &operator, 125).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_asks_about_the_grant_and_about_no_page() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    connected(&world, &operator).await?;
    operator.stop().await;
    let before = versions(&world).await?;
    let secret = published(&world).await?.resource_version();
    let operator = world.operator();
    quiet(&operator).await?;
    grant_is(&world, &["Ready=True"]).await?;
    wait_for("the listing", PATIENCE, async || {
        ensure!(world.sandbox.ledger().iter().any(|it| it.template.as_deref() == Some(ACCOUNTS)));
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let about_pages = |world: &World| {
        let ledger = world.sandbox.ledger().into_iter();
        ledger.filter(|it| [PAGE_A, PAGE_B].contains(&it.node.as_deref().unwrap_or_default())).count()
    };
    assert_eq!(about_pages(&world), 0);
    assert_eq!(versions(&world).await?, before);
    // The ring goes on with tokens from memory, and reads no Secret for it.
    let reads = operator.gauge("secret_reads_total");
    for _ in 0..2 {
        advance_and_sweep(&world, &operator, 16).await?;
    }
    assert!(about_pages(&world) >= 4, "{}", about_pages(&world));
    assert_eq!(versions(&world).await?, before);
    assert_eq!(operator.gauge("secret_reads_total"), reads);
    assert_eq!(published(&world).await?.resource_version(), secret);
    Ok(())
}
