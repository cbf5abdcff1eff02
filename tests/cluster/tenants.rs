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

async fn put_app(env: &Env, allowed: &str) -> Result<()> {
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest().replace("allowedNamespaces: {from: All}", allowed)).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

async fn label(env: &Env, namespace: &str, label: &str) -> Result<()> {
    env.kubectl().run(&["label", "--overwrite", "namespace", namespace, label]).await?;
    Ok(())
}

/// A grant without a token, so that nothing but its application can be judged.
fn grant(env: &Env, name: &str, app: &str) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  appRef: {{name: {app}, namespace: {}}}\n  tokenSecretRef: {{name: not-there}}\n",
        env.tenant_a, env.platform
    )
}

async fn grant_is(env: &Env, name: &str, expected: &[&str]) -> Result<MetaGrant> {
    let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
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
    let env = Env::new().await?;
    let _operator = env.operator();
    for allowed in ["allowedNamespaces: {from: Same}", TEAM] {
        put_app(&env, allowed).await?;
        env.put_channel(&env.tenant_a, "real", PAGE_A, TOKEN_A).await?;
        env.put_token(&env.tenant_a, "guess", TOKEN_B).await?;
        let guess = env.channel_manifest(&env.tenant_a, "guess", PAGE_B).replace("name: acme,", "name: nothing,");
        env.apply(&[guess, grant(&env, "real", "acme"), grant(&env, "guess", "nothing")].join("---\n")).await?;
        let mut seen = Vec::new();
        for (name, app) in [("real", "acme"), ("guess", "nothing")] {
            let unknown = ["Ready=False/AppNotFound", "Reconciling=True", "!Stalled"];
            let status = env.channel_is(&env.tenant_a, name, &unknown).await?.status.unwrap();
            let of_channel = told(&status.conditions, status.next_step.as_ref(), app);
            assert!(of_channel.iter().any(|text| text.contains("may use") && text.contains("APP")), "{of_channel:?}");
            let status = grant_is(&env, name, &unknown).await?.status.unwrap();
            seen.push((of_channel, told(&status.conditions, status.next_step.as_ref(), app)));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(warnings(&env, &env.tenant_a).await?, [""; 0], "nor does an Event tell");
    }
    assert_eq!(made_about(&env, "page-a"), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_namespace_open_an_app_and_close_it() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    put_app(&env, TEAM).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.apply(&grant(&env, "people", "acme")).await?;
    let closed = ["Ready=False/AppNotFound", "Reconciling=True", "!Stalled"];
    env.channel_is(&env.tenant_a, "shop", &closed).await?;
    env.channel_is(&env.tenant_b, "support", &closed).await?;
    grant_is(&env, "people", &closed).await?;
    assert_eq!(made_about(&env, "page-a"), []);
    quiet(&operator).await?;
    let before = versions(&env).await?;

    label(&env, &env.tenant_a, "team=shop").await?;
    env.advance(2);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    grant_is(&env, "people", &["Ready=False/SecretUnavailable"]).await?;
    quiet(&operator).await?;
    let support = |all: Vec<(String, Option<String>)>| all.into_iter().find(|(name, _)| name == "support");
    assert_eq!(support(versions(&env).await?), support(before), "the other namespace is where it was");

    label(&env, &env.tenant_a, "team-").await?;
    env.advance(2);
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotFound", "Claimed=True", "!Stalled"]).await?;
    grant_is(&env, "people", &closed).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_selects_nothing_in_particular_is_refused_by_the_schema() -> Result<()> {
    let env = Env::new().await?;
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
        let app = env.app_manifest().replace("{from: All}", allowed);
        let error = env.apply(&app).await.unwrap_err().to_string();
        assert!(error.contains(why), "{allowed}: {error}");
    }
    env.apply(&env.app_manifest().replace("{from: All}", "{from: Selector, selector: {}}")).await
}

/// An account with these rights in the platform's namespace and that of one tenant, and with none in the other's.
async fn account(env: &Env) -> Result<kube::Client> {
    let mut yaml = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: partial, namespace: {}}}\n---\n{}",
        env.inbox,
        role(env, &env.claims)
    );
    for namespace in [&env.platform, &env.tenant_a, &env.inbox] {
        yaml += &format!("---\n{}", role(env, namespace));
    }
    env.apply(&yaml).await?;
    env.client_of(&env.inbox, "partial").await
}

/// Everything in a namespace that the operator needs, but reading the Namespace itself.
fn role(env: &Env, namespace: &str) -> String {
    rights(
        env,
        namespace,
        "partial",
        "['', metachannels.io, events.k8s.io]",
        "[secrets, configmaps, events, metaapps, metagrants, facebookchannels, assetclaims, metaapps/status, metagrants/status, facebookchannels/status, assetclaims/status]",
    )
}

fn rights(env: &Env, namespace: &str, name: &str, groups: &str, resources: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}, namespace: {namespace}}}\nrules:\n  - {{apiGroups: {groups}, resources: {resources}, verbs: [get, list, watch, create, update, patch, delete]}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\nsubjects: [{{kind: ServiceAccount, name: partial, namespace: {}}}]\n",
        env.inbox
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_not_be_listed_keeps_no_other_waiting_and_begins_when_it_may() -> Result<()> {
    let env = Env::new().await?;
    let client = account(&env).await?;
    put_nothing_but_objects(&env).await?;
    let operator = env.operator_with(|operator| operator.client = client);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    let refused = format!("namespaces_refused{{namespace=\"{}\",reason=\"Forbidden\"}}", env.tenant_b);
    wait_for("the refusal", PATIENCE, async || {
        ensure!(operator.gauge(&refused) == 1.0 && operator.gauge("namespaces_refused{") == 1.0);
        Ok(())
    })
    .await?;
    let support = env.channels(&env.tenant_b).get("support").await?;
    assert_eq!(support.status.map(|status| status.observed_generation), Some(-1));

    env.apply(&role(&env, &env.tenant_b)).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    assert_eq!(operator.gauge("namespaces_refused{"), 0.0);
    Ok(())
}

async fn put_nothing_but_objects(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_labels_stay_as_they_were_known_and_never_known_is_no_refusal() -> Result<()> {
    let env = Env::new().await?;
    let client = account(&env).await?;
    label(&env, &env.tenant_a, "team=shop").await?;
    let operator = env.operator_with(|operator| operator.client = client.clone());
    put_app(&env, TEAM).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let unknown = ["Ready=Unknown/NamespaceUnverified", "Connected=Unknown", "Reconciling=True", "!Stalled"];
    env.channel_is(&env.tenant_a, "shop", &unknown).await?;
    assert_eq!(made_about(&env, "page-a"), []);

    // A Role in the namespace itself is enough to read it.
    env.apply(&rights(&env, &env.tenant_a, "labels", "['']", "[namespaces]")).await?;
    let namespaces: Api<Namespace> = Api::all(client);
    let readable = async |expected: bool| {
        wait_for("the right to read the namespace", PATIENCE, async || {
            ensure!(namespaces.get(&env.tenant_a).await.is_ok() == expected);
            Ok(())
        })
        .await
    };
    readable(true).await?;
    quiet(&operator).await?;
    env.advance(2);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;

    env.kubectl().run(&["--namespace", &env.tenant_a, "delete", "rolebinding", "labels"]).await?;
    readable(false).await?;
    label(&env, &env.tenant_a, "team-").await?;
    quiet(&operator).await?;
    env.advance(5);
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("a look", PATIENCE, async || {
        ensure!(!made_with(&env, "page-a").is_empty());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    Ok(())
}
