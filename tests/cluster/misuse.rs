//! What people do that no schema can refuse: it is named by a condition with the next step, and nothing is overwritten.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::env::*;
use crate::support::observe::*;
use crate::support::schedule::*;
use crate::support::subscriptions;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_allow_a_namespace_is_not_used_from_there() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.unhurried();
    let closed = env.app_manifest().replace("from: All", "from: Same");
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&closed).await?;
    env.app_is(&["Ready=True"]).await?;
    settled(&env, &operator).await?;
    env.sandbox.clear_ledger();
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let refused = ["Ready=False/AppNotFound", "Authorized=Unknown/AppNotFound", "Reconciling=True", "Claimed=Unknown"];
    let channel = env.channel_is(&env.tenant_a, "shop", &refused).await?;
    let step = channel.status.unwrap().next_step.unwrap();
    assert!(step.contains("allowedNamespaces"), "{step}");
    assert_eq!(env.sandbox.ledger(), [], "neither the page nor the token was asked about");
    // The namespace of the app itself needs no leave.
    env.put_channel(&env.platform, "own", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.platform, "own", &["Ready=True"]).await?;

    env.apply(&env.app_manifest()).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!Stalled"]).await?;
    env.apply(&closed).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotFound", "!Stalled", "Claimed=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_name_that_we_would_create_is_neither_read_nor_changed() -> Result<()> {
    const NAME: &str = "metaapp-acme-verify-token";
    let env = Env::new().await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    // A stranger's, and one that only looks like ours: released for the purpose, or of the type too, but made for another MetaApp.
    let purpose = || Some(BTreeMap::from([("metachannels.io/purpose".to_owned(), "verify-token".to_owned())]));
    let type_ = || Some("metachannels.io/verify-token".to_owned());
    let made_for = format!("MetaApp/{}/other", env.platform);
    let of_another = BTreeMap::from([("metachannels.io/made-for".to_owned(), made_for)]);
    let rows = [(None, None, None), (purpose(), None, None), (purpose(), type_(), Some(of_another))];
    for (labels, type_, annotations) in rows {
        let secret = Secret {
            metadata: ObjectMeta { name: Some(NAME.into()), labels, annotations, ..ObjectMeta::default() },
            string_data: Some(BTreeMap::from([("verify-token".to_owned(), "chosen-by-someone-else".to_owned())])),
            type_,
            ..Secret::default()
        };
        let theirs = secrets.create(&PostParams::default(), &secret).await?;
        let operator = env.operator();
        env.put_app().await?;
        let app = env
            .app_is(&["Ready=False/SecretNameTaken", "WebhookSubscribed=False/SecretNameTaken", "Stalled=True"])
            .await?;
        assert!(app.status.unwrap().next_step.unwrap().contains(NAME));
        assert_eq!(secrets.get(NAME).await?.resource_version(), theirs.resource_version());
        assert_eq!(env.writes(), []);
        warned(&env, &env.platform, &["acme SecretNameTaken"]).await?;
        operator.stop().await;
        secrets.delete(NAME, &Default::default()).await?;
        env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
        env.kubectl().run(&["-n", &env.platform, "delete", "events", "--all"]).await?;
    }
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True", "!Stalled"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metaapp_that_was_deleted_and_is_applied_again_takes_up_its_verify_token() -> Result<()> {
    const NAME: &str = "metaapp-acme-verify-token";
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    let first = secrets.get(NAME).await?;
    // Nothing collects garbage here: it still names the one that is gone. `--cascade=orphan` leaves it without an owner, and a
    // restore may leave everything behind but its name and its type.
    let orphaned = json!({"ownerReferences": null});
    let bare = json!({"ownerReferences": null, "annotations": null, "labels": null});
    for lost in [json!({}), orphaned, bare] {
        env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
        secrets.patch(NAME, &PatchParams::default(), &Patch::Merge(json!({ "metadata": lost }))).await?;
        quiet(&operator).await?;
        env.put_app().await?;
        let app = env.app_is(&["Ready=True", "WebhookSubscribed=True", "!Stalled"]).await?;
        let taken = secrets.get(NAME).await?;
        let owners = taken.metadata.owner_references.unwrap_or_default();
        assert_eq!(owners.iter().map(|it| Some(&it.uid)).collect::<Vec<_>>(), [app.metadata.uid.as_ref()]);
        assert_eq!((taken.metadata.uid, taken.data), (first.metadata.uid.clone(), first.data.clone()));
        for name in ["shop", "support"] {
            env.channel_is(&env.tenant_a, name, &["Ready=True", "!Stalled"]).await?;
        }
    }
    assert_eq!(env.writes(), [], "Meta knows the verify token");
    warned(&env, &env.platform, &[""; 0]).await?;
    // One that names another owner besides is someone's.
    let owners = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "another"}]);
    env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
    let theirs = Patch::Merge(json!({ "metadata": { "ownerReferences": owners } }));
    secrets.patch(NAME, &PatchParams::default(), &theirs).await?;
    quiet(&operator).await?;
    env.put_app().await?;
    env.app_is(&["Ready=False/SecretNameTaken", "Stalled=True"]).await?;
    Ok(())
}
