//! Who may do what: the same in the chart and in the kustomize bases, and no more than is meant.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Chart, Manifests, kustomize};

/// What an account may do, as `verb resource.group`, one each, with `/name` if it is about one object; how rules are grouped
/// makes no difference.
type Rights = BTreeSet<String>;

fn rights(role: &Value) -> Rights {
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        let keys: Vec<_> = rule.as_object().unwrap().keys().map(String::as_str).collect();
        let seen = ["apiGroups", "resourceNames", "resources", "verbs"];
        assert!(keys.iter().all(|key| seen.contains(key)), "a rule that this comparison cannot see whole: {keys:?}");
        let names: Vec<_> = match rule.get("resourceNames") {
            Some(names) => strings(names).map(|name| format!("/{name}")).collect(),
            None => vec![String::new()],
        };
        for group in strings(&rule["apiGroups"]) {
            for resource in strings(&rule["resources"]) {
                for name in &names {
                    rights.extend(strings(&rule["verbs"]).map(|verb| format!("{verb} {resource}.{group}{name}")));
                }
            }
        }
    }
    rights
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap())
}

fn rights_of(manifests: &Manifests, kind: &str, name: &str, namespace: Option<&str>) -> Rights {
    let found: Vec<_> = manifests
        .of_kind(kind)
        .filter(|role| role["metadata"]["name"] == name && role["metadata"]["namespace"].as_str() == namespace)
        .collect();
    assert_eq!(found.len(), 1, "{kind} {name} in {namespace:?} among {:#?}", manifests.names());
    rights(found[0])
}

fn spelled(rights: &[&str]) -> Rights {
    let mut all = Rights::new();
    for right in rights {
        let (verbs, resource) = right.split_once(' ').unwrap();
        all.extend(verbs.split(',').map(|verb| format!("{verb} {resource}")));
    }
    all
}

fn chart() -> Manifests {
    Chart::OPERATOR.render(&Chart::OPERATOR.example("sandbox")).unwrap()
}

/// With the election on, for the right to a Lease.
fn chart_with_election() -> Manifests {
    let values = Chart::OPERATOR.example("sandbox");
    Chart::OPERATOR.render_with(&values, &["--set=operator.leaderElection.enabled=true"]).unwrap()
}

#[test]
fn the_operator_may_do_in_a_watched_namespace_what_it_needs_and_nothing_else() {
    let expected = spelled(&[
        "list,watch metaapps.metachannels.io",
        "list,watch metagrants.metachannels.io",
        "get,list,watch facebookchannels.metachannels.io",
        "patch metaapps/status.metachannels.io",
        "patch metagrants/status.metachannels.io",
        "patch facebookchannels/status.metachannels.io",
        "get,list,watch,create,update,delete secrets.",
        "get services.",
        "create,patch events.events.k8s.io",
        "list,watch configmaps./metachannels-release",
        "get namespaces.",
    ]);
    for namespace in ["platform", "tenant-a", "tenant-b"] {
        assert_eq!(rights_of(&chart(), "Role", "ops.acme-meta-channel-operator", Some(namespace)), expected);
    }
    let base = kustomize("config/rbac").unwrap();
    assert_eq!(rights_of(&base, "ClusterRole", "meta-channel-operator", None), expected);
}

#[test]
fn the_operator_writes_claims_only_in_the_claims_namespace() {
    let expected = spelled(&[
        "get,list,watch,create,update assetclaims.metachannels.io",
        "update assetclaims/status.metachannels.io",
        "create,patch events.events.k8s.io",
    ]);
    let name = "ops.acme-meta-channel-operator-claims";
    assert_eq!(rights_of(&chart(), "Role", name, Some("meta-channels")), expected);
    let base = kustomize("config/claims").unwrap();
    assert_eq!(rights_of(&base, "Role", "meta-channel-operator-claims", Some("meta-channels")), expected);
}

#[test]
fn the_operator_holds_leases_in_its_own_namespace_if_it_takes_part_in_an_election() {
    let expected = spelled(&["get,create,update leases.coordination.k8s.io", "create,patch events.events.k8s.io"]);
    let name = "acme-meta-channel-operator-leases";
    assert_eq!(rights_of(&chart_with_election(), "Role", name, Some("ops")), expected);
    assert!(chart().one("Role", name).is_err(), "without an election there is nothing to hold");
    let base = kustomize("config/rbac").unwrap();
    assert_eq!(rights_of(&base, "Role", "meta-channel-operator-leases", Some("meta-channel-system")), expected);
}

#[test]
fn the_gateway_reads_the_kinds_of_tenants_reports_on_channels_and_reads_no_secret() {
    let expected = spelled(&[
        "list,watch metaapps.metachannels.io",
        "list,watch metagrants.metachannels.io",
        "list,watch facebookchannels.metachannels.io",
        "patch facebookchannels/status.metachannels.io",
        "report facebookchannels/inbound.metachannels.io",
    ]);
    for namespace in ["platform", "tenant-a", "tenant-b"] {
        assert_eq!(rights_of(&chart(), "Role", "ops.acme-meta-channel-operator-gateway", Some(namespace)), expected);
    }
    let base = kustomize("tests/packaging/overlays/with-gateway").unwrap();
    assert_eq!(rights_of(&base, "ClusterRole", "meta-channel-gateway", None), expected);
}

