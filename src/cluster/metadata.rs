//! Which parts of an object's metadata are kept. Tenants write it, each object up to more than a megabyte, and keeping
//! everything would fill the memory that all of them share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;

use crate::api::GROUP;

/// The longest value that is kept of an annotation; what is longer is cut. The longest of ours names pages.
const LONGEST: usize = 1024;

/// Bytes that are kept of all annotations together; what comes after that, by name, is dropped.
const TOGETHER: usize = 4 << 10;

/// Owners and finalizers that are kept, and the longest text in one.
const FEW: usize = 8;
const LONGEST_NAME: usize = 512;

/// Drops metadata that nobody here reads: managed fields, labels and annotations that are not ours, and what is too much.
pub(super) fn prune(object: &mut impl ResourceExt) {
    object.managed_fields_mut().clear();
    keep_ours(object.labels_mut());
    keep_ours(object.annotations_mut());
    let finalizers = object.finalizers_mut();
    finalizers.retain(|finalizer| finalizer.len() <= LONGEST_NAME);
    finalizers.truncate(FEW);
    let owners = object.owner_references_mut();
    owners.retain(is_named);
    owners.truncate(FEW);
}

/// Whether an owner is named as objects are.
fn is_named(owner: &OwnerReference) -> bool {
    [&owner.api_version, &owner.kind, &owner.name, &owner.uid].iter().all(|text| text.len() <= LONGEST_NAME)
}

fn keep_ours(all: &mut BTreeMap<String, String>) {
    let mut room = TOGETHER;
    all.retain(|name, value| {
        if name.split('/').next() != Some(GROUP) {
            return false;
        }
        if value.len() > LONGEST {
            value.truncate(value.floor_char_boundary(LONGEST));
            value.shrink_to_fit();
        }
        let size = name.len() + value.len();
        let fits = size <= room;
        room -= if fits { size } else { 0 };
        fits
    });
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn pruned(metadata: serde_json::Value) -> ConfigMap {
        let mut object: ConfigMap = serde_json::from_value(json!({ "metadata": metadata })).expect("an object");
        prune(&mut object);
        object
    }

    #[test]
    fn annotations_and_labels_of_others_go_and_ours_stay() {
        let ours = "metachannels.io/requested-at";
        let object = pruned(json!({
            "annotations": {ours: "now", "note": "x", "metachannels.io.example/requested-at": "x",
                "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "labels": {"metachannels.io/purpose": "page-token", "app": "x"},
            "managedFields": [{"manager": "x"}],
        }));
        assert_eq!(object.annotations().iter().collect::<Vec<_>>(), [(&ours.to_owned(), &"now".to_owned())]);
        assert_eq!(object.labels().keys().collect::<Vec<_>>(), ["metachannels.io/purpose"]);
        assert!(object.managed_fields().is_empty());
    }

    #[test]
    fn however_much_somebody_writes_little_is_kept() {
        let long = "\u{e4}".repeat(120_000);
        let many = |count: usize| (0..count).map(|n| (format!("metachannels.io/x{n:04}"), json!("x".repeat(100))));
        let mut annotations: serde_json::Map<_, _> = many(2000).collect();
        annotations.insert("metachannels.io/requested-at".to_owned(), json!(long));
        let owner = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u"});
        let object = pruned(json!({
            "annotations": annotations,
            "finalizers": vec!["x".repeat(100_000); 3],
            "ownerReferences": [owner("a"), owner(&long), owner("b")],
        }));
        let size: usize = object.annotations().iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(size <= TOGETHER, "{size}");
        assert!(object.annotations()["metachannels.io/requested-at"].len() <= LONGEST);
        assert!(object.finalizers().is_empty());
        assert_eq!(object.owner_references().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let owners: Vec<_> = (0..1000).map(|n| owner(&n.to_string())).collect();
        assert_eq!(pruned(json!({ "ownerReferences": owners })).owner_references().len(), FEW);
    }
}
