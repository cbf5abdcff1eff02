//! From the former version of the charts to this one, and away again: nothing is left behind but what must stay.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::cluster::established;
use crate::support::launch::Launch;
use crate::support::releases::{Releases, cluster, labeled, remembered};
use crate::support::{Chart, Manifests, helm, helm3, path, run};

/// The charts as they were before, packed by `helm package`. After a release: that one.
const FORMER: &str = "0.1.0-alpha.1";

fn former(chart: &Chart) -> PathBuf {
    path(&format!("tests/packaging/data/{}-{FORMER}.tgz", chart.name()))
}

fn names(manifests: &Manifests) -> BTreeSet<String> {
    manifests.names().into_iter().collect()
}

/// Installs the former version, upgrades, and takes everything away.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_brings_this_version_and_an_uninstallation_leaves_kinds_claims_and_objects_alone() {
    let cluster = cluster().await;
    let kubectl = cluster.kubectl();
    let releases = Releases { cluster: &cluster, helm };
    let (defaults, values) = (Chart::ADMIN.example("default"), path("tests/packaging/data/former-values.yaml"));
    releases.put("install", "admin", "default", &former(&Chart::ADMIN), &defaults).unwrap();
    established(&kubectl).await.unwrap();
    releases.put("install", "acme", "ops", &former(&Chart::OPERATOR), &values).unwrap();
    let samples = path("config/samples/facebookchannels.yaml").display().to_string();
    kubectl.run(&["apply", "--server-side", "--filename", &samples]).await.unwrap();
    let before = labeled(&kubectl, "acme").await.unwrap();
    assert!(before.contains("Deployment ops/acme-meta-channel-operator"), "{before:#?}");

    releases.put("upgrade", "admin", "default", &Chart::ADMIN.path(), &defaults).unwrap();
    established(&kubectl).await.unwrap();
    releases.put("upgrade", "acme", "ops", &Chart::OPERATOR.path(), &values).unwrap();
    let expected = Chart::OPERATOR.render(&values).unwrap();
    assert_eq!(labeled(&kubectl, "acme").await.unwrap(), names(&expected), "what went, what came, and no more");
    let installed = Manifests::list(&kubectl.get(&["deployments", "--namespace=ops"]).await.unwrap()).unwrap();
    for component in ["operator", "gateway"] {
        let launch = |manifests| Launch::of(manifests, component, "pod").unwrap();
        assert_eq!(launch(&installed), launch(&expected));
    }
    let admin = names(&Chart::ADMIN.render(&defaults).unwrap());
    assert_eq!(labeled(&kubectl, "admin").await.unwrap(), admin);

    releases.uninstall("acme", "ops").unwrap();
    assert_eq!((labeled(&kubectl, "acme").await.unwrap().len(), remembered(&kubectl, "acme").await.unwrap()), (0, 0));
    releases.uninstall("admin", "default").unwrap();
    let kept = |name: &&String| name.starts_with("CustomResourceDefinition ") || *name == "Namespace meta-channels";
    let left = labeled(&kubectl, "admin").await.unwrap();
    assert_eq!(left, admin.iter().filter(kept).cloned().collect());
    assert_eq!((left.len(), remembered(&kubectl, "admin").await.unwrap()), (5, 0));
    let channels = kubectl.get(&["facebookchannels", "--all-namespaces"]).await.unwrap();
    assert_eq!(channels["items"].as_array().unwrap().len(), 3, "no release takes what people declared");
}

/// A tenant's objects come and go with their release.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_takes_out_of_the_values_goes() {
    let cluster = cluster().await;
    let kubectl = cluster.kubectl();
    let releases = Releases { cluster: &cluster, helm };
    releases.put("install", "admin", "default", &Chart::ADMIN.path(), &Chart::ADMIN.example("default")).unwrap();
    established(&kubectl).await.unwrap();
    for (verb, example) in [("install", "full"), ("upgrade", "tenant")] {
        let values = Chart::CHANNELS.example(example);
        releases.put(verb, "shops", "tenant-a", &Chart::CHANNELS.path(), &values).unwrap();
        let mut expected = names(&Chart::CHANNELS.render_as("shops", "tenant-a", &values, &[]).unwrap());
        // It is annotated to be kept.
        expected.insert("MetaApp tenant-a/acme".to_owned());
        assert_eq!(labeled(&kubectl, "shops").await.unwrap(), expected, "{example}");
    }
    releases.uninstall("shops", "tenant-a").unwrap();
    assert_eq!(labeled(&kubectl, "shops").await.unwrap(), ["MetaApp tenant-a/acme".to_owned()].into());
}

/// Nobody is forced to Helm 4.
#[tokio::test(flavor = "multi_thread")]
async fn helm_3_renders_the_same_and_installs_it() {
    for chart in Chart::ALL {
        for values in chart.examples().unwrap() {
            let mut template = helm3().unwrap();
            // Which Kubernetes it renders for without a cluster is settled when Helm is released.
            template.args(["template", "acme", "--namespace=ops", "--kube-version=1.36.3"]);
            template.arg(chart.path()).arg("--values").arg(&values);
            let found = Manifests::parse(&run(&mut template).unwrap()).unwrap().sorted();
            assert!(found == chart.render(&values).unwrap().sorted(), "{}", values.display());
        }
    }
    let cluster = cluster().await;
    let kubectl = cluster.kubectl();
    let releases = Releases { cluster: &cluster, helm: helm3 };
    releases.put("install", "admin", "default", &Chart::ADMIN.path(), &Chart::ADMIN.example("default")).unwrap();
    established(&kubectl).await.unwrap();
    let values = path("tests/packaging/data/former-values.yaml");
    releases.put("install", "acme", "ops", &Chart::OPERATOR.path(), &values).unwrap();
    releases.put("install", "shops", "tenant-a", &Chart::CHANNELS.path(), &Chart::CHANNELS.example("tenant")).unwrap();
    releases.put("upgrade", "acme", "ops", &Chart::OPERATOR.path(), &values).unwrap();
    assert_eq!(labeled(&kubectl, "acme").await.unwrap(), names(&Chart::OPERATOR.render(&values).unwrap()));
    for (release, namespace) in [("shops", "tenant-a"), ("acme", "ops")] {
        releases.uninstall(release, namespace).unwrap();
        assert_eq!(labeled(&kubectl, release).await.unwrap().len(), 0, "{release}");
    }
}
