//! Which Secrets gateways and operators write.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::inbox::{
    AppTrouble, INBOX_TOKEN_KEY, INBOX_TYPE, InboxMessage, MessageContent, MessageRefusal,
};
use meta_channel_operator::api::references::NamespacedName;
use serde_json::{Value, json};

use crate::support::admission_env::*;
use crate::support::{helm, run};

fn secrets(who: &Client, namespace: &str) -> Api<Secret> {
    Api::namespaced(who.clone(), namespace)
}

async fn create(who: &Client, namespace: &str, secret: &Value) -> kube::Result<()> {
    secrets(who, namespace).create(&PostParams::default(), &object(secret.clone())).await.map(drop)
}

fn secret(name: &str, type_: &str) -> Value {
    json!({"metadata": {"name": name}, "type": type_, "stringData": {"token": "text"}})
}

/// A revision of the release, as Helm keeps it: taken by its labels, whatever the type of the Secret is.
fn revision(name: &str, type_: &str) -> Value {
    let mut forged = secret(name, type_);
    let labels =
        json!({"owner": "helm", "name": "acme", "status": "deployed", "version": "9", "modifiedAt": "1764486000"});
    forged["metadata"]["labels"] = labels;
    forged["stringData"] = json!({"release": "H4sIAAAAAAAA"});
    forged
}

