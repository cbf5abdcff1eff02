//! What a release of the operator's chart consists of.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::launch::Launch;
use crate::support::{Chart, Manifests, kustomize};

/// Everything the chart may ever make. No ClusterRole, no ClusterRoleBinding, no kind of ours, nothing without a namespace.
const KINDS: [&str; 14] = [
    "ConfigMap",
    "Deployment",
    "HTTPRoute",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
];

fn example(name: &str) -> Manifests {
    Chart::OPERATOR.render(&Chart::OPERATOR.example(name)).unwrap()
}

fn with(arguments: &[&str]) -> Manifests {
    Chart::OPERATOR.render_with(&Chart::OPERATOR.example("sandbox"), arguments).unwrap()
}

#[test]
fn a_release_stays_within_namespaces() {
    let mut seen = BTreeSet::new();
    for values in Chart::OPERATOR.examples().unwrap() {
        for object in Chart::OPERATOR.render(&values).unwrap().iter() {
            let kind = object["kind"].as_str().unwrap();
            assert!(KINDS.contains(&kind), "{kind} in {}", values.display());
            assert!(object["metadata"]["namespace"].is_string(), "{kind} without a namespace");
            seen.insert(kind.to_owned());
        }
    }
    assert_eq!(seen, KINDS.map(str::to_owned).into(), "between them the examples show everything");
}

