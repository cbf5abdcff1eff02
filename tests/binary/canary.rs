//! No secret leaves the process: not in logs at their finest, not in Events, statuses, claims or metrics, whatever goes
//! wrong and whoever quotes it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::Query;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use serde_json::{Value, json};
use testkit::sandbox::{AppChange, AppSubscriptionChange, FaultEffect, FaultError, LedgerEntry};
use testkit::wait_for;
use tokio::net::TcpListener;

use crate::support::canary_secrets::{self, *};
use crate::support::env::*;
use crate::support::leak_search::Needles;
use crate::support::server::{PATIENCE, Server};
use crate::support::undecodable::{self, Loose};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_with_logs_for_machines() -> Result<()> {
    tell("--log-format=json").await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_with_logs_for_people() -> Result<()> {
    tell("--log-format=human").await
}

/// Everything that may go wrong with secrets, one after the other.
struct Story {
    env: Env,
    operator: Server,
    gateway: Server,
    gateway_url: String,
    looks: u32,
}

async fn tell(format: &str) -> Result<()> {
    let env = Env::with_seed(&seed()).await?;
    let talkative = [format, "--log-filter=trace"];
    let (gateway, gateway_url) = env.gateway(&talkative).await?;
    // Objects are edited over and over to be checked.
    let finest = [format, "--log-filter=trace", "--edit-interval=1s"];
    let operator = env.operator("first", &finest).await?;
    operator.leads().await?;
    let mut story = Story { env, operator, gateway, gateway_url, looks: 0 };
    story.channels_are_connected().await?;
    story.secrets_are_malformed().await?;
    story.graph_quotes_tokens().await?;
    story.a_grant_is_quoted().await?;
    story.graph_answers_rubbish().await?;
    story.the_app_secret_is_wrong().await?;
    story.the_callback_repeats_the_verify_token().await?;
    let first = story.objects_cannot_be_decoded(&finest).await?;
    story.a_batch_is_quoted().await?;
    story.nothing_was_told(&first).await
}

impl Story {
    async fn channels_are_connected(&self) -> Result<()> {
        let env = &self.env;
        let app = env.app("webhook: {}").replace(crate::support::env::APP_SECRET, canary_secrets::APP_SECRET);
        let channels =
            [("shop", PAGE_A, PAGE_A_TOKEN), ("support", PAGE_B, PAGE_B_TOKEN), ("outlet", PAGE_C, PAGE_C_TOKEN)];
        let channels: String = channels.iter().map(|(name, page, token)| env.channel(name, page, token)).collect();
        // One token is also published in a Secret for a bot.
        let channels = channels.replacen("spec:\n", "spec:\n  publishToken: true\n", 1);
        env.apply(&(app + &channels)).await?;
        env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
        env.channel_is("shop", "TokenPublished=True/SecretSynced").await?;
        env.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
        env.channel_is("outlet", "Expired=True/PasswordChanged").await?;
        env.app_is("Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    async fn secrets_are_malformed(&self) -> Result<()> {
        let env = &self.env;
        let two_lines = format!("{FIRST_LINE}\n{SECOND_LINE}");
        env.apply(&env.channel("torn", "2200000000000009", &two_lines)).await?;
        env.channel_is("torn", "Authorized=False/SecretMalformed").await?;
        env.apply(&env.channel("support", PAGE_B, &format!("Bearer {PAGE_B_TOKEN}"))).await?;
        env.channel_is("support", "Authorized=False/SecretMalformed").await?;
        // Well formed, but nobody's: Meta quotes it.
        env.apply(&env.channel("support", PAGE_B, NOBODYS_TOKEN)).await?;
        env.channel_is("support", "Authorized=False/TokenUnknown").await?;
        env.apply(&env.channel("support", PAGE_B, PAGE_B_TOKEN)).await?;
        env.channel_is("support", "Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    async fn graph_quotes_tokens(&mut self) -> Result<()> {
        for (code, template) in
            [(2, None), (190, None), (190, Some("/{version}/{page-id}")), (100, Some(SUBSCRIBED_APPS))]
        {
            let message = "Something about the access token".to_owned();
            let error = FaultError { echo_token: true, ..FaultError::new(code, message) };
            self.struck_by(template, FaultEffect::GraphError(error)).await?;
        }
        Ok(())
    }

    /// A grant's token is asked about, used, and quoted by what refuses it.
    async fn a_grant_is_quoted(&mut self) -> Result<()> {
        self.env.apply(&self.env.grant(GRANT_TOKEN)).await?;
        self.env.grant_is("Ready=True/ReconcileSucceeded").await?;
        for (template, code, subcode, expected) in [
            // It counts when it is said again a minute later, and is told with Meta's words.
            ("/{version}/{user-id}/accounts", 190, Some(467), Some("Valid=False/SessionInvalidated")),
            ("/{version}/debug_token", 100, None, None),
        ] {
            let message = "Something about the access token".to_owned();
            let error = FaultError { echo_token: true, subcode, ..FaultError::new(code, message) };
            self.env.sandbox.clear_ledger();
            self.env.fault("GET", Some(template), FaultEffect::GraphError(error));
            self.look_at_grant().await?;
            self.env.struck("GET").await?;
            if let Some(expected) = expected {
                self.env.grant_is(expected).await?;
            }
            self.env.sandbox.clear_faults();
            self.look_at_grant().await?;
            self.env.grant_is("Ready=True/ReconcileSucceeded").await?;
        }
        Ok(())
    }

    async fn look_at_grant(&mut self) -> Result<()> {
        let grants: Api<MetaGrant> = Api::namespaced(self.env.client.clone(), &self.env.tenant);
        grants.patch("acme", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    async fn graph_answers_rubbish(&mut self) -> Result<()> {
        let body = format!("<html>{PAGE_A_TOKEN} {}</html>", canary_secrets::APP_SECRET);
        let quoting =
            json!({ "error": { "message": format!("{PAGE_A_TOKEN}/{}", canary_secrets::APP_SECRET), "code": 1 } });
        for effect in [
            FaultEffect::Status { code: 500, body, echo_token: false },
            FaultEffect::Status { code: 500, body: quoting.to_string(), echo_token: false },
            FaultEffect::Html,
            FaultEffect::Truncated,
            FaultEffect::Reset,
        ] {
            self.struck_by(None, effect).await?;
        }
        Ok(())
    }

    async fn the_app_secret_is_wrong(&mut self) -> Result<()> {
        let put = |value| secret(&self.env.platform, "acme-app", "app-secret", "app-secret", value);
        self.env.apply(&put(WRONG_APP_SECRET)).await?;
        self.env.app_is("CredentialsValid=False/SecretMismatch").await?;
        self.env.apply(&put(canary_secrets::APP_SECRET)).await?;
        self.env.app_is("Ready=True/ReconcileSucceeded").await?;
        self.env.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    /// Meta quotes what a callback answers, and this one answers with the verify token.
    async fn the_callback_repeats_the_verify_token(&mut self) -> Result<()> {
        let parrot = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", parrot.local_addr()?);
        let repeat = async |Query(query): Query<BTreeMap<String, String>>| query["hub.verify_token"].clone();
        let serving = tokio::spawn(async move { axum::serve(parrot, Router::new().fallback(repeat)).await });
        let resolve = |url: &str| BTreeMap::from([("hooks.example.com".to_owned(), url.to_owned())]);
        self.env.sandbox.set_resolve(resolve(&url))?;
        let drift: AppSubscriptionChange = serde_json::from_value(json!({ "active": false }))?;
        self.env.sandbox.change_app(APP_ID, AppChange { subscription: Some(drift), ..AppChange::default() })?;
        self.look_at_app().await?;
        self.env.app_is("WebhookSubscribed=False/CallbackVerificationFailed").await?;
        serving.abort();
        // Nobody answers any more.
        self.look_at_app().await?;
        self.env.sandbox.set_resolve(resolve(&self.gateway_url))?;
        self.recover().await
    }

    /// Objects that our types refuse, and whose refusal would quote a secret, stop nobody else. Returns the log of the
    /// operator that saw them come; the one that finds them there is a new one.
    async fn objects_cannot_be_decoded(&mut self, flags: &[&str]) -> Result<String> {
        let loose = Loose::begin(&self.env).await?;
        loose.store_misfits(&self.env).await?;
        wait_for("the misfits to be seen", PATIENCE, async || {
            let seen = self.operator.metric("invalid_objects_total").await?;
            ensure!(seen >= undecodable::COUNT, "{seen} of {}", undecodable::COUNT);
            Ok(())
        })
        .await?;
        undecodable::are_told(&self.env).await?;
        self.misfits_are_met().await?;
        self.env.sandbox.clear_faults();
        loose.end().await?;
        self.look_at_shop().await?;
        self.operator.ends_well("with misfits").await?;
        let log = self.operator.process.logs();
        // Its slots come all the time; what it sends for many channels at once is quoted from its first batch on.
        self.quote_batches();
        self.operator = self.env.operator("second", &[flags, &["--probe-period=1s"]].concat()).await?;
        self.operator.leads().await?;
        ensure!(self.operator.metric("invalid_objects_total").await? >= undecodable::COUNT);
        self.look_at_shop().await?;
        self.env.app_is("Ready=True/ReconcileSucceeded").await?;
        Ok(log)
    }

    /// Passes over objects that are well meet misfits: a claim, and what the API server answers to a status of a channel
    /// that became one while Meta took its time.
    async fn misfits_are_met(&self) -> Result<()> {
        let env = &self.env;
        // On a busy machine Meta does not take long enough each time.
        wait_for("passes to meet the misfits", 5 * PATIENCE, async || {
            env.sandbox.clear_faults();
            env.apply(&env.channel("support", PAGE_B, PAGE_B_TOKEN)).await?;
            env.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
            env.sandbox.clear_ledger();
            env.fault("GET", None, FaultEffect::Slow { ms: 6000 });
            env.apply(&secret(&env.tenant, "support-token", "page-token", "token", NOBODYS_TOKEN)).await?;
            env.struck("GET").await?;
            env.apply(&undecodable::of(env.channel("support", PAGE_B, NOBODYS_TOKEN))).await?;
            wait_for("both", Duration::from_secs(30), async || {
                let log = self.operator.process.logs();
                ensure!(log.contains("reading a claim: the answer could not be decoded"), "not the claim");
                // Of the status it is counted alone: the object has no other pass that would meet it again.
                let met = self.operator.metric("refused_writes_total").await?;
                ensure!(met >= 1.0, "not the status");
                Ok(())
            })
            .await
        })
        .await
    }

    fn quote_batches(&self) {
        let message = "Something about the access token".to_owned();
        let error = FaultError { is_transient: true, echo_token: true, ..FaultError::new(2, message) };
        self.env.fault("POST", Some("/{version}/"), FaultEffect::GraphError(error));
    }

    /// A sweep sends the tokens of many channels in one body. Meta refuses it and quotes what it came with.
    async fn a_batch_is_quoted(&self) -> Result<()> {
        self.env.sandbox.clear_ledger();
        self.env.struck("POST").await?;
        self.env.sandbox.clear_faults();
        wait_for("the batch to be told", PATIENCE, async || {
            ensure!(self.operator.process.logs().contains("POST / (batch)"));
            Ok(())
        })
        .await
    }

    async fn nothing_was_told(&self, first: &str) -> Result<()> {
        let env = &self.env;
        let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
        let verify_token = secrets.get("metaapp-acme-verify-token").await?.data.context("data")?;
        let needles = Needles::new(std::str::from_utf8(&verify_token["verify-token"].0)?);

        let mut told = vec![
            ("the first operator's log", first.to_owned()),
            ("the second operator's log", self.operator.process.logs()),
            ("the gateway's log", self.gateway.process.logs()),
            ("the operator's metrics", self.operator.get("/metrics").await?.1),
            ("the gateway's metrics", self.gateway.get("/metrics").await?.1),
        ];
        told.extend(published(env).await?);
        for (where_, text) in &told {
            ensure!(text.len() > 100, "there is next to nothing in {where_}, so this proves nothing: {text}");
            needles.none_in(where_, text)?;
        }
        // What was quoted did come near the log, and every part of the program was at its most talkative.
        for expected in ["[redacted]", "Graph call", "pass done", "cannot be decoded", "CallbackFailed"] {
            ensure!(first.contains(expected), "no {expected:?} in the log of the first operator:\n{first}");
        }
        Ok(())
    }

    /// Puts a fault in force, has channel and app checked, and lifts it when it has struck. The channel comes first:
    /// those of a broken app are not checked.
    async fn struck_by(&mut self, template: Option<&str>, effect: FaultEffect) -> Result<()> {
        self.env.sandbox.clear_ledger();
        self.env.fault("GET", template, effect);
        self.annotate_shop().await?;
        self.env.struck("GET").await?;
        if template.is_none() {
            self.env.sandbox.clear_ledger();
            self.look_at_app().await?;
            wait_for("the app's call to go wrong", PATIENCE, async || {
                let ledger = self.env.sandbox.ledger();
                let app = |it: &LedgerEntry| it.fault.is_some() && it.node.as_deref() == Some(APP_ID);
                ensure!(ledger.iter().any(app), "{} calls", ledger.len());
                Ok(())
            })
            .await?;
        }
        self.env.sandbox.clear_faults();
        self.recover().await
    }

    async fn recover(&mut self) -> Result<()> {
        self.look_at_app().await?;
        self.env.app_is("Ready=True/ReconcileSucceeded").await?;
        self.annotate_shop().await?;
        self.env.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    /// Asks for a look at the channel, and waits for it.
    async fn look_at_shop(&mut self) -> Result<()> {
        self.env.sandbox.clear_ledger();
        self.annotate_shop().await?;
        wait_for("a look at the channel", PATIENCE, async || {
            let ledger = self.env.sandbox.ledger();
            let looked = ledger.iter().any(|it| it.node.as_deref() == Some(PAGE_A) && it.status == Some(200));
            ensure!(looked, "{} calls", ledger.len());
            Ok(())
        })
        .await
    }

    async fn annotate_shop(&mut self) -> Result<()> {
        let channels: Api<FacebookChannel> = Api::namespaced(self.env.client.clone(), &self.env.tenant);
        channels.patch("shop", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    async fn look_at_app(&mut self) -> Result<()> {
        let apps: Api<MetaApp> = Api::namespaced(self.env.client.clone(), &self.env.platform);
        apps.patch("acme", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    fn request(&mut self) -> Value {
        self.looks += 1;
        json!({ "metadata": { "annotations": { "metachannels.io/requested-at": self.looks.to_string() } } })
    }
}

/// What everybody with read access sees: Events, statuses and claims.
async fn published(env: &Env) -> Result<Vec<(&'static str, String)>> {
    let kubectl = env.plane.kubectl();
    // An Event is published after the status that it is about.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut all = Vec::new();
    for (kind, namespace) in [
        ("events.events.k8s.io", &env.tenant),
        ("events.events.k8s.io", &env.platform),
        ("facebookchannels", &env.tenant),
        ("metaapps", &env.platform),
        ("metagrants", &env.tenant),
        ("assetclaims", &env.claims),
        ("leases", &env.platform),
    ] {
        let mut list = kubectl.get(&[kind, "-n", namespace]).await?;
        for item in list["items"].as_array_mut().context("a list")? {
            // The bait was laid out in the specs of the misfits.
            if kind == "facebookchannels" || kind == "metaapps" || item["metadata"]["name"] == undecodable::CLAIM {
                item["spec"].take();
            }
        }
        all.push((kind, list.to_string()));
    }
    Ok(all)
}
