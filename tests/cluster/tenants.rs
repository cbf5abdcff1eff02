//! Who may use a MetaApp of another namespace, and what those learn of it that may not.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::observe::*;

const TEAM: &str = "allowedNamespaces: {from: Selector, selector: {matchLabels: {team: shop}}}";

async fn put_app(world: &World, allowed: &str) -> Result<()> {
    world.put_secret(&world.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    world.apply(&world.app_manifest().replace("allowedNamespaces: {from: All}", allowed)).await?;
    world.app_is(&["Ready=True"]).await?;
    Ok(())
}

async fn label(world: &World, namespace: &str, label: &str) -> Result<()> {
    world.kubectl().run(&["label", "--overwrite", "namespace", namespace, label]).await?;
    Ok(())
}

/// A grant without a token, so that nothing but its application can be judged.
fn grant(world: &World, name: &str, app: &str) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  appRef: {{name: {app}, namespace: {}}}\n  tokenSecretRef: {{name: not-there}}\n",
        world.tenant_a, world.platform
    )
}

async fn grant_is(world: &World, name: &str, expected: &[&str]) -> Result<MetaGrant> {
    let grants: Api<MetaGrant> = Api::namespaced(world.client.clone(), &world.tenant_a);
    wait_for(&format!("grant {name} to be {expected:?}"), PATIENCE, async || {
        let grant = grants.get(name).await?;
        missing(&grant.status.as_ref().context("no status")?.conditions, expected)?;
        Ok(grant)
    })
    .await
}

/// All that a status says but times, with the name of one MetaApp for that of the other.
fn told(conditions: &[Condition], step: Option<&String>, app: &str) -> Vec<String> {
    let one = |it: &Condition| format!("{} {} {} {}", it.type_, it.status, it.reason, it.message);
    let all = conditions.iter().map(one).chain(step.cloned());
    all.map(|text| text.replace(&format!("/{app} "), "/APP ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_there_and_one_that_may_not_be_used_look_the_same() -> Result<()> {
    let world = World::new().await?;
    let _operator = world.operator();
    for allowed in ["allowedNamespaces: {from: Same}", TEAM] {
        put_app(&world, allowed).await?;
        world.put_channel(&world.tenant_a, "real", PAGE_A, TOKEN_A).await?;
        world.put_token(&world.tenant_a, "guess", TOKEN_B).await?;
        let guess = world.channel_manifest(&world.tenant_a, "guess", PAGE_B).replace("name: acme,", "name: nothing,");
        world.apply(&[guess, grant(&world, "real", "acme"), grant(&world, "guess", "nothing")].join("---\n")).await?;
        let mut seen = Vec::new();
        for (name, app) in [("real", "acme"), ("guess", "nothing")] {
            let unknown = ["Ready=False/AppNotFound", "Reconciling=True", "!Stalled"];
            let status = world.channel_is(&world.tenant_a, name, &unknown).await?.status.unwrap();
            let of_channel = told(&status.conditions, status.next_step.as_ref(), app);
            assert!(of_channel.iter().any(|text| text.contains("may use") && text.contains("APP")), "{of_channel:?}");
            let status = grant_is(&world, name, &unknown).await?.status.unwrap();
            seen.push((of_channel, told(&status.conditions, status.next_step.as_ref(), app)));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(warnings(&world, &world.tenant_a).await?, [""; 0], "nor does an Event tell");
    }
    assert_eq!(made_about(&world, "page-a"), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_namespace_open_an_app_and_close_it() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    put_app(&world, TEAM).await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    world.apply(&grant(&world, "people", "acme")).await?;
    let closed = ["Ready=False/AppNotFound", "Reconciling=True", "!Stalled"];
    world.channel_is(&world.tenant_a, "shop", &closed).await?;
    world.channel_is(&world.tenant_b, "support", &closed).await?;
    grant_is(&world, "people", &closed).await?;
    assert_eq!(made_about(&world, "page-a"), []);
    quiet(&operator).await?;
    let before = versions(&world).await?;

    label(&world, &world.tenant_a, "team=shop").await?;
    world.advance(2);
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    grant_is(&world, "people", &["Ready=False/SecretUnavailable"]).await?;
    quiet(&operator).await?;
    let support = |all: Vec<(String, Option<String>)>| all.into_iter().find(|(name, _)| name == "support");
    assert_eq!(support(versions(&world).await?), support(before), "the other namespace is where it was");

    label(&world, &world.tenant_a, "team-").await?;
    world.advance(2);
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/AppNotFound", "Claimed=True", "!Stalled"]).await?;
    grant_is(&world, "people", &closed).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_selects_nothing_in_particular_is_refused_by_the_schema() -> Result<()> {
    let world = World::new().await?;
    for (allowed, why) in [
        ("{from: Selector}", "selector is required if from is Selector"),
        ("{from: All, selector: {}}", "must be absent otherwise"),
        ("{selector: {matchLabels: {a: b}}}", "must be absent otherwise"),
        ("{from: Selector, selector: {matchExpressions: [{key: a, operator: In}]}}", "values are required for In"),
        (
            "{from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
            "values are required for In and NotIn, and must be absent otherwise",
        ),
        (
            "{from: Selector, selector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}}",
            "Unsupported value",
        ),
    ] {
        let app = world.app_manifest().replace("{from: All}", allowed);
        let error = world.apply(&app).await.unwrap_err().to_string();
        assert!(error.contains(why), "{allowed}: {error}");
    }
    world.apply(&world.app_manifest().replace("{from: All}", "{from: Selector, selector: {}}")).await
}

/// An account with these rights in the platform's namespace and that of one tenant, and with none in the other's.
async fn account(world: &World) -> Result<kube::Client> {
    let mut yaml = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: partial, namespace: {}}}\n---\n{}",
        world.inbox,
        role(world, &world.claims)
    );
    for namespace in [&world.platform, &world.tenant_a, &world.inbox] {
        yaml += &format!("---\n{}", role(world, namespace));
    }
    world.apply(&yaml).await?;
    world.client_of(&world.inbox, "partial").await
}

/// Everything in a namespace that the operator needs, but reading the Namespace itself.
fn role(world: &World, namespace: &str) -> String {
    rights(
        world,
        namespace,
        "partial",
        "['', metachannels.io, events.k8s.io]",
        "[secrets, configmaps, events, metaapps, metagrants, facebookchannels, assetclaims, metaapps/status, metagrants/status, facebookchannels/status, assetclaims/status]",
    )
}

fn rights(world: &World, namespace: &str, name: &str, groups: &str, resources: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}, namespace: {namespace}}}\nrules:\n  - {{apiGroups: {groups}, resources: {resources}, verbs: [get, list, watch, create, update, patch, delete]}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\nsubjects: [{{kind: ServiceAccount, name: partial, namespace: {}}}]\n",
        world.inbox
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_not_be_listed_keeps_no_other_waiting_and_begins_when_it_may() -> Result<()> {
    let world = World::new().await?;
    let client = account(&world).await?;
    put_nothing_but_objects(&world).await?;
    let operator = world.operator_with(|operator| operator.client = client);
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    let refused = format!("namespaces_refused{{namespace=\"{}\",reason=\"Forbidden\"}}", world.tenant_b);
    wait_for("the refusal", PATIENCE, async || {
        ensure!(operator.gauge(&refused) == 1.0 && operator.gauge("namespaces_refused{") == 1.0);
        Ok(())
    })
    .await?;
    let support = world.channels(&world.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1));

    world.apply(&role(&world, &world.tenant_b)).await?;
    world.channel_is(&world.tenant_b, "support", &["Ready=True"]).await?;
    assert_eq!(operator.gauge("namespaces_refused{"), 0.0);
    Ok(())
}

