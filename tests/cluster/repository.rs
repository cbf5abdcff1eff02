//! What a Git repository declares is connected from one `kubectl apply`, in whatever order things appear.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::*;
use crate::support::observe::*;

/// What a repository declares: an app, a grant, two channels by it, one with a token of its own, and the Secrets.
fn repository(env: &Env) -> Vec<String> {
    let outlet = env.channel_manifest(&env.tenant_a, "outlet", PAGE_C);
    let [shop, support] = channels(env);
    let mut all = vec![env.app_manifest(), grant_manifest(env), shop, support, outlet];
    all.extend(secrets(env));
    all
}

/// Applies the repository in this order, each part after what the one before came to.
async fn connects(parts: impl Fn(&Env) -> Vec<Vec<String>>) -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let record = env.record(&env.tenant_a);
    let operator = env.operator();
    for part in parts(&env) {
        quiet(&operator).await?;
        env.apply(&part.join("---\n")).await?;
    }
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
    let wait = ["-n", &env.tenant_a, "wait", "--for=condition=Ready", "fbc", "--all", &timeout];
    env.kubectl().run(&wait).await?;
    let ready =
        ["Ready=True/ReconcileSucceeded", "Connected=True", "Claimed=True", "Authorized=True/TokenValid", "!Stalled"];
    for name in ["shop", "support", "outlet"] {
        env.channel_is(&env.tenant_a, name, &ready).await?;
    }
    grant_is(&env, &["Ready=True/ReconcileSucceeded", "Valid=True"]).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    quiet(&operator).await?;
    for version in record.versions() {
        let conditions = version.status.map(|status| shown(&status.conditions)).unwrap_or_default();
        assert!(!conditions.iter().any(|it| it.starts_with("Stalled")), "{conditions:?}");
    }
    check_ledger(&env);
    check_status(&env).await
}

/// The app's subscription came before any page's, each was written once and read back; the grant cost one question about
/// its token, and the tokens that it gives none.
fn check_ledger(env: &Env) {
    let writes = env.writes();
    let templates: Vec<_> = writes.iter().filter_map(|it| it.template.as_deref()).collect();
    assert_eq!(templates, [APP_ROWS, PAGE_ROWS, PAGE_ROWS, PAGE_ROWS]);
    let ledger = env.sandbox.ledger();
    for page in [PAGE_A, PAGE_B, PAGE_C] {
        let of_page = ledger.iter().filter(|it| it.node.as_deref() == Some(page));
        let rows: Vec<_> = of_page.filter(|it| it.template.as_deref() == Some(PAGE_ROWS)).collect();
        let written = rows.iter().position(|it| it.method == "POST").expect("the page was subscribed");
        assert!(rows[written + 1..].iter().any(|it| it.method == "GET"), "{page} was not read back");
    }
    assert_eq!(made_about(env, "user").len(), 1, "one debug_token for the grant");
    assert_eq!(made_about(env, "outlet").len(), 1);
    assert_eq!(env.requests("GET", DEBUG_TOKEN).len(), 2, "none for the tokens that the grant gives");
}

async fn check_status(env: &Env) -> Result<()> {
    let channel = env.channels(&env.tenant_a).get("shop").await?;
    let status = channel.status.clone().unwrap();
    let authorization = status.authorization.unwrap();
    assert_eq!(authorization.token_type.as_deref(), Some("PAGE"));
    assert_eq!(authorization.grantor_id.as_deref(), Some(PERSON));
    assert_eq!(status.expires, authorization.expires_at.map(|at| at.to_string()), "the end of the grant");
    assert!(status.expires.is_some() && authorization.scopes.contains(&"pages_messaging".to_owned()));
    let claim = env.claims().get(&format!("facebook-page-{PAGE_A}")).await?;
    assert_eq!(serde_json::to_value(&claim.spec.proof)?["method"], "GrantListing");

    // The published token lies in a Secret of the channel; deleted by hand it comes back.
    let secret = published(env).await?;
    assert_eq!(secret.owner_references()[0].uid, channel.uid().unwrap());
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.delete(PUBLISHED, &DeleteParams::default()).await?;
    let again = published(env).await?;
    assert_ne!(again.uid(), secret.uid());
    assert_eq!(again.data, secret.data);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_from_one_apply() -> Result<()> {
    connects(|env| vec![repository(env)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_from_one_apply_in_the_reverse_order() -> Result<()> {
    connects(|env| vec![repository(env).into_iter().rev().collect()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_with_its_secrets_last() -> Result<()> {
    connects(|env| {
        let mut all = repository(env);
        let secrets = all.split_off(5);
        vec![all, secrets]
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_connected_with_its_app_and_then_its_grant_last() -> Result<()> {
    connects(|env| {
        let mut all = repository(env);
        let (app, grant) = (all.remove(0), all.remove(0));
        vec![all, vec![app], vec![grant]]
    })
    .await
}
