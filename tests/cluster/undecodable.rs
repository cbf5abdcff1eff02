//! Objects that this version of the operator cannot decode: their own status says so, and what it tells to do works.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::fixtures::*;
use crate::support::grant_fixtures::{PERSON, grant_token};
use crate::support::observe::*;

use crate::support::env::*;

/// A kind, an object of it, and something in its status that the schema allows and that no clock of ours can hold.
fn cases(env: &Env) -> [(&'static str, String, &'static str, Value); 3] {
    const TIME: &str = "9999-12-31T23:59:59Z";
    let other = json!({ "key": "app-secret", "fingerprint": "x", "accepted": false, "since": TIME });
    [
        ("facebookchannels", env.tenant_a.clone(), "shop", json!({ "lastVerifiedAt": TIME })),
        ("metagrants", env.tenant_a.clone(), "acme", json!({ "expiresAt": TIME })),
        ("metaapps", env.platform.clone(), "acme", json!({ "otherSecret": other })),
    ]
}

async fn get(env: &Env, kind: &str, namespace: &str, name: &str) -> Result<Value> {
    env.kubectl().get(&["-n", namespace, kind, name]).await
}

fn condition(object: &Value, type_: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == type_).cloned()
}

async fn is(env: &Env, (kind, namespace, name): (&str, &str, &str), ready: (&str, &str)) -> Result<Value> {
    wait_for(&format!("{kind} {name} to be {ready:?}"), PATIENCE, async || {
        let object = get(env, kind, namespace, name).await?;
        let found = condition(&object, "Ready").context("no Ready")?;
        ensure!(found["status"] == ready.0 && found["reason"] == ready.1, "{found}");
        Ok(object)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_decoded_says_so_and_its_next_step_mends_it() -> Result<()> {
    let env = Env::seeded(|seed| {
        seed.tokens.push(grant_token("grant", "user", PERSON, ", issued_at: -1d, expires_at: +59d"));
    })
    .await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_grant(&text("grant"), "{}").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.grant_is(&["Ready=True"]).await?;
    for (kind, namespace, name, misfit) in cases(&env) {
        quiet(&operator).await?;
        let before = get(&env, kind, &namespace, name).await?;
        let patch = json!({ "status": misfit }).to_string();
        let patch = format!("--patch={patch}");
        env.kubectl()
            .run(&["-n", &namespace, "patch", kind, name, "--subresource=status", "--type=merge", &patch])
            .await?;
        let told = is(&env, (kind, &namespace, name), ("False", "InvalidObject")).await?;
        assert_eq!(condition(&told, "Stalled").context("Stalled")?["status"], "True");
        assert_eq!(told["status"]["observedGeneration"], told["metadata"]["generation"]);
        assert_eq!(told["status"]["claimName"], before["status"]["claimName"], "it keeps what it holds");
        for type_ in ["Connected", "Valid", "CredentialsValid"] {
            assert_eq!(condition(&told, type_), condition(&before, type_), "{type_} is from before");
        }
        let message = condition(&told, "Ready").context("Ready")?["message"].to_string();
        let field = if kind == "facebookchannels" { "status.lastVerifiedAt" } else { "status." };
        assert!(message.contains(field) && !message.contains("9999"), "{message}");
        // Told once, and left alone then.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let later = get(&env, kind, &namespace, name).await?;
        assert_eq!(later["metadata"]["resourceVersion"], told["metadata"]["resourceVersion"]);
        // The next step, as it stands there.
        let step = told["status"]["nextStep"].as_str().context("a next step")?;
        let command = step.split_once("kubectl ").context("a command")?.1.trim_end_matches('.').replace('\'', "");
        env.kubectl().run(&command.split(' ').collect::<Vec<_>>()).await?;
        let mended = is(&env, (kind, &namespace, name), ("True", "ReconcileSucceeded")).await?;
        assert_eq!(condition(&mended, "Stalled"), None);
        assert_eq!(mended["status"]["claimName"], before["status"]["claimName"]);
    }
    warned(&env, &env.tenant_a, &["acme InvalidObject", "shop InvalidObject"]).await?;
    warned(&env, &env.platform, &["acme InvalidObject"]).await?;
    Ok(())
}
