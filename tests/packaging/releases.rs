//! A namespace belongs to one release: what says so, and what Helm does about a second one.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::pages::commands;
use testkit::{ControlPlane, client, wait_for};

use crate::support::cluster::{check, make_namespaces};
use crate::support::installed::PATIENCE;
use crate::support::launch::Launch;
use crate::support::terminal::Terminal;
use crate::support::{Chart, Manifests, helm, helm_at, kustomize, run};

const BINDING: &str = "metachannels-release";

/// Checks that every watched namespace is bound to the release that watches it, and no other is.
fn each_is_bound(manifests: &Manifests) {
    let operator = Launch::of(manifests, "operator", "pod").unwrap();
    // Namespace and name of the Lease, as the program is told them, or by default.
    let lease = operator.flag("--leader-election-id").unwrap_or("meta-channel-operator");
    let release = format!("{}/{lease}", operator.namespace);
    let watched = operator.flag("--watch-namespaces").unwrap();
    let bound: Vec<_> = manifests
        .of_kind("ConfigMap")
        .filter(|it| it["metadata"]["name"] == BINDING)
        .map(|binding| {
            assert_eq!(binding["immutable"], true, "anyone who may write ConfigMaps cannot bend it");
            assert_eq!(binding["data"], json!({"release": release}));
            binding["metadata"]["namespace"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(bound.join(","), watched);
}

#[test]
fn every_watched_namespace_is_bound_to_the_release_that_watches_it() {
    for values in Chart::OPERATOR.examples().unwrap() {
        each_is_bound(&Chart::OPERATOR.render(&values).unwrap());
    }
    let others = Chart::OPERATOR.render_as("acme", "ops-2", &Chart::OPERATOR.example("minimal"), &[]).unwrap();
    each_is_bound(&others);
    assert_eq!(others.one("ConfigMap", BINDING).unwrap()["data"]["release"], "ops-2/acme-meta-channel-operator");
    each_is_bound(&kustomize("config/default").unwrap());
    // Where everything is watched, nothing is bound.
    assert_eq!(kustomize("config/cluster-wide").unwrap().of_kind("ConfigMap").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_refuses_a_second_release_for_a_namespace_until_the_first_gives_it_up() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    make_namespaces(&kubectl, &["ops", "ops-2", "platform", "tenant-a", "tenant-b", "meta-channels"]).await.unwrap();
    let values = Chart::OPERATOR.example("minimal");
    let helm = |verb: &str, release: &str, namespace: &str, watched: &str| {
        let namespace = format!("--namespace={namespace}");
        let watched = format!("--set=watchNamespaces={watched}");
        helm_at(&cluster, &[verb, release, &namespace, &watched], &Chart::OPERATOR, &values)
    };
    let bound = async |namespace: &str| -> Option<Value> {
        let named = "--field-selector=metadata.name=metachannels-release";
        let found = kubectl.get(&["configmaps", "--namespace", namespace, named]).await.unwrap();
        found["items"].get(0).map(|binding| binding["data"]["release"].clone())
    };
    helm("install", "acme", "ops", "{platform,tenant-a}").unwrap();
    assert_eq!(bound("tenant-a").await.unwrap(), "ops/acme-meta-channel-operator");
    // Also one of the same name in another namespace.
    for (release, namespace) in [("other", "ops-2"), ("acme", "ops-2"), ("other", "ops")] {
        let refused = helm("install", release, namespace, "{tenant-a,tenant-b}").unwrap_err().to_string();
        let expected = "ConfigMap \"metachannels-release\" in namespace \"tenant-a\" exists and cannot be imported";
        assert!(refused.contains(expected) && refused.contains("invalid ownership metadata"), "{refused}");
        assert_eq!(bound("tenant-b").await, None, "nothing was begun");
    }

    helm("upgrade", "acme", "ops", "{platform}").unwrap();
    assert_eq!(bound("tenant-a").await, None);
    helm("install", "other", "ops-2", "{tenant-a,tenant-b}").unwrap();
    assert_eq!(bound("tenant-a").await.unwrap(), "ops-2/other-meta-channel-operator");
    let uninstall = ["uninstall", "other", "--namespace=ops-2", "--kubeconfig"];
    run(crate::support::helm().unwrap().args(uninstall).arg(cluster.kubeconfig())).unwrap();
    assert_eq!(bound("tenant-a").await, None);
    assert_eq!(bound("platform").await.unwrap(), "ops/acme-meta-channel-operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_moves_by_the_commands_of_the_charts_readme() -> Result<()> {
    let test = "a_namespace_moves_by_the_commands_of_the_charts_readme";
    let admin = commands("charts/meta-channel-operator-admin/README.md", test)?;
    let blocks = commands("charts/meta-channel-operator/README.md", test)?;
    let [install, r#move] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let cluster = ControlPlane::start().await?;
    make_namespaces(&cluster.kubectl(), &["platform", "tenant-a", "tenant-b"]).await?;
    let terminal = Terminal::at(&cluster)?;
    terminal.type_in(&admin.concat())?;
    terminal.type_in(install)?;

    // The release that takes the namespace over is there already.
    let take = r#move.lines().last().context("a command")?;
    let word_after = |flag: &str| -> Result<&str> {
        let mut words = take.split_whitespace().skip_while(|word| *word != flag);
        words.nth(1).with_context(|| format!("no {flag} in {take}"))
    };
    let (other, namespace) = (word_after("upgrade")?, word_after("--namespace")?);
    let chart = "charts/meta-channel-operator --create-namespace --set 'watchNamespaces={tenant-b}'";
    terminal.type_in(&format!("helm install {other} --namespace {namespace} {chart}"))?;
    terminal.write("acme.yaml", "watchNamespaces: [platform, tenant-a]\n")?;
    terminal.write(word_after("--values")?, "watchNamespaces: [tenant-b]\n")?;
    let refused = terminal.refused(take)?;
    ensure!(refused.contains("cannot be imported into the current release"), "{refused}");

    terminal.type_in(r#move)?;
    let bound = ["get", "configmap", BINDING, "--namespace=tenant-a", "-o=jsonpath={.data.release}"];
    let bound = cluster.kubectl().text(&bound).await?;
    ensure!(bound == format!("{namespace}/{other}-meta-channel-operator"), "{bound}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_namespace_that_is_missing_is_named_before_anything_is_created() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    make_namespaces(&kubectl, &["ops", "tenant-a", "meta-channels"]).await.unwrap();
    let helm = |arguments: &[&str], watched: &str| {
        let watched = format!("--set=watchNamespaces={watched}");
        let arguments = [&arguments[..1], &["acme"], &arguments[1..], &[&watched]].concat();
        helm_at(&cluster, &arguments, &Chart::OPERATOR, &Chart::OPERATOR.example("minimal"))
    };
    // Also if none is there, and if the release's own does not exist yet, either.
    let (here, elsewhere) = (["install", "--namespace=ops"], ["install", "--namespace=new-ops", "--create-namespace"]);
    let cases = [
        (&here[..], "{tenant-a,tenant-x}", "tenant-x"),
        (&here, "{tenant-x,tenant-y}", "tenant-x, tenant-y"),
        (&elsewhere, "{tenant-x}", "tenant-x"),
    ];
    for (arguments, watched, missing) in cases {
        let refused = helm(arguments, watched).unwrap_err().to_string();
        let sentence = format!("watchNamespaces names namespaces that do not exist: create {missing} first");
        assert!(refused.contains(&sentence), "{refused}");
    }
    let made = kubectl.get(&["configmaps,roles,secrets", "--namespace=tenant-a"]).await.unwrap();
    assert_eq!(made["items"], json!([]));
    assert!(kubectl.run(&["get", "namespace", "new-ops"]).await.is_err());
    helm(&here, "{tenant-a}").unwrap();
    helm(&["upgrade", "--namespace=ops"], "{tenant-a,tenant-x}").unwrap_err();
    helm(&["upgrade", "--namespace=ops"], "{tenant-a}").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_rights_in_these_namespaces_alone_installs_a_release() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    let namespaces = ["ops", "tenant-a", "meta-channels"];
    make_namespaces(&kubectl, &namespaces).await.unwrap();
    for namespace in namespaces {
        let place = format!("--namespace={namespace}");
        kubectl
            .run(&["create", "rolebinding", "nat", "--clusterrole=cluster-admin", "--user=nat", &place])
            .await
            .unwrap();
    }
    let kubeconfig = cluster.user_kubeconfig("nat", "people").unwrap();
    let nat = client(&kubeconfig).await.unwrap();
    wait_for("the rights to count", PATIENCE, async || {
        check(&nat, &namespaces.map(|namespace| ("create", "configmaps", namespace, true))).await?;
        check(&nat, &[("get", "namespaces", "kube-system", false)]).await
    })
    .await
    .unwrap();
    let mut install = helm().unwrap();
    install.args(["install", "acme", "--namespace=ops", "--kubeconfig"]).arg(kubeconfig);
    install.arg(Chart::OPERATOR.path()).arg("--values").arg(Chart::OPERATOR.example("minimal"));
    run(&mut install).unwrap();
}
