//! A year of two grants, every other day: a system user's with fifty channels, which nobody has to think of, and a person's,
//! who is warned, lets it end or not, and authorizes again in the browser.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use meta_channel_operator::api::conditions::{ConditionType, find};
use reqwest::StatusCode;
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::oauth_fixture::{grant_manifest, people};
use crate::support::observe::*;

const CHANNELS: usize = 50;
/// The clock is moved by two days.
const STEP: i64 = 2 * DAY;
const STEPS: usize = 183;
/// Steps until the person notices.
const SLOW: usize = 2;
const HEALTHY: &[&str] = &["Ready=True/ReconcileSucceeded", "Connected=True"];

/// What Meta was asked in a year, by template. Operations of a batch are no requests of their own.
#[derive(Default)]
struct Asked(BTreeMap<String, usize>);

impl Asked {
    /// Takes the ledger's entries out of it.
    fn take(&mut self, env: &Env) -> Vec<LedgerEntry> {
        let entries = env.sandbox.ledger();
        env.sandbox.clear_ledger();
        for entry in entries.iter().filter(|it| it.batch.is_none()) {
            *self.0.entry(entry.template.clone().unwrap_or_default()).or_default() += 1;
        }
        entries
    }

    fn at_most(&self, template: &str, most: usize) {
        let asked = self.0.get(template).copied().unwrap_or_default();
        assert!(asked <= most, "{asked} requests to {template}, not {most}");
    }
}

/// Whether it was made with a token of this person or system user, or of a page that was got with it.
fn is_made_by(entry: &LedgerEntry, user: &str) -> bool {
    entry.token.as_ref().is_some_and(|it| it.user.as_deref() == Some(user))
}

/// The person's grant in the other tenant.
struct Persons<'a> {
    env: &'a Env,
    name: String,
    browser: Browser,
    /// Steps since it ended, and since the person was first warned.
    ended: usize,
    warned: usize,
    /// How often the person authorized again before the end, and after it.
    in_time: usize,
    too_late: usize,
}

impl<'a> Persons<'a> {
    fn of(env: &'a Env) -> Self {
        let mut browser = Browser::new(&env.sandbox.resolve()["hooks.example.com"]);
        browser.cluster = Some(env.client.clone());
        let name = format!("{}/acme", env.tenant_b);
        Self { env, name, browser, ended: 0, warned: 0, in_time: 0, too_late: 0 }
    }

    async fn get(&self) -> Result<MetaGrant> {
        let grants: Api<MetaGrant> = Api::namespaced(self.env.client.clone(), &self.env.tenant_b);
        Ok(grants.get("acme").await?)
    }

    async fn is(&self, expected: &[&str]) -> Result<()> {
        wait_for(&format!("the person's grant to be {expected:?}"), PATIENCE, async || {
            missing(&self.get().await?.status.context("no status")?.conditions, expected)
        })
        .await
    }

    async fn channel_is(&self, expected: &[&str]) -> Result<()> {
        self.env.channel_is(&self.env.tenant_b, "shop", expected).await.map(|_| ())
    }

    /// Looks on for a step. Every other time the person is in time.
    async fn look_on(&mut self, operator: &Running, made: &[LedgerEntry]) -> Result<()> {
        let status = self.get().await?.status.context("no status")?;
        let ready = find(&status.conditions, ConditionType::Ready).context("not Ready")?.reason.clone();
        match ready.as_str() {
            "ReconcileSucceeded" => self.channel_is(HEALTHY).await,
            "ExpiresSoon" => {
                self.channel_is(&["Connected=True"]).await?;
                self.warned += 1;
                if self.warned > SLOW && self.in_time < self.too_late {
                    self.in_time += 1;
                    return self.authorize_again(operator).await;
                }
                Ok(())
            }
            _ => {
                self.is(&["Ready=False/TokenExpired", "Expired=True/TokenExpired", "Stalled=True"]).await?;
                self.channel_is(&[
                    "Ready=False/GrantNotReady",
                    "Authorized=False/GrantNotReady",
                    "Expired=True/TokenExpired",
                ])
                .await?;
                // In the step of its end it was used until then.
                let used: Vec<_> = made.iter().filter(|it| is_made_by(it, PERSON)).collect();
                ensure!(self.ended == 0 || used.is_empty(), "a dead token was used: {used:?}");
                self.ended += 1;
                if self.ended > SLOW {
                    self.too_late += 1;
                    return self.authorize_again(operator).await;
                }
                Ok(())
            }
        }
    }

