//! What the charts say of themselves, to Helm and to Artifact Hub.

use serde_json::{Value, json};

use crate::support::{Chart, Manifests, kustomize, read, yaml_files};

const REPOSITORY: &str = "https://github.com/meta-channel-operator/meta-channel-operator";
const IMAGE: &str = concat!("ghcr.io/meta-channel-operator/meta-channel-operator:", env!("CARGO_PKG_VERSION"));

fn metadata(chart: &Chart) -> Value {
    serde_yaml_ng::from_str(&read(&chart.file("Chart.yaml")).unwrap()).unwrap()
}

/// What stands as YAML in an annotation for Artifact Hub.
fn for_artifact_hub(chart: &Chart, key: &str) -> Value {
    let text = metadata(chart)["annotations"][format!("artifacthub.io/{key}")].as_str().map(str::to_owned);
    serde_yaml_ng::from_str(&text.unwrap_or_else(|| panic!("{} has no {key}", chart.name()))).unwrap()
}

/// One object of each kind, as Artifact Hub shows them.
pub(crate) fn examples() -> Manifests {
    Manifests::list(&json!({"items": for_artifact_hub(&Chart::ADMIN, "crdsExamples")})).unwrap()
}

#[test]
fn charts_images_and_bases_carry_the_programs_version() {
    for chart in Chart::ALL {
        let metadata = metadata(&chart);
        assert_eq!(
            (&metadata["version"], &metadata["appVersion"]),
            (&env!("CARGO_PKG_VERSION").into(), &env!("CARGO_PKG_VERSION").into())
        );
    }
    let release = Chart::OPERATOR.render(&Chart::OPERATOR.example("minimal")).unwrap();
    for manifests in [release, kustomize("tests/packaging/overlays/with-gateway").unwrap()] {
        for deployment in manifests.of_kind("Deployment") {
            assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], IMAGE);
        }
    }
    let images = for_artifact_hub(&Chart::OPERATOR, "images");
    assert_eq!(images, json!([{"name": "meta-channel-operator", "image": IMAGE}]));
}

#[test]
fn every_chart_says_where_it_comes_from_under_which_license_and_what_it_needs() {
    for chart in Chart::ALL {
        let metadata = metadata(&chart);
        let name = chart.name();
        assert_eq!((&metadata["home"], &metadata["sources"]), (&REPOSITORY.into(), &json!([REPOSITORY])), "{name}");
        assert_eq!(metadata["kubeVersion"], ">=1.32.0-0", "{name}");
        assert_eq!(metadata["annotations"]["artifacthub.io/license"], env!("CARGO_PKG_LICENSE"), "{name}");
        let links = for_artifact_hub(&chart, "links");
        let links: Vec<_> = links.as_array().unwrap().iter().map(|link| link["url"].as_str().unwrap()).collect();
        assert!(links.len() == 2 && links.iter().all(|link| link.starts_with(REPOSITORY)), "{name}: {links:?}");
    }
}

#[test]
fn artifact_hub_is_told_of_every_kind_with_an_example() {
    let told = for_artifact_hub(&Chart::ADMIN, "crds");
    let kinds: Vec<Value> = yaml_files("charts/meta-channel-operator-admin/files/crds")
        .unwrap()
        .iter()
        .map(|file| serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
        .collect();
    assert_eq!((told.as_array().unwrap().len(), kinds.len(), examples().iter().count()), (4, 4, 4));
    for crd in kinds {
        let (name, version) = (&crd["metadata"]["name"], &crd["spec"]["versions"][0]);
        let told = told.as_array().unwrap().iter().find(|it| it["name"] == *name).unwrap();
        assert_eq!((&told["kind"], &told["version"]), (&crd["spec"]["names"]["kind"], &version["name"]));
        assert_eq!(told["description"], version["schema"]["openAPIV3Schema"]["description"]);
        assert_eq!(examples().of_kind(told["kind"].as_str().unwrap()).count(), 1, "{name}");
    }
}