async fn put_nothing_but_objects(world: &World) -> Result<()> {
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.put_channel(&world.tenant_b, "support", PAGE_B, TOKEN_B).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_labels_stay_as_they_were_known_and_never_known_is_no_refusal() -> Result<()> {
    let world = World::new().await?;
    let client = account(&world).await?;
    label(&world, &world.tenant_a, "team=shop").await?;
    let operator = world.operator_with(|operator| operator.client = client.clone());
    put_app(&world, TEAM).await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let unknown = ["Ready=Unknown/NamespaceUnverified", "Connected=Unknown", "Reconciling=True", "!Stalled"];
    world.channel_is(&world.tenant_a, "shop", &unknown).await?;
    assert_eq!(made_about(&world, "page-a"), []);

    // A Role in the namespace itself is enough to read it.
    world.apply(&rights(&world, &world.tenant_a, "labels", "['']", "[namespaces]")).await?;
    let namespaces: Api<Namespace> = Api::all(client);
    let readable = async |expected: bool| {
        wait_for("the right to read the namespace", PATIENCE, async || {
            ensure!(namespaces.get(&world.tenant_a).await.is_ok() == expected);
            Ok(())
        })
        .await
    };
    readable(true).await?;
    quiet(&operator).await?;
    world.advance(2);
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;

    world.kubectl().run(&["--namespace", &world.tenant_a, "delete", "rolebinding", "labels"]).await?;
    readable(false).await?;
    label(&world, &world.tenant_a, "team-").await?;
    quiet(&operator).await?;
    world.advance(5);
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("a look", PATIENCE, async || {
        ensure!(!made_with(&world, "page-a").is_empty());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    Ok(())
}
