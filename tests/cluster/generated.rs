//! Answers of Meta with numbers, texts and lists that it never gives: whatever stands in one, no pass panics, nobody else is
//! delayed, and it heals on its own. ANSWERS=MANY makes more of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::sandbox::{Edit, Fault, FaultEffect, FaultMatch, OneOrMore};
use testkit::{ODD_MEMBERS, odd_values, wait_for};

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_an_answer_no_pass_panics_and_all_heals_by_itself() -> Result<()> {
    let values = odd_values();
    let rounds = std::env::var("ANSWERS").ok().and_then(|many| many.parse().ok()).unwrap_or(1_usize);
    let env = Env::seeded(|seed| add_pages(seed, values.len())).await?;
    let operator = env.operator_with(|operator| operator.policy.token_period = Duration::from_secs(15 * 60));
    let names = connect_pages(&env, values.len()).await?;
    env.put_channel(&env.tenant_b, "shop", PAGE_A, TOKEN_A).await?;
    let other = env.channel_is(&env.tenant_b, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    let (mut answers, mut asked) = (0, 0);
    for _ in 0..rounds {
        for (template, at, members) in ODD_MEMBERS {
            for member in members {
                for ((_, page), value) in names.iter().zip(&values) {
                    let edit = Edit {
                        at: at.into(),
                        set: [((*member).into(), value.clone())].into_iter().collect(),
                        ..Edit::default()
                    };
                    let matching = FaultMatch {
                        template: Some(template.into()),
                        page: Some(page.parse()?),
                        ..FaultMatch::default()
                    };
                    env.sandbox.add_fault(Fault::new(matching, FaultEffect::Edit(OneOrMore::One(edit))));
                }
                asked += 1;
                for (name, _) in &names {
                    env.request_look(&env.tenant_a, name, &asked.to_string()).await?;
                }
                advance_and_sweep(&env, &operator, 16).await?;
                answers += env.sandbox.faults().iter().map(|it| it.matched).sum::<u64>();
                env.sandbox.clear_faults();
                ensure!(!operator.metrics.text().contains("panics_total{"), "{template} {at} {member}");
            }
        }
    }
    println!("{answers} answers");
    for (name, _) in &names {
        env.request_look(&env.tenant_a, name, "healed").await?;
    }
    wait_for("all to heal", PATIENCE, async || {
        env.advance(16);
        for (name, _) in &names {
            let channel = env.channels(&env.tenant_a).get(name).await?;
            let conditions = channel.status.unwrap_or_default().conditions;
            ensure!(conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"), "{name}: {conditions:?}");
        }
        Ok(())
    })
    .await?;
    // Who got no such answer noticed nothing.
    let later = env.channel_is(&env.tenant_b, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    assert_eq!(other.status.unwrap_or_default().conditions, later.status.unwrap_or_default().conditions);
    Ok(())
}
