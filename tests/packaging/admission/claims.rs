//! Who may write claims.

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::AssetClaim;
use serde_json::{Value, json};

use crate::support::admission_env::*;

fn claims(who: &Client) -> Api<AssetClaim> {
    Api::namespaced(who.clone(), CLAIMS)
}

/// Makes a claim as someone, and says under which name.
async fn create(who: &Client, claim: Value) -> kube::Result<String> {
    let claim = claims(who).create(&PostParams::default(), &object(claim)).await?;
    Ok(claim.metadata.name.unwrap_or_default())
}

/// Changes a claim as operators do: whole.
async fn change(who: &Client, name: &str, change: impl FnOnce(&mut AssetClaim)) -> kube::Result<()> {
    let mut claim = claims(who).get(name).await?;
    change(&mut claim);
    claims(who).replace(name, &PostParams::default(), &claim).await.map(drop)
}

/// Writes the status of a claim as operators do.
async fn report(who: &Client, name: &str) -> kube::Result<()> {
    let mut claim = claims(who).get(name).await?;
    claim.status.get_or_insert_default().holder_uid = Some("u1".to_owned());
    claims(who).replace_status(name, &PostParams::default(), &claim).await.map(drop)
}

fn moved(to: &str) -> impl FnOnce(&mut AssetClaim) + use<> {
    let to = to.to_owned();
    move |claim| (claim.spec.holder.namespace, claim.spec.transfer_to) = (to, None)
}

