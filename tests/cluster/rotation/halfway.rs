//! What is told when a rotation is left half done, or the entries are written in another way.

use anyhow::{Context, Result, ensure};
use testkit::sandbox::AppChange;
use testkit::wait_for;

use super::*;
use crate::support::grant_channels;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_left_half_done_is_told_and_heals_by_itself() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.sandbox.set_switch("webhook_batching", "single")?;
    let (old, new, newest) = (secret(0), secret(1), secret(2));
    let broken = ["Ready=False/AppNotReady", "Reconciling=True", "Expired=Unknown", "Claimed=True"];
    let heals = async || {
        let began = env.now();
        env.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
        for name in ["shop", "support"] {
            env.channel_is(&env.tenant_a, name, &["Ready=True", "Connected=True"]).await?;
        }
        anyhow::Ok(env.now().duration_since(began))
    };
    let told = async |reason: &str| {
        advance_and_sweep(&env, &operator, 1).await?;
        env.advance(1);
        let ready = format!("Ready=False/{reason}");
        let app = env.app_is(&[&ready, "CredentialsValid=False", "Stalled=True"]).await?;
        env.channel_is(&env.tenant_a, "shop", &broken).await?;
        Ok::<_, anyhow::Error>(app.status.unwrap().next_step.unwrap_or_default())
    };
    while_events_come(&env, async {
        // Meta switched first, and nobody writes the Secret.
        change_app_secret(&env, &new)?;
        ask(&env, "switched").await?;
        let step = told("SecretMismatch").await?;
        ensure!(step.contains("put the current app secret into the key app-secret"), "{step}");
        write(&env, &[(CURRENT, Some(&new)), (FORMER, Some(&old))]).await?;
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        env.advance(1);
        let status = uses(&env, CURRENT, &new, Some(false)).await?;
        let from = status.other_secret.and_then(|it| it.removable_from).context("not told")?;
        let step = status.next_step.unwrap_or_default();
        ensure!(step.contains(&format!("can remove the key previous-app-secret from {from} on")), "{step}");
        // The Secret holds what Meta has not switched to.
        write(&env, &[(CURRENT, Some(&newest)), (FORMER, None)]).await?;
        gateway_takes(&env, &[&newest], &[&new]).await?;
        told("SecretMismatch").await?;
        advance_and_sweep(&env, &operator, 20).await?;
        change_app_secret(&env, &newest)?;
        env.advance(1);
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        // There is no entry at all.
        write(&env, &[(CURRENT, None)]).await?;
        gateway_takes(&env, &[], &[&newest]).await?;
        let step = told("SecretMalformed").await?;
        ensure!(step.contains("into the key app-secret"), "{step}");
        write(&env, &[(CURRENT, Some(&newest))]).await?;
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        gateway_takes(&env, &[&newest], &[]).await
    })
    .await?;
    // One for each time, on the application alone.
    warned(&env, &env.platform, &["acme SecretMalformed", "acme SecretMismatch", "acme SecretMismatch"]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_the_entries_in_another_way_is_told_what_to_do() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    let (old, new) = (secret(0), secret(1));
    let says = async |parts: &[&str]| {
        wait_for(&format!("the next step to say {parts:?}"), PATIENCE, async || {
            let step = app_status(&env).await?.next_step.unwrap_or_default();
            ensure!(parts.iter().all(|part| step.contains(part)) && (parts.is_empty() == step.is_empty()), "{step}");
            Ok(())
        })
        .await
    };
    // With a line break at the end, as an editor leaves it.
    let (old_line, new_line) = (format!("{old}\n"), format!("{new}\r\n"));
    write(&env, &[(CURRENT, Some(&old_line))]).await?;
    write(&env, &[(CURRENT, Some(&old_line)), (FORMER, Some(&old))]).await?;
    says(&["remove the key previous-app-secret, which holds the same"]).await?;
    gateway_takes(&env, &[&old], &[&new]).await?;
    // The former one in two lines, and then none that would be one.
    write(&env, &[(FORMER, Some("two\nlines-of-a-secret-00000"))]).await?;
    says(&["previous-app-secret cannot be used: it contains a line break"]).await?;
    write(&env, &[(FORMER, Some(""))]).await?;
    says(&[]).await?;
    // Meta accepts one, the other one, or both.
    write(&env, &[(CURRENT, Some(&new_line)), (FORMER, Some(&old))]).await?;
    uses(&env, FORMER, &old, None).await?;
    env.advance(1);
    uses(&env, FORMER, &old, Some(false)).await?;
    says(&["must keep both entries", "If the secret of app 1111000011110000 was already reset"]).await?;
    let grace = AppChange {
        secret: Some(new.as_str().into()),
        previous_secret_for: Some("30m".to_owned()),
        ..AppChange::default()
    };
    env.sandbox.change_app(APP_ID, grace)?;
    advance_and_pass(&env, &operator, 6, "MetaApp", 1).await?;
    uses(&env, CURRENT, &new, Some(true)).await?;
    says(&["must keep both entries while Meta accepts either"]).await?;
    advance_and_sweep(&env, &operator, 31).await?;
    env.advance(1);
    let before = uses(&env, CURRENT, &new, Some(false)).await?;
    says(&["can remove the key previous-app-secret from"]).await?;
    // From then on there is nothing to look for, and nothing is written.
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    for _ in 0..4 {
        advance_and_sweep(&env, &operator, 6).await?;
    }
    let looks = env.requests("GET", "/{version}/{app-id}").len();
    assert!(looks <= 1, "but in the regular slot: {looks}");
    assert_eq!(app_status(&env).await?, before);
    // Exchanged: what Meta accepts is known again by its content.
    write(&env, &[(CURRENT, Some(&old)), (FORMER, Some(&new))]).await?;
    uses(&env, FORMER, &new, None).await?;
    env.advance(1);
    uses(&env, FORMER, &new, Some(false)).await?;
    says(&["must keep both entries", "put the one that the App Dashboard shows"]).await?;
    steady.holds();
    // The former one alone: everything goes on with it, and someone has to write the current one.
    write(&env, &[(CURRENT, None)]).await?;
    gateway_takes(&env, &[&new], &[&old]).await?;
    quiet(&operator).await?;
    env.app_is(&["Ready=True"]).await?;
    env.advance(1);
    env.app_is(&["Ready=False/SecretMalformed", "Stalled=True", "CredentialsValid=True"]).await?;
    says(&["into the key app-secret, and keep previous-app-secret until then"]).await?;
    advance_and_sweep(&env, &operator, 16).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True", "Connected=True"]).await?;
    }
    write(&env, &[(CURRENT, Some(&new)), (FORMER, None)]).await?;
    env.app_is(&["Ready=True"]).await?;
    says(&[]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_its_channels_do_not_notice_that_the_secret_is_written_anew() -> Result<()> {
    let env = Env::seeded(grant_channels::person_manages_pages).await?;
    let operator = env.operator();
    grant_channels::connected(&env, &operator).await?;
    let (steady, grant) = (Steady::watch(&env), grant_channels::grants(&env));
    let conditions = async || {
        let all = grant.list(&Default::default()).await?.into_iter();
        let conditions = all.flat_map(|it| it.status.unwrap_or_default().conditions);
        anyhow::Ok(conditions.map(|it| (it.type_, it.status, it.last_transition_time)).collect::<Vec<_>>())
    };
    let before = conditions().await?;
    write(&env, &[(CURRENT, None)]).await?;
    gateway_takes(&env, &[], &[&secret(0)]).await?;
    grant_channels::look_at_grant(&env, "gone").await?;
    env.request_look(&env.tenant_a, "shop", "gone").await?;
    quiet(&operator).await?;
    assert_eq!(conditions().await?, before);
    write(&env, &[(CURRENT, Some(&secret(0)))]).await?;
    gateway_takes(&env, &[&secret(0)], &[]).await?;
    env.advance(1);
    quiet(&operator).await?;
    assert_eq!(conditions().await?, before);
    steady.holds();
    Ok(())
}