#[test]
fn every_object_carries_the_standard_labels() {
    for object in example("full").iter() {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "meta-channel-operator");
        assert_eq!(labels["app.kubernetes.io/instance"], "acme");
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
        assert_eq!(labels["app.kubernetes.io/part-of"], "meta-channel-operator");
        assert_eq!(labels["app.kubernetes.io/version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["helm.sh/chart"], concat!("meta-channel-operator-", env!("CARGO_PKG_VERSION")));
        assert!(["operator", "gateway"].map(Value::from).contains(&labels["app.kubernetes.io/component"]));
        assert_eq!(labels["example.com/team"], "messaging");
    }
}

#[test]
fn settings_become_flags() {
    let operator = Launch::of(&example("full"), "operator", "pod").unwrap();
    let flags = [
        ("--watch-namespaces", "platform,tenant-a,tenant-b"),
        ("--max-objects-per-namespace", "1000000"),
        ("--claims-namespace", "page-claims"),
        ("--graph-url", "https://graph.facebook.com"),
        ("--graph-proxy-url", "http://proxy.example.com:3128"),
        ("--graph-timeout", "10s"),
        ("--gateway-url", "https://hooks.example.com"),
        ("--keyring", "channels-gateway-keyring"),
        ("--metrics-addr", "0.0.0.0:8080"),
        ("--concurrency", "4"),
        ("--probe-period", "5m"),
        ("--token-probe-period", "24h"),
        ("--app-probe-period", "1h"),
        ("--staleness-limit", "1h"),
        ("--leader-elect", "true"),
        ("--leader-election-id", "channels"),
        ("--lease-duration", "60s"),
        ("--lease-renew-deadline", "40s"),
        ("--lease-retry-period", "5s"),
        ("--log-format", "human"),
        ("--log-filter", "info,meta_channel_operator=debug"),
    ];
    let flags = flags.map(|(name, value)| format!("{name}={value}"));
    assert_eq!(
        operator.args[1..],
        [&flags[..], &["--edit-interval=2m".to_owned()]].concat(),
        "what is added comes last"
    );

    let gateway = Launch::of(&example("full"), "gateway", "pod").unwrap();
    assert_eq!(gateway.service_account, "hooks");
    assert_eq!(gateway.flag("--watch-namespaces"), Some("platform,tenant-a,tenant-b"));
    assert_eq!(gateway.flag("--max-objects-per-namespace"), Some("1000000"));
    // By the name of the release, so that two do not share one in a namespace.
    assert_eq!(gateway.flag("--keyring"), Some("channels-gateway-keyring"));
    assert_eq!(gateway.flag("--listen-addr"), Some("0.0.0.0:8080"));
    assert_eq!(gateway.flag("--metrics-addr"), Some("0.0.0.0:8081"));
    assert_eq!(gateway.args.last().unwrap(), "--inbox-namespace=ops");
}

#[test]
fn the_image_is_taken_from_the_registry_that_is_named() {
    let images = |arguments: &[&str]| -> BTreeSet<String> {
        let manifests = with(arguments);
        let images: Vec<_> = manifests.of_kind("Deployment").map(|it| &container(it)["image"]).collect();
        assert_eq!(images.len(), 2, "operator and gateway");
        images.iter().map(|image| image.as_str().unwrap().to_owned()).collect()
    };
    let cases: [(&[&str], &str); 3] = [
        (&["--set=image.tag=one"], "ghcr.io/meta-channel-operator/meta-channel-operator:one"),
        (
            &["--set=image.tag=one,image.registry=registry.example.com:5000/mirror"],
            "registry.example.com:5000/mirror/ghcr.io/meta-channel-operator/meta-channel-operator:one",
        ),
        (
            &["--set=image.tag=one,image.registry=registry.example.com,image.repository=mco"],
            "registry.example.com/mco:one",
        ),
    ];
    for (arguments, image) in cases {
        assert_eq!(images(arguments), [image.to_owned()].into(), "{arguments:?}");
    }
    let digest = format!("sha256:{}", "0".repeat(64));
    let expected = format!("registry.example.com:5000/mirror/meta-channel-operator@{digest}");
    assert!(example("full").of_kind("Deployment").all(|it| container(it)["image"] == expected));
}

#[test]
fn a_test_graph_is_allowed_only_on_demand() {
    let allowed =
        |name| Launch::of(&example(name), "operator", "pod").unwrap().args.contains(&"--allow-test-graph".into());
    assert!(allowed("sandbox"));
    assert!(!allowed("minimal") && !allowed("full"));
}

#[test]
fn without_an_election_two_operators_never_overlap() {
    let deployment = |manifests: &Manifests| manifests.one("Deployment", "acme-meta-channel-operator").unwrap().clone();
    assert_eq!(deployment(&example("minimal"))["spec"]["strategy"]["type"], "RollingUpdate");
    let alone = example("sandbox");
    assert_eq!(deployment(&alone)["spec"]["strategy"]["type"], "Recreate");
    assert_eq!(Launch::of(&alone, "operator", "pod").unwrap().flag("--leader-elect"), Some("false"));
}

#[test]
fn two_releases_in_one_namespace_hold_leases_of_their_own() {
    let lease = |release| {
        let manifests = Chart::OPERATOR.render_as(release, "ops", &Chart::OPERATOR.example("minimal"), &[]).unwrap();
        Launch::of(&manifests, "operator", "pod").unwrap().flag("--leader-election-id").unwrap().to_owned()
    };
    assert_ne!(lease("acme"), lease("other"));
}

#[test]
fn releases_of_one_name_do_not_meet_in_the_claims_namespace() {
    let claims = |namespace| {
        let manifests = Chart::OPERATOR.render_as("acme", namespace, &Chart::OPERATOR.example("minimal"), &[]).unwrap();
        let mut roles = manifests.of_kind("Role").filter(|role| role["metadata"]["namespace"] == "meta-channels");
        roles.next().unwrap()["metadata"]["name"].clone()
    };
    assert_ne!(claims("ops"), claims("ops-2"));
}

#[test]
fn names_stay_within_their_limits_whatever_the_release_is_called() {
    let longest = format!("a.{}", "b".repeat(51));
    let manifests = Chart::OPERATOR.render_as(&longest, "ops", &Chart::OPERATOR.example("sandbox"), &[]).unwrap();
    for service in manifests.of_kind("Service") {
        let name = service["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63 && !name.contains('.'), "{name}");
    }
    let names: BTreeSet<_> = manifests.names().into_iter().collect();
    assert_eq!(names.len(), manifests.names().len(), "cut names must not meet");
}

#[test]
fn a_switch_brings_what_belongs_to_it() {
    let gateway = |it: &Value| it["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway";
    assert_eq!(example("minimal").iter().filter(|it| gateway(it)).count(), 0);
    assert!(Launch::of(&example("minimal"), "operator", "pod").unwrap().flag("--gateway-url").is_none());

    let count = |manifests: &Manifests, kind| manifests.of_kind(kind).count();
    assert_eq!(count(&with(&[]), "PodDisruptionBudget"), 0, "one replica");
    assert_eq!(count(&with(&["--set=gateway.replicas=2"]), "PodDisruptionBudget"), 1);
    let two = Chart::OPERATOR.render_with(&Chart::OPERATOR.example("minimal"), &["--set=operator.replicas=2"]).unwrap();
    assert_eq!(count(&two, "PodDisruptionBudget"), 1, "the operator's");
    assert_eq!(count(&with(&["--set=networkPolicy.enabled=true"]), "NetworkPolicy"), 2);
    assert_eq!(count(&with(&["--set=networkPolicy.enabled=false"]), "NetworkPolicy"), 0);
    assert_eq!(count(&with(&["--set=serviceMonitor.enabled=true"]), "ServiceMonitor"), 2);
    assert_eq!(count(&with(&["--set=podMonitor.enabled=true"]), "PodMonitor"), 2);
    assert_eq!(count(&with(&[]), "Ingress") + count(&with(&[]), "HTTPRoute"), 0);
    assert_eq!(count(&with(&["--set=rbac.create=false"]), "Role"), 0);
    assert_eq!(count(&with(&["--set=rbac.create=false"]), "RoleBinding"), 0);
    let foreign = with(&["--set=operator.serviceAccount.create=false,operator.serviceAccount.name=mine"]);
    assert_eq!(count(&foreign, "ServiceAccount"), 1, "the gateway's");
    assert_eq!(Launch::of(&foreign, "operator", "pod").unwrap().service_account, "mine");
}

#[test]
fn metrics_are_no_part_of_the_public_service() {
    let manifests = example("full");
    let ports = |name: &str| manifests.one("Service", name).unwrap()["spec"]["ports"].clone();
    assert_eq!(ports("channels-gateway"), json!([{"name": "http", "port": 8443, "targetPort": "http"}]));
    assert_eq!(ports("channels-gateway-metrics"), json!([{"name": "metrics", "port": 8081, "targetPort": "metrics"}]));
}

#[test]
fn probes_ask_the_listener_that_answers_them() {
    for deployment in example("full").of_kind("Deployment") {
        let container = container(deployment);
        let probes = [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")];
        for (probe, path) in probes {
            assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "metrics"}));
        }
        let launch = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        let address = launch.filter_map(|arg| arg.strip_prefix("--metrics-addr=")).next().unwrap();
        let declared = container["ports"].as_array().unwrap().iter().find(|port| port["name"] == "metrics").unwrap();
        assert_eq!(address, format!("0.0.0.0:{}", declared["containerPort"]));
    }
}

#[test]
fn a_pod_gets_what_it_is_given_and_keeps_what_it_needs() {
    let full = example("full");
    let pod = |name: &str| full.one("Deployment", name).unwrap()["spec"]["template"]["spec"].clone();
    let operator = pod("channels");
    assert_eq!(operator["affinity"]["nodeAffinity"].as_object().unwrap().len(), 1);
    assert_eq!(operator["topologySpreadConstraints"][0]["topologyKey"], "topology.kubernetes.io/zone");
    assert_eq!(operator["volumes"], json!([{"name": "certificates", "configMap": {"name": "proxy-certificates"}}]));
    let container = &operator["containers"][0];
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/etc/ssl/certs");
    let names: Vec<_> = container["env"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["POD_NAME", "POD_NAMESPACE", "SSL_CERT_FILE"]);
    // What is given to one is not given to the other, which is spread by default.
    let gateway = pod("channels-gateway");
    assert!(gateway["volumes"].is_null() && gateway["affinity"].is_null());
    assert_eq!(gateway["topologySpreadConstraints"][0]["topologyKey"], "kubernetes.io/hostname");
}

#[test]
fn chart_and_bases_ask_for_the_same_resources_and_limit_no_cpu() {
    let (release, bases) = (example("podmonitor"), kustomize("tests/packaging/overlays/with-gateway").unwrap());
    let resources = |manifests: &Manifests, component| {
        let labels = |it: &&Value| it["metadata"]["labels"]["app.kubernetes.io/component"] == component;
        container(manifests.of_kind("Deployment").find(labels).unwrap())["resources"].clone()
    };
    for component in ["operator", "gateway"] {
        let asked = resources(&release, component);
        assert_eq!(asked, resources(&bases, component), "{component}");
        assert!(asked["requests"]["memory"].is_string() && asked["limits"]["cpu"].is_null(), "{component}: {asked}");
    }
}

#[test]
fn a_proxy_for_graph_is_told_to_operator_and_gateway_and_to_nobody_unless_it_is_declared() {
    for (name, expected) in [("full", vec!["http://proxy.example.com:3128"]), ("minimal", vec![])] {
        for deployment in example(name).of_kind("Deployment") {
            let args = container(deployment)["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
            let proxies: Vec<_> = args.filter_map(|arg| arg.strip_prefix("--graph-proxy-url=")).collect();
            assert_eq!(proxies, expected, "{name}");
        }
    }
}

#[test]
fn pods_have_user_namespaces_of_their_own_if_the_cluster_can_and_it_is_said() {
    for (name, expected) in [("full", json!(false)), ("minimal", Value::Null)] {
        let manifests = example(name);
        let deployments: Vec<_> = manifests.of_kind("Deployment").collect();
        assert!(!deployments.is_empty());
        for deployment in deployments {
            assert_eq!(deployment["spec"]["template"]["spec"]["hostUsers"], expected, "{name}");
        }
    }
}

#[test]
fn the_notes_say_what_the_person_must_know() {
    let notes = Chart::OPERATOR.notes(&Chart::OPERATOR.example("sandbox")).unwrap();
    assert!(notes.contains("  - tenant-b\n"), "{notes}");
    assert!(notes.contains("tokens and secrets are sent to http://127.0.0.1:8080"), "{notes}");
    assert!(notes.contains("Route https://hooks.example.com/webhooks/ and /oauth/ to\n  Service acme-"), "{notes}");
    let notes = Chart::OPERATOR.notes(&Chart::OPERATOR.example("minimal")).unwrap();
    assert!(!notes.contains("allowTestGraph") && notes.contains("gateway.enabled=true"), "{notes}");
    let notes = Chart::OPERATOR.notes(&Chart::OPERATOR.example("full")).unwrap();
    for route in ["ingress", "httproute"] {
        assert!(notes.contains(&format!("kubectl -n ops get {route} channels-gateway\n")), "{notes}");
    }
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}
