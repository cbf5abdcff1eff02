//! A webhook field that is likely mistyped is let in with a warning.

use anyhow::{Context, Result, ensure};
use meta_channel_operator::api::DEFAULT_FIELDS;
use meta_channel_operator::api::WebhookObject::Page;
use meta_channel_operator::api::webhook_fields::{ALIKE, WebhookField, webhook_fields};
use meta_channel_operator::graph::Version;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::Manifests;
use crate::support::admission_env::*;

const POLICY: &str = include_str!("../../../config/admission/policies/webhook_fields.yaml");

/// Where `make generate` writes the policy.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/admission/policies/webhook_fields.yaml");

/// The fields of pages.
fn fields() -> Vec<WebhookField> {
    webhook_fields().into_iter().filter(|field| field.object == Page).collect()
}

/// A list or map as it stands in the policy, in lines that are not too long.
fn laid_out(open: &str, entries: &[String], close: &str) -> String {
    let mut lines = vec![String::new()];
    for entry in entries {
        let last = lines.last_mut().unwrap();
        if last.len() + entry.len() > 108 {
            lines.push(String::new());
        }
        let last = lines.last_mut().unwrap();
        *last += if last.is_empty() { "" } else { " " };
        *last += &format!("{entry},");
    }
    let inside = lines.join("\n        ");
    format!("{open}\n        {}\n        {close}", inside.trim_end_matches(','))
}

/// The policy with what follows from the table.
fn written(policy: &str) -> String {
    let map = |of: fn(&WebhookField) -> Option<u16>| {
        let entry = |field: &WebhookField| Some(format!("'{}': {}", field.name, of(field)?));
        laid_out("{", &fields().iter().filter_map(entry).collect::<Vec<_>>(), "}")
    };
    let known: Vec<_> = fields().iter().map(|field| format!("'{}'", field.name)).collect();
    let values = [
        ("known", laid_out("[", &known, "]")),
        ("since", map(|field| field.since)),
        ("until", map(|field| field.until)),
        ("newest", Version::DEFAULT.major().to_string()),
        ("likeness", ALIKE.to_string()),
    ];
    values.iter().fold(policy.to_owned(), |policy, (name, value)| {
        let begin = format!("    - name: {name}\n      expression: >-\n");
        let (before, after) = policy.split_once(&begin).unwrap();
        let rest = after.lines().skip_while(|line| line.starts_with("        ")).collect::<Vec<_>>().join("\n");
        format!("{before}{begin}        {value}\n{rest}\n")
    })
}

#[test]
fn the_policy_of_webhook_fields_is_written_from_the_table() {
    let expected = written(POLICY);
    if std::env::var_os("UPDATE_POLICIES").is_some() {
        std::fs::write(PATH, expected).unwrap();
        return;
    }
    assert!(POLICY == expected, "the policy is out of date: run make generate");
    let policy = Manifests::parse(POLICY).unwrap();
    let policy = policy.one("ValidatingAdmissionPolicy", "webhook-fields.metachannels.io").unwrap();
    let variables = policy["spec"]["variables"].as_array().unwrap();
    let known = variables.iter().find(|it| it["name"] == "known").unwrap()["expression"].as_str().unwrap();
    let known: Vec<_> = known.split('\'').skip(1).step_by(2).collect();
    assert_eq!(known, fields().iter().map(|field| field.name).collect::<Vec<_>>());
}

