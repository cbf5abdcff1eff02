//! A gateway that forwards: alone, with a volume, and known to the operator.

use serde_json::{Value, json};

use crate::support::{Chart, Manifests};

fn forwarding() -> Manifests {
    Chart::OPERATOR.render(&Chart::OPERATOR.example("forwarding")).unwrap()
}

/// The arguments of the container of a Pod.
fn arguments(workload: &Value) -> Vec<&str> {
    let arguments = workload["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    arguments.iter().filter_map(Value::as_str).collect()
}

#[test]
fn it_is_a_stateful_set_of_one_with_a_volume_that_ends_with_the_release() {
    let manifests = forwarding();
    let gateway = manifests.of_kind("StatefulSet").next().unwrap();
    let name = gateway["metadata"]["name"].as_str().unwrap();
    assert!(manifests.of_kind("Deployment").all(|it| it["metadata"]["name"] != name));
    let spec = &gateway["spec"];
    assert_eq!((&spec["replicas"], &spec["serviceName"]), (&json!(1), &json!(name)));
    assert_eq!(spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Delete");
    assert_eq!(manifests.of_kind("PodDisruptionBudget").filter(|it| it["metadata"]["name"] == name).count(), 0);

    let claim = &spec["volumeClaimTemplates"][0];
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "20Gi");
    assert_eq!(claim["spec"]["storageClassName"], "encrypted");
    let pod = &spec["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|it| it["name"] == claim["metadata"]["name"]).unwrap();
    assert!(mounts.iter().any(|it| it["mountPath"] == "/certificates"), "{mounts:?}");
    let queue = format!("--queue={}", mount["mountPath"].as_str().unwrap());
    let given = arguments(gateway);
    for argument in [&*queue, "--deny-cidrs=203.0.113.0/24,2001:db8::/32", "--allow-cidrs=10.9.0.0/16"] {
        assert!(given.contains(&argument), "{argument}: {given:?}");
    }
    assert!(given.contains(&"--cluster-domain=example.internal"), "{given:?}");
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "512Mi");
}

#[test]
fn the_operator_knows_it_and_it_reaches_the_services_of_the_namespaces_that_are_managed() {
    let manifests = forwarding();
    assert!(arguments(manifests.of_kind("Deployment").next().unwrap()).contains(&"--forwarding"));
    let policies = manifests.of_kind("NetworkPolicy");
    let egress: Vec<_> = policies.flat_map(|it| it["spec"]["egress"].as_array().unwrap()).collect();
    let namespaces = json!([{"namespaceSelector": {"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["tenant-a", "tenant-b"]}
    ]}}]);
    let open = json!({"to": namespaces});
    assert_eq!(egress.iter().filter(|it| ***it == open).count(), 1, "{egress:?}");
}

#[test]
fn nothing_of_that_is_there_unless_it_is_asked_for() {
    let manifests = Chart::OPERATOR.render(&Chart::OPERATOR.example("full")).unwrap();
    assert_eq!(manifests.of_kind("StatefulSet").count(), 0);
    for deployment in manifests.of_kind("Deployment") {
        let given = arguments(deployment);
        assert!(!given.iter().any(|it| it.starts_with("--queue") || *it == "--forwarding"), "{given:?}");
    }
}

#[test]
fn the_group_of_the_volume_is_left_to_a_cluster_that_chooses_it() {
    let values = Chart::OPERATOR.example("forwarding");
    let manifests = Chart::OPERATOR.render_with(&values, &["--set=gateway.forwarding.volume.fsGroup=0"]).unwrap();
    let gateway = manifests.of_kind("StatefulSet").next().unwrap();
    assert!(gateway["spec"]["template"]["spec"]["securityContext"]["fsGroup"].is_null());
}

#[test]
fn without_a_gateway_or_with_flags_that_say_otherwise_it_is_refused_in_a_sentence() {
    let values = Chart::OPERATOR.example("forwarding");
    for (argument, sentence) in [
        ("--set=gateway.enabled=false", "gateway.forwarding.enabled is true but gateway.enabled is false"),
        ("--set=gateway.extraArgs={--queue=/tmp}", "--queue, which the chart sets from gateway.forwarding.enabled"),
        ("--set=gateway.forwarding.denyCidrs={10.0.0.1}", "denyCidrs"),
    ] {
        let error = Chart::OPERATOR.render_with(&values, &[argument]).unwrap_err();
        assert!(format!("{error:#}").contains(sentence), "{error:#}");
    }
}