fn offered(to: &str) -> impl FnOnce(&mut AssetClaim) + use<> {
    let to = to.to_owned();
    move |claim| claim.spec.transfer_to = Some(to)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_claims_for_its_own_namespaces_only() -> Result<()> {
    let cluster = admission_env().await?;
    let words = |namespace: &str, rights: &str| {
        format!("a claim for namespace {namespace} needs the right to patch {rights}/status there")
    };
    let page = |holder| page_claim("3300000000000001", holder);
    refused(create(&cluster.rival, page("tenant-a")).await, &words("tenant-a", "facebookchannels"))?;
    refused(create(&cluster.rival, page("nowhere")).await, &words("nowhere", "facebookchannels"))?;
    create(&cluster.acme, page("tenant-a")).await?;

    let mut app = page_claim("1111000011110001", "platform");
    app["metadata"]["name"] = "meta-app-1111000011110001".into();
    app["spec"]["assetKind"] = "MetaApp".into();
    refused(create(&cluster.rival, app.clone()).await, &words("platform", "metaapps"))?;
    create(&cluster.acme, app).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_claim_follows_from_its_asset() -> Result<()> {
    let cluster = admission_env().await?;
    let named = |name: &str, kind: &str| {
        let mut claim = page_claim("3300000000000002", "tenant-a");
        claim["metadata"]["name"] = name.into();
        claim["spec"]["assetKind"] = kind.into();
        claim
    };
    let rows = [
        ("facebook-page-3300000000000003", "FacebookPage", "facebook-page-3300000000000002"),
        ("meta-app-3300000000000002", "FacebookPage", "facebook-page-3300000000000002"),
        ("facebook-page-3300000000000002", "MetaApp", "meta-app-3300000000000002"),
    ];
    for (name, kind, right) in rows {
        for who in [&cluster.acme, &cluster.root] {
            refused(create(who, named(name, kind)).await, &format!("must be named {right}"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owners_operator_changes_a_claim_and_its_status() -> Result<()> {
    let cluster = admission_env().await?;
    let name = create(&cluster.acme, page_claim("3300000000000004", "tenant-a")).await?;
    let owned = "belongs to namespace tenant-a: changing or deleting the claim needs the right to patch facebookchannels/status there";
    let renamed = |claim: &mut AssetClaim| claim.spec.holder.name = "boutique".to_owned();
    refused(change(&cluster.rival, &name, renamed).await, owned)?;
    refused(change(&cluster.rival, &name, moved("tenant-b")).await, owned)?;
    refused(change(&cluster.rival, &name, offered("tenant-b")).await, owned)?;
    refused(report(&cluster.rival, &name).await, owned)?;
    change(&cluster.acme, &name, renamed).await?;
    report(&cluster.acme, &name).await?;
    // Nor does it give away what the other did not ask for.
    refused(change(&cluster.acme, &name, moved("tenant-b")).await, "a claim for namespace tenant-b needs")?;
    change(&cluster.acme, &name, moved("platform")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_offered_is_taken_by_the_operator_of_that_namespace_and_no_other() -> Result<()> {
    let cluster = admission_env().await?;
    let name = create(&cluster.acme, page_claim("3300000000000005", "tenant-a")).await?;
    change(&cluster.acme, &name, offered("tenant-c")).await?;
    refused(change(&cluster.rival, &name, moved("tenant-b")).await, "belongs to namespace tenant-a")?;
    change(&cluster.acme, &name, offered("tenant-b")).await?;
    // What is offered is taken, or left as it is.
    let renamed = |claim: &mut AssetClaim| claim.spec.holder.name = "boutique".to_owned();
    refused(change(&cluster.rival, &name, renamed).await, "belongs to namespace tenant-a")?;
    refused(report(&cluster.rival, &name).await, "belongs to namespace tenant-a")?;
    change(&cluster.rival, &name, moved("tenant-b")).await?;
    refused(change(&cluster.acme, &name, moved("tenant-a")).await, "belongs to namespace tenant-b")?;
    report(&cluster.rival, &name).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_namespace_left_is_reported_by_who_looks_after_the_app() -> Result<()> {
    let cluster = admission_env().await?;
    // As root, who may do everything: the namespace is gone, and with it the operator's Role.
    let name = create(&cluster.root, page_claim("3300000000000006", "gone")).await?;
    refused(report(&cluster.rival, &name).await, "belongs to namespace gone")?;
    report(&cluster.acme, &name).await?;
    refused(change(&cluster.acme, &name, moved("tenant-a")).await, "belongs to namespace gone")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_of_the_claims_namespace_moves_and_deletes_any_claim() -> Result<()> {
    let cluster = admission_env().await?;
    let name = create(&cluster.acme, page_claim("3300000000000007", "tenant-a")).await?;
    // Rights on claims alone are not enough.
    let kubectl = cluster.plane.kubectl();
    let in_claims = format!("--namespace={CLAIMS}");
    let role =
        ["create", "role", "clerk", "--verb=get,update,delete", "--resource=assetclaims.metachannels.io", &in_claims];
    kubectl.run(&role).await?;
    kubectl.run(&["create", "rolebinding", "clerk", "--role=clerk", "--user=clerk", &in_claims]).await?;
    let clerk = testkit::client(&cluster.plane.user_kubeconfig("clerk", "people")?).await?;
    refused(claims(&clerk).delete(&name, &DeleteParams::default()).await.map(drop), "belongs to namespace tenant-a")?;
    refused(change(&clerk, &name, moved("tenant-b")).await, "belongs to namespace tenant-a")?;

    change(&cluster.cleo, &name, moved("tenant-b")).await?;
    claims(&cluster.cleo).delete(&name, &DeleteParams::default()).await?;
    create(&cluster.cleo, page_claim("3300000000000007", "tenant-a")).await?;
    change(&cluster.acme, &name, offered("tenant-b")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_outside_the_claims_namespace_is_refused_to_everybody() -> Result<()> {
    let cluster = admission_env().await?;
    let elsewhere: Api<AssetClaim> = Api::namespaced(cluster.root.clone(), "tenant-a");
    let answer = elsewhere.create(&PostParams::default(), &object(page_claim("3300000000000008", "tenant-a"))).await;
    refused(answer, "AssetClaims belong only in the claims namespace; no operator reads them in namespace tenant-a")?;
    ensure!(names(&elsewhere).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_patch_is_judged_as_any_other_change() -> Result<()> {
    let cluster = admission_env().await?;
    let name = create(&cluster.acme, page_claim("3300000000000009", "tenant-a")).await?;
    let theft = json!({"spec": {"holder": {"namespace": "tenant-b"}}});
    // The Roles of operators know no patch; a person's role does.
    let kubectl = cluster.plane.kubectl();
    let in_claims = format!("--namespace={CLAIMS}");
    let role = ["create", "role", "mender", "--verb=get,patch", "--resource=assetclaims.metachannels.io", &in_claims];
    kubectl.run(&role).await?;
    kubectl.run(&["create", "rolebinding", "mender", "--role=mender", "--user=mender", &in_claims]).await?;
    let mender = testkit::client(&cluster.plane.user_kubeconfig("mender", "people")?).await?;
    let steal =
        async |how: Patch<&Value>, parameters: &PatchParams| claims(&mender).patch(&name, parameters, &how).await;
    refused(steal(Patch::Merge(&theft), &PatchParams::default()).await, "belongs to namespace tenant-a")?;
    let mut applied = page_claim("3300000000000009", "tenant-b");
    applied["apiVersion"] = "metachannels.io/v1alpha1".into();
    refused(steal(Patch::Apply(&applied), &PatchParams::apply("mender").force()).await, "belongs to namespace tenant-a")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_the_cleanup_of_a_claim_is_now_or_never() -> Result<()> {
    let cluster = admission_env().await?;
    let name = create(&cluster.acme, page_claim("3300000000000019", "tenant-a")).await?;
    for (value, lets) in [("now", true), ("never", true), ("soon", false), ("", false)] {
        let say = |claim: &mut AssetClaim| {
            let annotations = claim.metadata.annotations.get_or_insert_default();
            annotations.insert("metachannels.io/cleanup".to_owned(), value.to_owned());
        };
        let changed = change(&cluster.acme, &name, say).await;
        match lets {
            true => changed?,
            false => refused(changed, "must be now or never")?,
        }
    }
    Ok(())
}
