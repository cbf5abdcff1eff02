//! A webhook field that is likely mistyped is let in with a warning.

use anyhow::{Context, Result, ensure};
use meta_channel_operator::api::DEFAULT_FIELDS;
use meta_channel_operator::graph::PAGE_FIELDS;
use serde_json::{Value, json};
use testkit::wait_for;

use super::governed::*;
use crate::tools::Manifests;

const POLICY: &str = include_str!("../../../config/admission/policies/webhook_fields.yaml");

#[test]
fn the_policy_knows_the_fields_that_the_operator_knows() {
    let policy = Manifests::parse(POLICY).unwrap();
    let policy = policy.one("ValidatingAdmissionPolicy", "webhook-fields.metachannels.io").unwrap();
    let variables = policy["spec"]["variables"].as_array().unwrap();
    let known = variables.iter().find(|it| it["name"] == "known").unwrap()["expression"].as_str().unwrap();
    let known: Vec<_> = known.split('\'').skip(1).step_by(2).collect();
    assert_eq!(known, PAGE_FIELDS);
}

/// What kubectl writes to standard error when it tries out this object.
async fn warned(cluster: &Governed, object: &Value) -> Result<String> {
    let args = ["create", "--dry-run=server", "--namespace=tenant-a", "--filename=-"];
    let output = cluster.plane.kubectl().run_with_input(&args, Some(&object.to_string())).await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn app(fields: &[&str]) -> Value {
    json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaApp", "metadata": {"name": "fields"},
        "spec": {
            "appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}, "webhook": {"fields": fields},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_pages_are_not_known_to_have_is_let_in_with_a_warning_that_names_the_nearest() -> Result<()> {
    let cluster = governed().await?;
    // The policies come to count one after another.
    wait_for("the policy to count", PATIENCE, async || {
        ensure!(warned(&cluster, &app(&["mesages"])).await?.contains("Warning"), "not yet");
        Ok(())
    })
    .await?;
    let rows = [
        ("mesage_reads", "the webhook field mesage_reads; did you mean message_reads?"),
        ("messaging_handover", "did you mean messaging_handovers?"),
        ("fed", "the webhook field fed"),
        ("x", "the webhook field x"),
        ("something_else_altogether", "the webhook field something_else_altogether"),
    ];
    for (field, expected) in rows {
        let told = warned(&cluster, &app(&["messages", field])).await?;
        ensure!(told.contains("spec.webhook.fields: ") && told.contains(expected), "{told}");
        let mut channel = channel("fields");
        channel["apiVersion"] = "metachannels.io/v1alpha1".into();
        channel["kind"] = "FacebookChannel".into();
        channel["spec"]["subscribedFields"] = json!(["messages", field]);
        let told = warned(&cluster, &channel).await?;
        ensure!(told.contains("spec.subscribedFields: ") && told.contains(expected), "{told}");
    }
    let mut nothing = app(&[]);
    nothing["spec"]["webhook"].as_object_mut().context("a webhook")?.remove("fields");
    for object in [app(DEFAULT_FIELDS), nothing] {
        let told = warned(&cluster, &object).await?;
        ensure!(!told.contains("Warning"), "{told}");
    }
    // As many as may be declared, and as long as they may be.
    let many: Vec<_> =
        (0..60_u8).map(|number| format!("{}{}", "m".repeat(62), char::from(b'a' + number % 26))).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let told = warned(&cluster, &app(&many)).await?;
    ensure!(told.contains("Warning"), "{told}");
    Ok(())
}
