//! Answers of Meta with numbers, texts and lists that it never gives, to the built program: it goes on, and all heals. ANSWERS=MANY
//! makes more of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::ListParams;
use meta_channel_operator::api::FacebookChannel;
use serde_json::Value;
use testkit::sandbox::{Edit, Fault, FaultEffect, FaultMatch, OneOrMore};
use testkit::{ODD_MEMBERS, odd_values, wait_for};

use crate::support::env::*;
use crate::support::many_pages::*;
use crate::support::server::{PATIENCE, Server};

/// How many pages get the same value, each in other members.
const ROWS: usize = 2;

/// Each page gets one such value in one member of each answer; which one moves on with the round.
fn break_answers(env: &Env, values: &[Value], pages: usize, round: usize) -> Result<()> {
    env.sandbox.clear_faults();
    for page in 0..pages {
        for (template, at, members) in ODD_MEMBERS {
            let member = members[(page / values.len() + ROWS * round) % members.len()];
            let set = [(member.to_owned(), values[page % values.len()].clone())].into_iter().collect();
            let edit = Edit { at: at.into(), set, ..Edit::default() };
            let (template, id) = (Some(template.to_owned()), Some(many_page(page).parse()?));
            let matching = FaultMatch { template, page: id, ..FaultMatch::default() };
            env.sandbox.add_fault(Fault::new(matching, FaultEffect::Edit(OneOrMore::One(edit))));
        }
    }
    Ok(())
}

/// Waits until all were asked about, and says how many answers were broken.
async fn answered(env: &Env, pages: usize) -> Result<u64> {
    let mut broken = 0;
    wait_for("all to be asked about", PATIENCE, async || {
        // Faults hold large values, so that they are not copied all the time.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let faults = env.sandbox.faults();
        let asked = faults.chunks(ODD_MEMBERS.len()).filter(|of_page| of_page.iter().any(|it| it.matched > 0)).count();
        broken = faults.iter().map(|it| it.matched).sum();
        ensure!(asked == pages, "{asked} of {pages}");
        Ok(())
    })
    .await?;
    Ok(broken)
}

/// No pass panicked, and the process ends when it is told to.
async fn goes_on(operator: Server) -> Result<()> {
    let (_, metrics) = operator.get("/metrics").await?;
    ensure!(!metrics.contains("panics_total{"), "{metrics}");
    operator.ends_well("after strange answers").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_an_answer_the_operator_goes_on_and_all_heals() -> Result<()> {
    let rounds = std::env::var("ANSWERS").ok().and_then(|many| many.parse().ok()).unwrap_or(2_usize);
    let values = odd_values();
    let pages = values.len() * ROWS;
    let env = Env::with_seed(&seed_of_many(pages)).await?;
    let operator = env.operator("before", &[]).await?;
    env.apply(&(env.app("") + &env.channel("other", PAGE_A, TOKEN_A))).await?;
    env.channel_is("other", "Ready=True/ReconcileSucceeded").await?;
    operator.ends_well("before strange answers").await?;
    let channels = (0..pages).map(|n| env.channel(&format!("shop-{n}"), &many_page(n), &many_token(n)));
    env.apply(&channels.collect::<String>()).await?;
    let look_again = async |at: &str| {
        let at = format!("metachannels.io/requested-at={at}");
        env.plane.kubectl().run(&["-n", &env.tenant, "annotate", "--overwrite", "--all", "fbc", &at]).await
    };
    let mut answers = 0;
    for round in 0..rounds {
        break_answers(&env, &values, pages, round)?;
        look_again(&round.to_string()).await?;
        // Each with a process of its own, for which no pause of an application is left.
        let operator = env.operator("strange", &[]).await?;
        answers += answered(&env, pages).await?;
        goes_on(operator).await?;
    }
    println!("{answers} answers");

    let operator = env.operator("after", &[]).await?;
    env.sandbox.clear_faults();
    look_again("healed").await?;
    let api: Api<FacebookChannel> = Api::namespaced(env.client.clone(), &env.tenant);
    wait_for("all to heal", PATIENCE, async || {
        let channels = api.list(&ListParams::default()).await?.items;
        let is_ready = |it: &&FacebookChannel| {
            let conditions = it.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True")
        };
        let ready = channels.iter().filter(is_ready).count();
        ensure!(ready == pages + 1, "{ready} of {}", channels.len());
        Ok(())
    })
    .await?;
    goes_on(operator).await
}