/// InboxMessage as the gateway makes it.
fn mail(id: &str, content: MessageContent, token: Option<String>) -> Secret {
    let longest = "n".repeat(63);
    let mail = InboxMessage {
        grant: NamespacedName { namespace: longest.clone(), name: longest },
        grant_uid: "0".repeat(36),
        content,
    };
    let metadata = json!({"name": mail.name(id), "labels": InboxMessage::labels(), "annotations": mail.annotations()});
    let data = token.map(|token| json!({INBOX_TOKEN_KEY: token}));
    object(json!({"metadata": metadata, "type": INBOX_TYPE, "immutable": true, "stringData": data}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_makes_mail_and_neither_a_release_of_helm_nor_a_token_of_a_service_account() -> Result<()> {
    let cluster = admission_env().await?;
    let forge = async |forged: Value, words: &str| refused(create(&cluster.gateway, "acme-ops", &forged).await, words);
    forge(revision("sh.helm.release.v1.acme.v9", "helm.sh/release.v1"), "is not an inbox message").await?;
    let mut token = secret("grant-token-0", "kubernetes.io/service-account-token");
    token["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "acme-meta-channel-operator"});
    forge(token, "may create only Secrets of type metachannels.io/grant-inbox named grant-…").await?;
    forge(secret("grant-token-0", "Opaque"), "is not an inbox message").await?;
    forge(secret("anything", INBOX_TYPE), "is not an inbox message").await?;
    // What is of the right type is not acted on by others either.
    forge(revision("grant-token-0", INBOX_TYPE), "no ownerReferences and no finalizers").await?;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u1"}]);
    for (field, value) in [
        ("annotations", json!({"replicator.example.com/to": "*"})),
        ("ownerReferences", owner),
        ("finalizers", json!(["example.com/stays"])),
    ] {
        let mut forged = secret("grant-token-0", INBOX_TYPE);
        forged["metadata"][field] = value;
        forge(forged, "an inbox message may have only labels and annotations of metachannels.io").await?;
    }
    let mut large = secret("grant-token-0", INBOX_TYPE);
    large["stringData"]["token"] = "x".repeat(3073).into();
    forge(large, "4096 bytes with its annotations, not 4100").await?;
    let mut other = secret("grant-token-0", INBOX_TYPE);
    other["stringData"]["release"] = "x".into();
    forge(other, "may hold only the key token").await?;
    let helm =
        run(helm()?.args(["history", "acme", "--namespace=acme-ops", "--kubeconfig"]).arg(cluster.plane.kubeconfig()))?;
    ensure!(helm.lines().count() == 2, "one revision: {helm}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mail_that_a_gateway_makes_is_let_in() -> Result<()> {
    let cluster = admission_env().await?;
    let id = "0123456789abcdef0123456789abcdef";
    let ids = || (0..10).map(|number| format!("{number:020}")).collect::<Vec<_>>();
    let contents = [
        (MessageContent::SpentState, None),
        (MessageContent::Token { grantor: Some("9".repeat(20)) }, Some("x".repeat(1024))),
        (MessageContent::Refused(MessageRefusal::WrongApp), None),
        (MessageContent::Refused(MessageRefusal::PagesMissing(ids())), None),
        (MessageContent::Refused(MessageRefusal::ScopesMissing(vec!["s".repeat(100); 10])), None),
    ];
    let troubles = AppTrouble::ALL.iter().map(|trouble| {
        let content = MessageContent::AppTrouble { trouble: *trouble, fact: "f".repeat(100), words: "w".repeat(600) };
        (content, None)
    });
    for (content, token) in contents.into_iter().chain(troubles) {
        // Of the refusals there is one inbox message for each login.
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        secrets(&cluster.gateway, "acme-ops").create(&trial, &mail(id, content, token)).await?;
    }
    // Where it may post nothing it makes nothing, as before.
    let elsewhere = create(&cluster.gateway, "tenant-a", &secret("grant-token-0", INBOX_TYPE)).await;
    ensure!(elsewhere.is_err_and(|error| error.to_string().contains("cannot create resource")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_writes_the_secrets_that_it_makes_and_no_others() -> Result<()> {
    let cluster = admission_env().await?;
    let words = "was not created by an operator, which may write only Secrets of the types metachannels.io/verify-token, metachannels.io/grant-token, metachannels.io/published-page-token, metachannels.io/endpoint-key, metachannels.io/gateway-keyring; all others need";
    let ours = secrets(&cluster.acme, "tenant-a");
    for type_ in ["Opaque", "helm.sh/release.v1", "kubernetes.io/service-account-token", INBOX_TYPE] {
        let mut forged = secret("made", type_);
        forged["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "default"});
        refused(create(&cluster.acme, "tenant-a", &forged).await, words)?;
    }
    let forged = revision("made", "metachannels.io/grant-token");
    refused(create(&cluster.acme, "tenant-a", &forged).await, "is labeled owner=helm")?;

    create(&cluster.ed, "tenant-a", &secret("a-persons", "Opaque")).await?;
    let mut theirs = ours.get("a-persons").await?;
    theirs.immutable = Some(true);
    refused(ours.replace("a-persons", &PostParams::default(), &theirs).await, words)?;
    refused(ours.delete("a-persons", &DeleteParams::default()).await.map(drop), words)?;
    secrets(&cluster.ed, "tenant-a").delete("a-persons", &DeleteParams::default()).await?;

    for type_ in [
        "metachannels.io/verify-token",
        "metachannels.io/grant-token",
        "metachannels.io/published-page-token",
        "metachannels.io/endpoint-key",
        "metachannels.io/gateway-keyring",
    ] {
        create(&cluster.acme, "tenant-a", &secret("made", type_)).await?;
        let mut made = ours.get("made").await?;
        made.metadata.labels = Some([("owner".to_owned(), "team-a".to_owned())].into());
        ours.replace("made", &PostParams::default(), &made).await?;
        ours.delete("made", &DeleteParams::default()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_throws_mail_away_and_nothing_else_in_the_namespace_of_its_release() -> Result<()> {
    let cluster = admission_env().await?;
    let delete =
        async |name: &str| secrets(&cluster.acme, "acme-ops").delete(name, &DeleteParams::default()).await.map(drop);
    create(&cluster.gateway, "acme-ops", &secret("grant-token-0", INBOX_TYPE)).await?;
    delete("grant-token-0").await?;
    refused(delete("sh.helm.release.v1.acme.v1").await, "was not created by an operator")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_keeps_the_keyring_in_the_namespace_of_its_release_and_its_gateway_changes_nothing_of_it()
-> Result<()> {
    const KEYRING: &str = "acme-meta-channel-operator-gateway-keyring";
    let cluster = admission_env().await?;
    let (operators, gateways) = (secrets(&cluster.acme, "acme-ops"), secrets(&cluster.gateway, "acme-ops"));
    let (now, change) = (PatchParams::default(), Patch::Merge(json!({"stringData": {"tenant-a.u1": "{}"}})));
    let keyring = secret(KEYRING, "metachannels.io/gateway-keyring");
    // By two policies, of which either may answer.
    refused(create(&cluster.gateway, "acme-ops", &keyring).await, "of type metachannels.io/gateway-keyring is")?;
    create(&cluster.acme, "acme-ops", &keyring).await?;
    operators.patch(KEYRING, &now, &change).await?;
    let named = ListParams::default().fields(&format!("metadata.name={KEYRING}"));
    ensure!(gateways.list(&named).await?.items.len() == 1);
    let forbidden = [
        gateways.patch(KEYRING, &now, &change).await.err(),
        gateways.delete(KEYRING, &DeleteParams::default()).await.err(),
        gateways.list(&ListParams::default()).await.err(),
        gateways.get("sh.helm.release.v1.acme.v1").await.err(),
        operators.patch("sh.helm.release.v1.acme.v1", &now, &change).await.err(),
    ];
    for (number, error) in forbidden.into_iter().enumerate() {
        let error = error.with_context(|| format!("{number} is let in"))?.to_string();
        ensure!(error.contains(" cannot "), "{number}: {error}");
    }
    // The right to make Secrets there is for the keyring alone.
    refused(create(&cluster.acme, "acme-ops", &secret("made", "Opaque")).await, "was not created by an operator")?;
    let forged = revision("sh.helm.release.v1.acme.v9", "metachannels.io/gateway-keyring");
    refused(create(&cluster.acme, "acme-ops", &forged).await, "is labeled owner=helm")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_rights_to_secrets_are_kept_from_none() -> Result<()> {
    let cluster = admission_env().await?;
    for (who, namespace) in [(&cluster.root, "acme-ops"), (&cluster.root, "tenant-a"), (&cluster.ed, "tenant-a")] {
        let all = secrets(who, namespace);
        create(who, namespace, &secret("anything", "Opaque")).await?;
        let change = Patch::Merge(json!({"stringData": {"more": "text"}}));
        all.patch("anything", &PatchParams::default(), &change).await?;
        let named = ListParams::default().fields("metadata.name=anything");
        all.delete_collection(&DeleteParams::default(), &named).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_secrets_plants_none_that_an_operator_makes() -> Result<()> {
    let cluster = admission_env().await?;
    let kubectl = cluster.plane.kubectl();
    let here = "--namespace=tenant-a";
    kubectl.run(&["create", "role", "writes", here, "--verb=create,update,patch", "--resource=secrets"]).await?;
    kubectl.run(&["create", "role", "reads", here, "--verb=get", "--resource=secrets"]).await?;
    kubectl.run(&["create", "rolebinding", "writes", here, "--role=writes", "--user=pat", "--user=bo"]).await?;
    kubectl.run(&["create", "rolebinding", "reads", here, "--role=reads", "--user=bo"]).await?;
    let make = async |who: &str, name: &str, type_: &str| {
        let (who, type_) = (format!("--as={who}"), format!("--type={type_}"));
        let planted = ["create", "secret", "generic", name, here, &who, &type_, "--from-literal=token=text"];
        kubectl.run(&[&planted[..], &["--dry-run=server"]].concat()).await
    };
    for (name, type_) in [
        ("metagrant-acme-token", "metachannels.io/grant-token"),
        ("facebookchannel-shop-page-token", "metachannels.io/published-page-token"),
        ("metaapp-acme-verify-token", "metachannels.io/verify-token"),
        ("acme-meta-channel-operator-gateway-keyring", "metachannels.io/gateway-keyring"),
    ] {
        let planted = make("pat", name, type_).await.err().context("it is let in")?.to_string();
        ensure!(planted.contains("is one that an operator creates: writing it needs the right to get it"), "{planted}");
        make("bo", name, type_).await?;
    }
    make("pat", "anything", "Opaque").await.map(drop)
}