#[test]
fn the_gateway_leaves_mail_that_only_the_operator_can_read_and_reads_the_keyring_that_only_the_operator_can_write() {
    let base = kustomize("tests/packaging/overlays/with-gateway").unwrap();
    let rows = [
        (
            ("acme-meta-channel-operator-gateway-inbox", "meta-channel-gateway-inbox"),
            vec!["create secrets.", "post inboxes.metachannels.io"],
            "list,watch",
        ),
        (
            ("acme-meta-channel-operator-inbox", "meta-channel-operator-inbox"),
            vec!["get,list,watch,create,delete secrets.", "collect inboxes.metachannels.io"],
            "patch",
        ),
    ];
    for ((in_chart, in_base), rights, of_the_keyring) in rows {
        let expected = |keyring: &str| {
            let named = format!("{of_the_keyring} secrets./{keyring}");
            spelled(&[&rights[..], &[named.as_str()]].concat())
        };
        let keyring = "acme-meta-channel-operator-gateway-keyring";
        assert_eq!(rights_of(&chart(), "Role", in_chart, Some("ops")), expected(keyring));
        let keyring = "meta-channel-gateway-keyring";
        assert_eq!(rights_of(&base, "Role", in_base, Some("meta-channel-system")), expected(keyring));
    }
    let without = Chart::OPERATOR.render(&Chart::OPERATOR.example("minimal")).unwrap();
    assert!(without.one("Role", "acme-meta-channel-operator-inbox").is_err(), "without a gateway there is no mail");
}

/// Who gets each role, as `RoleBinding namespace/role -> account`.
fn bindings(manifests: &Manifests) -> Vec<String> {
    let kinds = ["RoleBinding", "ClusterRoleBinding"];
    let mut all = Vec::new();
    for binding in kinds.iter().flat_map(|kind| manifests.of_kind(kind)) {
        let place = binding["metadata"]["namespace"].as_str().unwrap_or("*");
        let role = binding["roleRef"]["name"].as_str().unwrap();
        for subject in binding["subjects"].as_array().unwrap() {
            assert_eq!(subject["kind"], "ServiceAccount");
            let account = (subject["namespace"].as_str().unwrap(), subject["name"].as_str().unwrap());
            all.push(format!("{place}: {role} -> {}/{}", account.0, account.1));
        }
    }
    all.sort();
    all
}

#[test]
fn the_chart_binds_roles_in_the_namespaces_it_was_given() {
    let operator = "ops/acme-meta-channel-operator";
    let mut expected = vec![
        format!("meta-channels: ops.acme-meta-channel-operator-claims -> {operator}"),
        format!("ops: acme-meta-channel-operator-leases -> {operator}"),
        format!("ops: acme-meta-channel-operator-inbox -> {operator}"),
        format!("ops: acme-meta-channel-operator-gateway-inbox -> {operator}-gateway"),
    ];
    for namespace in ["platform", "tenant-a", "tenant-b"] {
        expected.push(format!("{namespace}: ops.acme-meta-channel-operator -> {operator}"));
        expected.push(format!("{namespace}: ops.acme-meta-channel-operator-gateway -> {operator}-gateway"));
    }
    expected.sort();
    assert_eq!(bindings(&chart_with_election()), expected);
    for role in chart_with_election().of_kind("RoleBinding") {
        assert_eq!(role["roleRef"]["kind"], "Role");
    }
}

#[test]
fn the_default_base_binds_nothing_everywhere() {
    let (operator, gateway) = ("meta-channel-system/meta-channel-operator", "meta-channel-system/meta-channel-gateway");
    let mut expected = vec![
        format!("meta-channel-system: meta-channel-operator-leases -> {operator}"),
        format!("meta-channels: meta-channel-operator-claims -> {operator}"),
    ];
    for namespace in ["platform", "tenant-a", "tenant-b"] {
        expected.push(format!("{namespace}: meta-channel-operator -> {operator}"));
    }
    assert_eq!(bindings(&kustomize("config/default").unwrap()), expected);
    expected.push(format!("meta-channel-system: meta-channel-operator-inbox -> {operator}"));
    expected.push(format!("meta-channel-system: meta-channel-gateway-inbox -> {gateway}"));
    for namespace in ["platform", "tenant-a", "tenant-b"] {
        expected.push(format!("{namespace}: meta-channel-gateway -> {gateway}"));
    }
    expected.sort();
    assert_eq!(bindings(&kustomize("tests/packaging/overlays/with-gateway").unwrap()), expected);

    let everywhere = bindings(&kustomize("tests/packaging/overlays/cluster-wide-with-gateway").unwrap());
    for binding in [format!("*: meta-channel-operator -> {operator}"), format!("*: meta-channel-gateway -> {gateway}")]
    {
        assert!(everywhere.contains(&binding), "{everywhere:#?}");
    }
    assert!(!everywhere.iter().any(|binding| binding.starts_with("tenant-a")), "{everywhere:#?}");
}

#[test]
fn people_get_the_same_roles_from_the_admin_chart_and_from_the_base() {
    let chart = Chart::ADMIN.render(&Chart::ADMIN.example("default")).unwrap();
    let base = kustomize("config/rbac").unwrap();
    for role in ["view", "edit", "admin", "bind"] {
        let name = format!("metachannels-{role}");
        let (left, right) = (chart.one("ClusterRole", &name).unwrap(), base.one("ClusterRole", &name).unwrap());
        assert_eq!(rights(left), rights(right));
        assert_eq!(aggregation(left), aggregation(right));
        let own = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        assert!(if role == "bind" { aggregation(left).is_empty() } else { aggregation(left).contains(&own) });
    }
    let edit = rights(chart.one("ClusterRole", "metachannels-edit").unwrap());
    assert!(!edit.iter().any(|right| right.contains("/status") || right.contains("assetclaims")), "{edit:#?}");
}

fn aggregation(role: &Value) -> BTreeSet<String> {
    let labels = role["metadata"]["labels"].as_object().into_iter().flatten();
    labels.map(|(key, _)| key).filter(|key| key.starts_with("rbac.authorization.k8s.io/")).cloned().collect()
}
