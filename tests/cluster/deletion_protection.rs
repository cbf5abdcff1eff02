//! What holds a page, or is used, is not deleted, however it is: the operator runs, and the policy of config/admission counts.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::MetaApp;
use serde_json::json;
use testkit::sandbox::{AppChange, Invalidation};
use testkit::wait_for;

use crate::support::controllers::{HELD, governed_with, protected};
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::regrant;
use crate::support::grant_channels::*;
use crate::support::observe::*;

const UNCOUNTED: &str = "counts as used until its channels are counted: it is not deleted";

/// That a channel would not be deleted at this moment.
async fn held(env: &Env, name: &str) -> Result<()> {
    let trial = DeleteParams::default().dry_run();
    let refusal = env.channels(&env.tenant_a).delete(name, &trial).await.map(drop);
    let refusal = refusal.err().context("it would be deleted")?.to_string();
    ensure!(refusal.contains(HELD), "{refusal}");
    Ok(())
}

async fn declare(env: &Env, name: &str, connection: &str) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "connection": connection } }));
    env.channels(&env.tenant_a).patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_page_left_the_grant_whose_grant_died_or_whose_app_broke_stays() -> Result<()> {
    let env = governed_with(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    protected(&env.channels(&env.tenant_a), "shop", HELD).await?;

    regrant(&env, &[PAGE_B])?;
    look_at_grant(&env, "once").await?;
    env.channel_is(&env.tenant_a, "shop", &["Disconnected=True/NotInGrant"]).await?;
    held(&env, "shop").await?;

    env.sandbox.invalidate_token("user", Invalidation { subcode: Some(460), message: None })?;
    look_at_grant(&env, "twice").await?;
    grant_is(&env, &["Valid=False/PasswordChanged"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=False"]).await?;
    held(&env, "support").await?;

    env.sandbox.change_app(APP_ID, AppChange { secret: Some("another".into()), ..AppChange::default() })?;
    env.kubectl().run(&["-n", &env.platform, "annotate", "metaapp", "acme", "metachannels.io/requested-at=1"]).await?;
    env.app_is(&["CredentialsValid=False"]).await?;
    for name in ["shop", "support"] {
        wait_for("the channel to quote the application", PATIENCE, async || {
            let channel = env.channels(&env.tenant_a).get(name).await?;
            missing(&channel.status.context("no status")?.conditions, &["Ready=False"])
        })
        .await?;
        held(&env, name).await?;
    }

    // Nothing at Meta can be done any more; what is declared counts.
    declare(&env, "shop", "Disconnected").await?;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    held(&env, "support").await
}

/// What nobody uses gets a number, too: without one it could never be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_a_grant_stay_until_they_were_counted_whatever_else_is_wrong_with_them() -> Result<()> {
    let env = governed_with(|_| ()).await?;
    let operator = env.operator_with(|operator| {
        operator.policy.count_period = Duration::from_secs(60 * 60);
        operator.policy.app_period = Duration::from_secs(365 * 24 * 60 * 60);
    });
    // One cannot work for want of its Secret, one is paused; of the grants one has no Secret, the other no application.
    let app = |name: &str, more: &str| {
        format!(
            "apiVersion: metachannels.io/v1alpha1\nkind: MetaApp\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  appId: \"1111000011110000\"\n  appSecretRef: {{name: missing}}\n  {more}\n",
            env.platform
        )
    };
    let elsewhere = grant_manifest(&env).replace("name: acme-grant, namespace", "name: lonely, namespace");
    let elsewhere = elsewhere.replace("appRef: {name: acme,", "appRef: {name: missing,");
    let manifests = [
        app("acme", "allowedNamespaces: {from: All}"),
        app("paused", "managementPolicy: Pause"),
        grant_manifest(&env),
        elsewhere,
    ];
    env.apply(&manifests.join("---\n")).await?;
    let (apps, grants) = (env.apps(), grants(&env));
    for name in ["acme", "paused"] {
        protected(&apps, name, UNCOUNTED).await?;
    }
    for name in ["acme-grant", "lonely"] {
        protected(&grants, name, UNCOUNTED).await?;
    }
    quiet(&operator).await?;
    let app_writes = operator.count("status_writes_total", "MetaApp");
    let grant_writes = operator.count("status_writes_total", "MetaGrant");

    wait_for("the counts", PATIENCE, async || {
        env.advance(61);
        for name in ["acme", "paused"] {
            let channels = apps.get(name).await?.status.context("no status")?.channels;
            ensure!(channels == Some(Default::default()), "{name}: {channels:?}");
        }
        for name in ["acme-grant", "lonely"] {
            let channels = grants.get(name).await?.status.context("no status")?.channels;
            ensure!(channels == Some(0), "{name}: {channels:?}");
        }
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!(operator.count("status_writes_total", "MetaApp"), app_writes + 2);
    assert_eq!(operator.count("status_writes_total", "MetaGrant"), grant_writes + 2);
    for name in ["acme", "paused"] {
        apps.delete(name, &DeleteParams::default()).await?;
    }
    for name in ["acme-grant", "lonely"] {
        grants.delete(name, &DeleteParams::default()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_a_grant_that_no_operator_has_seen_are_deleted_freely() -> Result<()> {
    let env = governed_with(|_| ()).await?;
    env.apply(&[env.app_manifest(), grant_manifest(&env)].join("---\n")).await?;
    let apps: Api<MetaApp> = env.apps();
    ensure!(apps.get("acme").await?.status.context("no status")?.observed_generation == -1);
    apps.delete("acme", &DeleteParams::default()).await?;
    grants(&env).delete("acme-grant", &DeleteParams::default()).await?;
    Ok(())
}
