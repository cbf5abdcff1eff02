//! What is told when a rotation is left half done, or the entries are written in another way.

use anyhow::{Context, Result, ensure};
use testkit::sandbox::AppChange;
use testkit::wait_for;

use super::*;
use crate::support::grant_channels;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_left_half_done_is_told_and_heals_by_itself() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    world.sandbox.set_switch("webhook_batching", "single")?;
    let (old, new, newest) = (secret(0), secret(1), secret(2));
    let broken = ["Ready=False/AppNotReady", "Reconciling=True", "Expired=Unknown", "Claimed=True"];
    let heals = async || {
        let began = world.now();
        world.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
        for name in ["shop", "support"] {
            world.channel_is(&world.tenant_a, name, &["Ready=True", "Connected=True"]).await?;
        }
        anyhow::Ok(world.now().duration_since(began))
    };
    let told = async |reason: &str| {
        advance_and_sweep(&world, &operator, 1).await?;
        world.advance(1);
        let ready = format!("Ready=False/{reason}");
        let app = world.app_is(&[&ready, "CredentialsValid=False", "Stalled=True"]).await?;
        world.channel_is(&world.tenant_a, "shop", &broken).await?;
        Ok::<_, anyhow::Error>(app.status.unwrap().next_step.unwrap_or_default())
    };
    while_events_come(&world, async {
        // Meta switched first, and nobody writes the Secret.
        change_app_secret(&world, &new)?;
        ask(&world, "switched").await?;
        let step = told("SecretMismatch").await?;
        ensure!(step.contains("put the current app secret into the key app-secret"), "{step}");
        write(&world, &[(CURRENT, Some(&new)), (FORMER, Some(&old))]).await?;
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        world.advance(1);
        let status = uses(&world, CURRENT, &new, Some(false)).await?;
        let from = status.other_secret.and_then(|it| it.removable_from).context("not told")?;
        let step = status.next_step.unwrap_or_default();
        ensure!(step.contains(&format!("can remove the key previous-app-secret from {from} on")), "{step}");
        // The Secret holds what Meta has not switched to.
        write(&world, &[(CURRENT, Some(&newest)), (FORMER, None)]).await?;
        gateway_takes(&world, &[&newest], &[&new]).await?;
        told("SecretMismatch").await?;
        advance_and_sweep(&world, &operator, 20).await?;
        change_app_secret(&world, &newest)?;
        world.advance(1);
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        // There is no entry at all.
        write(&world, &[(CURRENT, None)]).await?;
        gateway_takes(&world, &[], &[&newest]).await?;
        let step = told("SecretMalformed").await?;
        ensure!(step.contains("into the key app-secret"), "{step}");
        write(&world, &[(CURRENT, Some(&newest))]).await?;
        let took = heals().await?;
        ensure!(took.as_secs() < 60, "{took}");
        gateway_takes(&world, &[&newest], &[]).await
    })
    .await?;
    // One for each time, on the application alone.
    warned(&world, &world.platform, &["acme SecretMalformed", "acme SecretMismatch", "acme SecretMismatch"]).await?;
    warned(&world, &world.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_the_entries_in_another_way_is_told_what_to_do() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    let steady = Steady::watch(&world);
    let (old, new) = (secret(0), secret(1));
    let says = async |parts: &[&str]| {
        wait_for(&format!("the next step to say {parts:?}"), PATIENCE, async || {
            let step = app_status(&world).await?.next_step.unwrap_or_default();
            ensure!(parts.iter().all(|part| step.contains(part)) && (parts.is_empty() == step.is_empty()), "{step}");
            Ok(())
        })
        .await
    };
    // With a line break at the end, as an editor leaves it.
    let (old_line, new_line) = (format!("{old}\n"), format!("{new}\r\n"));
    write(&world, &[(CURRENT, Some(&old_line))]).await?;
    write(&world, &[(CURRENT, Some(&old_line)), (FORMER, Some(&old))]).await?;
    says(&["remove the key previous-app-secret, which holds the same"]).await?;
    gateway_takes(&world, &[&old], &[&new]).await?;
    // The former one in two lines, and then none that would be one.
    write(&world, &[(FORMER, Some("two\nlines-of-a-secret-00000"))]).await?;
    says(&["previous-app-secret cannot be used: it contains a line break"]).await?;
    write(&world, &[(FORMER, Some(""))]).await?;
    says(&[]).await?;
    // Meta accepts one, the other one, or both.
    write(&world, &[(CURRENT, Some(&new_line)), (FORMER, Some(&old))]).await?;
    uses(&world, FORMER, &old, None).await?;
    world.advance(1);
    uses(&world, FORMER, &old, Some(false)).await?;
    says(&["must keep both entries", "If the secret of app 1111000011110000 was already reset"]).await?;
    let grace = AppChange {
        secret: Some(new.as_str().into()),
        previous_secret_for: Some("30m".to_owned()),
        ..AppChange::default()
    };
    world.sandbox.change_app(APP_ID, grace)?;
    advance_and_pass(&world, &operator, 6, "MetaApp", 1).await?;
    uses(&world, CURRENT, &new, Some(true)).await?;
    says(&["must keep both entries while Meta accepts either"]).await?;
    advance_and_sweep(&world, &operator, 31).await?;
    world.advance(1);
    let before = uses(&world, CURRENT, &new, Some(false)).await?;
    says(&["can remove the key previous-app-secret from"]).await?;
    // From then on there is nothing to look for, and nothing is written.
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    for _ in 0..4 {
        advance_and_sweep(&world, &operator, 6).await?;
    }
    let looks = world.requests("GET", "/{version}/{app-id}").len();
    assert!(looks <= 1, "but in the regular slot: {looks}");
    assert_eq!(app_status(&world).await?, before);
    // Exchanged: what Meta accepts is known again by its content.
    write(&world, &[(CURRENT, Some(&old)), (FORMER, Some(&new))]).await?;
    uses(&world, FORMER, &new, None).await?;
    world.advance(1);
    uses(&world, FORMER, &new, Some(false)).await?;
    says(&["must keep both entries", "put the one that the App Dashboard shows"]).await?;
    steady.holds();
    // The former one alone: everything goes on with it, and someone has to write the current one.
    write(&world, &[(CURRENT, None)]).await?;
    gateway_takes(&world, &[&new], &[&old]).await?;
    quiet(&operator).await?;
    world.app_is(&["Ready=True"]).await?;
    world.advance(1);
    world.app_is(&["Ready=False/SecretMalformed", "Stalled=True", "CredentialsValid=True"]).await?;
    says(&["into the key app-secret, and keep previous-app-secret until then"]).await?;
    advance_and_sweep(&world, &operator, 16).await?;
    for name in ["shop", "support"] {
        world.channel_is(&world.tenant_a, name, &["Ready=True", "Connected=True"]).await?;
    }
    write(&world, &[(CURRENT, Some(&new)), (FORMER, None)]).await?;
    world.app_is(&["Ready=True"]).await?;
    says(&[]).await?;
    warned(&world, &world.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_its_channels_do_not_notice_that_the_secret_is_written_anew() -> Result<()> {
    let world = World::seeded(grant_channels::person_manages_pages).await?;
    let operator = world.operator();
    grant_channels::connected(&world, &operator).await?;
    let (steady, grant) = (Steady::watch(&world), grant_channels::grants(&world));
    let conditions = async || {
        let all = grant.list(&Default::default()).await?.into_iter();
        let conditions = all.flat_map(|it| it.status.unwrap_or_default().conditions);
        anyhow::Ok(conditions.map(|it| (it.type_, it.status, it.last_transition_time)).collect::<Vec<_>>())
    };
    let before = conditions().await?;
    write(&world, &[(CURRENT, None)]).await?;
    gateway_takes(&world, &[], &[&secret(0)]).await?;
    grant_channels::look_at_grant(&world, "gone").await?;
    world.request_look(&world.tenant_a, "shop", "gone").await?;
    quiet(&operator).await?;
    assert_eq!(conditions().await?, before);
    write(&world, &[(CURRENT, Some(&secret(0)))]).await?;
    gateway_takes(&world, &[&secret(0)], &[]).await?;
    world.advance(1);
    quiet(&operator).await?;
    assert_eq!(conditions().await?, before);
    steady.holds();
    Ok(())
}