/// What kubectl writes to standard error when it tries out this object.
async fn warned(cluster: &AdmissionEnv, object: &Value) -> Result<String> {
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
    let cluster = admission_env().await?;
    // The policies come to count one after another.
    wait_for("the policy to count", PATIENCE, async || {
        ensure!(warned(&cluster, &app(&["mesages"])).await?.contains("Warning"), "not yet");
        Ok(())
    })
    .await?;
    let rows = [
        ("mesage_reads", "the webhook field mesage_reads (did you mean message_reads?)"),
        ("messaging_handover", "did you mean messaging_handovers?"),
        ("message_postbacks", "(did you mean messaging_postbacks?)"),
        ("fed", "the webhook field fed (did you mean feed?)\n"),
        ("x", "the webhook field x\n"),
        ("something_else_altogether", "the webhook field something_else_altogether\n"),
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
    ensure!(told.contains("spec.webhook.fields: ") && told.contains(" and 55 more"), "{told}");
    Ok(())
}

/// What a hand does to a name: a letter missing, doubled, or changed with its neighbor; another prefix, another ending.
fn slips(name: &str) -> Vec<String> {
    let at = name.len() / 2;
    let (before, letter, after) = (&name[..at], &name[at..=at], &name[at + 1..]);
    let mut slips = vec![format!("{before}{after}"), format!("{before}{letter}{letter}{after}")];
    slips.extend(after.get(..1).map(|next| format!("{before}{next}{letter}{}", &after[1..])));
    slips.push(name.strip_suffix('s').map_or_else(|| format!("{name}s"), str::to_owned));
    let (long, short) = (name.strip_prefix("messaging_"), name.strip_prefix("message_"));
    slips.extend(long.map(|rest| format!("message_{rest}")));
    slips.extend(short.map(|rest| format!("messaging_{rest}")));
    slips.extend(long.or(short).map(str::to_owned));
    slips.retain(|slip| !Page.has(slip));
    slips
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistyped_field_gets_the_suggestion_that_the_operator_makes() -> Result<()> {
    let cluster = admission_env().await?;
    let slips: Vec<String> = fields().iter().flat_map(|field| slips(field.name)).collect();
    ensure!(slips.len() > 400, "{}", slips.len());
    let apps: Vec<_> =
        slips.chunks(5).map(|slips| app(&slips.iter().map(String::as_str).collect::<Vec<_>>())).collect();
    let mut told = String::new();
    for apps in apps.chunks(25) {
        let named = apps.iter().enumerate().map(|(number, app)| {
            let mut app = app.clone();
            app["metadata"]["name"] = format!("fields-{number}").into();
            app
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": named.collect::<Vec<_>>()});
        told += &warned(&cluster, &list).await?;
    }
    let (mut lost, mut suggested) = (Vec::new(), 0);
    for slips in slips.chunks(5) {
        let expected = Page.corrected(slips);
        suggested += expected.iter().filter(|it| it.contains("did you mean")).count();
        let expected = format!("the webhook field {}\n", expected.join(", "));
        if !told.contains(&expected) {
            lost.push(expected);
        }
    }
    ensure!(lost.is_empty(), "not told: {lost:#?} of {told}");
    ensure!(suggested * 100 > slips.len() * 97, "{suggested} of {}", slips.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_declared_version_does_not_have_is_told_with_the_versions_that_have_it() -> Result<()> {
    let cluster = admission_env().await?;
    let declaring = |version: Option<&str>, field: &str| {
        let mut app = app(&["messages", field]);
        if let Some(version) = version {
            app["spec"]["graphVersion"] = version.into();
        }
        app
    };
    let rows = [
        (
            Some("v22.0"),
            "agent_messages",
            Some("version v22 of the Graph API is not known to have the webhook field agent_messages (since v25)"),
        ),
        (Some("v25.0"), "agent_messages", None),
        (None, "agent_messages", None),
        (Some("v21.0"), "otp_verification", None),
        (Some("v22.0"), "otp_verification", Some("otp_verification (until v21)")),
        (None, "otp_verification", Some("otp_verification (until v21)")),
    ];
    wait_for("the policy to count", PATIENCE, async || {
        ensure!(warned(&cluster, &app(&["mesages"])).await?.contains("Warning"), "not yet");
        Ok(())
    })
    .await?;
    for (version, field, expected) in rows {
        let told = warned(&cluster, &declaring(version, field)).await?;
        match expected {
            Some(expected) => ensure!(told.contains(expected), "{version:?} {field}: {told}"),
            None => ensure!(!told.contains("Warning"), "{version:?} {field}: {told}"),
        }
    }
    Ok(())
}