    async fn authorize_again(&mut self, operator: &Running) -> Result<()> {
        (self.ended, self.warned) = (0, 0);
        let offer = self.browser.up_to_the_offer(&self.name, PERSON, &[]).await?;
        self.browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
        self.is(HEALTHY[..1].as_ref()).await?;
        self.channel_is(HEALTHY).await?;
        quiet(operator).await
    }
}

fn since(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> Option<Timestamp> {
    find(conditions, ConditionType::Ready).filter(|it| it.status == "True").map(|it| it.last_transition_time.0)
}

/// Since when the system user's grant and its channels have been Ready, by name.
async fn ready_since(env: &Env) -> Result<BTreeMap<String, Option<Timestamp>>> {
    let grant = env.grants().get("acme").await?;
    let mut all = BTreeMap::from([("grant".to_owned(), grant.status.and_then(|it| since(&it.conditions)))]);
    for channel in env.channels(&env.tenant_a).list(&Default::default()).await? {
        let name = channel.metadata.name.context("no name")?;
        all.insert(name, channel.status.and_then(|it| since(&it.conditions)));
    }
    Ok(all)
}

async fn put_everything(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_grant(&text("robot"), "{revokeOld: true}").await?;
    env.put_secret(&env.tenant_b, "acme-grant", "grant-token", "token", &text("alex")).await?;
    let mut manifests = vec![grant_manifest(env, &env.tenant_b)];
    manifests.push(env.granted_manifest(&env.tenant_b, "shop", PAGE_A, "acme"));
    for number in 0..CHANNELS {
        manifests.push(env.granted_manifest(&env.tenant_a, &format!("page-{number}"), &page(number), "acme"));
    }
    env.apply(&manifests.join("---\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_year_nothing_ends_that_could_be_renewed_and_a_person_is_asked_in_time() -> Result<()> {
    let env = Env::seeded(|seed| {
        people(seed);
        add_system_user(seed, "robot", 3);
        add_pages(seed, CHANNELS);
        let life = ", issued_at: -1d, expires_at: +59d, data_access_expires_at: +89d";
        seed.tokens.push(grant_token("alex", "user", PERSON, life));
    })
    .await?;
    let day = Duration::from_secs(24 * 60 * 60);
    let operator = env.operator_with(|operator| {
        // Who is checked every 15 minutes would not be answered in time.
        let policy = &mut operator.policy;
        (policy.token_period, policy.channel_period, policy.app_period) = (day, 2 * day, day);
        policy.staleness_limit = 5 * day;
    });
    put_everything(&env).await?;
    let mut persons = Persons::of(&env);
    persons.is(HEALTHY[..1].as_ref()).await?;
    persons.channel_is(HEALTHY).await?;
    for number in 0..CHANNELS {
        env.channel_is(&env.tenant_a, &format!("page-{number}"), HEALTHY).await?;
    }
    quiet(&operator).await?;
    let ready = ready_since(&env).await?;
    assert!(ready.len() == CHANNELS + 1 && ready.values().all(Option::is_some), "{ready:?}");

    let (mut asked, mut seed) = (Asked::default(), None);
    asked.take(&env);
    for number in 1..=STEPS {
        sweep_after(&env, &operator, STEP).await?;
        let made = asked.take(&env);
        let refused: Vec<_> = made.iter().filter(|it| is_made_by(it, SYSTEM_USER) && it.status != Some(200)).collect();
        ensure!(refused.is_empty(), "in step {number}: {refused:?}");
        ensure!(ready_since(&env).await? == ready, "in step {number}");
        persons.look_on(&operator, &made).await.with_context(|| format!("in step {number}"))?;
        let version = env.secrets().get("acme-grant").await?.metadata.resource_version;
        ensure!(*seed.get_or_insert_with(|| version.clone()) == version, "the seed was written");
    }
    asked.take(&env);

    println!("{} in time, {} too late; asked: {:?}", persons.in_time, persons.too_late, asked.0);
    assert!(persons.in_time >= 2 && persons.too_late >= 3, "{} and {}", persons.in_time, persons.too_late);
    let again = persons.in_time + persons.too_late;
    // One look for each grant, and a few more after each change of its token.
    asked.at_most(DEBUG_TOKEN, 2 * STEPS + 6 * again + 40);
    asked.at_most(ACCOUNTS, 2 * STEPS + 6 * again + 40);
    assert_eq!(asked.0[EXCHANGE], 9 + 2 * again, "one every forty days; two for each authorization");
    asked.at_most("/{version}/", 8 * STEPS);
    let all: usize = asked.0.values().sum();
    assert!(all <= 16 * STEPS, "{all} requests");
    assert!(env.works(&env.in_use().await?).await?);
    warned(&env, &env.tenant_a, &[]).await
}
