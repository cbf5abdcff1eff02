//! What brings the public to the gateway, if the chart makes it.

use serde_json::{Value, json};

use crate::support::{Chart, Manifests};

fn full() -> Manifests {
    Chart::OPERATOR.render(&Chart::OPERATOR.example("full")).unwrap()
}

/// A release with a gateway, and what these arguments add.
fn with(arguments: &str) -> Manifests {
    Chart::OPERATOR.render_with(&Chart::OPERATOR.example("sandbox"), &[arguments]).unwrap()
}

/// The port of the Service that the gateway's public port is behind, by name and by number.
fn public_port(manifests: &Manifests, service: &str) -> Value {
    manifests.one("Service", service).unwrap()["spec"]["ports"][0].clone()
}

#[test]
fn an_ingress_leads_the_host_of_the_url_to_the_public_paths_and_nowhere_else() {
    let full = full();
    let ingress = full.one("Ingress", "channels-gateway").unwrap();
    assert_eq!(ingress["metadata"]["annotations"], json!({"cert-manager.io/cluster-issuer": "public"}));
    let spec = &ingress["spec"];
    assert_eq!(spec["ingressClassName"], "nginx");
    assert_eq!(spec["tls"], json!([{"hosts": ["hooks.example.com"], "secretName": "hooks-certificate"}]));
    assert_eq!(public_port(&full, "channels-gateway")["name"], "http");
    let backend = json!({"service": {"name": "channels-gateway", "port": {"name": "http"}}});
    let paths =
        ["/webhooks", "/oauth"].map(|path| json!({"path": path, "pathType": "Prefix", "backend": backend.clone()}));
    assert_eq!(spec["rules"], json!([{"host": "hooks.example.com", "http": {"paths": paths}}]));
    assert!(spec["defaultBackend"].is_null());
}

#[test]
fn a_route_of_the_gateway_api_does_the_same() {
    let full = full();
    let route = full.one("HTTPRoute", "channels-gateway").unwrap();
    assert_eq!(route["metadata"]["annotations"], json!({"example.com/owner": "platform"}));
    let spec = &route["spec"];
    assert_eq!(spec["parentRefs"], json!([{"name": "public", "namespace": "gateways", "sectionName": "https"}]));
    assert_eq!(spec["hostnames"], json!(["hooks.example.com"]));
    let matches = ["/webhooks", "/oauth"].map(|path| json!({"path": {"type": "PathPrefix", "value": path}}));
    let port = &public_port(&full, "channels-gateway")["port"];
    assert_eq!(
        spec["rules"],
        json!([{"matches": matches, "backendRefs": [{"name": "channels-gateway", "port": port}]}])
    );
}

#[test]
fn the_host_is_that_of_the_url_without_its_port_and_nobody_is_named_who_was_not() {
    let arguments = "--set=gateway.url=https://Hooks.example.com:8443,gateway.ingress.enabled=true";
    let manifests = with(arguments);
    let spec = manifests.of_kind("Ingress").next().unwrap()["spec"].clone();
    assert_eq!(spec["rules"][0]["host"], "hooks.example.com");
    assert!(spec["tls"].is_null() && spec["ingressClassName"].is_null(), "{spec}");
    assert_eq!(manifests.of_kind("HTTPRoute").count(), 0);
}
