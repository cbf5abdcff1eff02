//! No secret leaves the process: not in logs at their finest, not in Events, statuses, claims or metrics, whatever goes
//! wrong and whoever quotes it.

mod bait;
mod misfits;
mod needles;

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

use crate::server::{PATIENCE, Server};
use crate::stage::*;
use bait::*;
use misfits::Loose;
use needles::Needles;

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
    stage: Stage,
    operator: Server,
    gateway: Server,
    gateway_url: String,
    looks: u32,
}

async fn tell(format: &str) -> Result<()> {
    let stage = Stage::with_seed(&seed()).await?;
    let talkative = [format, "--log-filter=trace"];
    let (gateway, gateway_url) = stage.gateway(&talkative).await?;
    // Objects are edited over and over to be checked.
    let finest = [format, "--log-filter=trace", "--edit-interval=1s"];
    let operator = stage.operator("first", &finest).await?;
    operator.leads().await?;
    let mut story = Story { stage, operator, gateway, gateway_url, looks: 0 };
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
        let stage = &self.stage;
        let app = stage.app("webhook: {}").replace(crate::stage::APP_SECRET, bait::APP_SECRET);
        let channels =
            [("shop", PAGE_A, PAGE_A_TOKEN), ("support", PAGE_B, PAGE_B_TOKEN), ("outlet", PAGE_C, PAGE_C_TOKEN)];
        let channels: String = channels.iter().map(|(name, page, token)| stage.channel(name, page, token)).collect();
        // One token is also published in a Secret for a bot.
        let channels = channels.replacen("spec:\n", "spec:\n  publishToken: true\n", 1);
        stage.apply(&(app + &channels)).await?;
        stage.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
        stage.channel_is("shop", "TokenPublished=True/SecretSynced").await?;
        stage.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
        stage.channel_is("outlet", "Expired=True/PasswordChanged").await?;
        stage.app_is("Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    async fn secrets_are_malformed(&self) -> Result<()> {
        let stage = &self.stage;
        let two_lines = format!("{FIRST_LINE}\n{SECOND_LINE}");
        stage.apply(&stage.channel("torn", "2200000000000009", &two_lines)).await?;
        stage.channel_is("torn", "Authorized=False/SecretMalformed").await?;
        stage.apply(&stage.channel("support", PAGE_B, &format!("Bearer {PAGE_B_TOKEN}"))).await?;
        stage.channel_is("support", "Authorized=False/SecretMalformed").await?;
        // Well formed, but nobody's: Meta quotes it.
        stage.apply(&stage.channel("support", PAGE_B, NOBODYS_TOKEN)).await?;
        stage.channel_is("support", "Authorized=False/TokenUnknown").await?;
        stage.apply(&stage.channel("support", PAGE_B, PAGE_B_TOKEN)).await?;
        stage.channel_is("support", "Ready=True/ReconcileSucceeded").await.map(|_| ())
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
        self.stage.apply(&self.stage.grant(GRANT_TOKEN)).await?;
        self.stage.grant_is("Ready=True/ReconcileSucceeded").await?;
        for (template, code, subcode, expected) in [
            // It counts when it is said again a minute later, and is told with Meta's words.
            ("/{version}/{user-id}/accounts", 190, Some(467), Some("Valid=False/SessionInvalidated")),
            ("/{version}/debug_token", 100, None, None),
        ] {
            let message = "Something about the access token".to_owned();
            let error = FaultError { echo_token: true, subcode, ..FaultError::new(code, message) };
            self.stage.sandbox.clear_ledger();
            self.stage.fault("GET", Some(template), FaultEffect::GraphError(error));
            self.look_at_grant().await?;
            self.stage.struck("GET").await?;
            if let Some(expected) = expected {
                self.stage.grant_is(expected).await?;
            }
            self.stage.sandbox.clear_faults();
            self.look_at_grant().await?;
            self.stage.grant_is("Ready=True/ReconcileSucceeded").await?;
        }
        Ok(())
    }

    async fn look_at_grant(&mut self) -> Result<()> {
        let grants: Api<MetaGrant> = Api::namespaced(self.stage.client.clone(), &self.stage.tenant);
        grants.patch("acme", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    async fn graph_answers_rubbish(&mut self) -> Result<()> {
        let body = format!("<html>{PAGE_A_TOKEN} {}</html>", bait::APP_SECRET);
        let quoting = json!({ "error": { "message": format!("{PAGE_A_TOKEN}/{}", bait::APP_SECRET), "code": 1 } });
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
        let put = |value| secret(&self.stage.platform, "acme-app", "app-secret", "app-secret", value);
        self.stage.apply(&put(WRONG_APP_SECRET)).await?;
        self.stage.app_is("CredentialsValid=False/SecretMismatch").await?;
        self.stage.apply(&put(bait::APP_SECRET)).await?;
        self.stage.app_is("Ready=True/ReconcileSucceeded").await?;
        self.stage.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    /// Meta quotes what a callback answers, and this one answers with the verify token.
    async fn the_callback_repeats_the_verify_token(&mut self) -> Result<()> {
        let parrot = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", parrot.local_addr()?);
        let repeat = async |Query(query): Query<BTreeMap<String, String>>| query["hub.verify_token"].clone();
        let serving = tokio::spawn(async move { axum::serve(parrot, Router::new().fallback(repeat)).await });
        let resolve = |url: &str| BTreeMap::from([("hooks.example.com".to_owned(), url.to_owned())]);
        self.stage.sandbox.set_resolve(resolve(&url))?;
        let drift: AppSubscriptionChange = serde_json::from_value(json!({ "active": false }))?;
        self.stage.sandbox.change_app(APP_ID, AppChange { subscription: Some(drift), ..AppChange::default() })?;
        self.look_at_app().await?;
        self.stage.app_is("WebhookSubscribed=False/CallbackVerificationFailed").await?;
        serving.abort();
        // Nobody answers any more.
        self.look_at_app().await?;
        self.stage.sandbox.set_resolve(resolve(&self.gateway_url))?;
        self.recover().await
    }

    /// Objects that our types refuse, and whose refusal would quote a secret, stop nobody else. Returns the log of the
    /// operator that saw them come; the one that finds them there is a new one.
    async fn objects_cannot_be_decoded(&mut self, flags: &[&str]) -> Result<String> {
        let loose = Loose::begin(&self.stage).await?;
        loose.store_misfits(&self.stage).await?;
        wait_for("the misfits to be seen", PATIENCE, async || {
            let seen = self.operator.metric("invalid_objects_total").await?;
            ensure!(seen >= misfits::COUNT, "{seen} of {}", misfits::COUNT);
            Ok(())
        })
        .await?;
        misfits::are_told(&self.stage).await?;
        self.misfits_are_met().await?;
        self.stage.sandbox.clear_faults();
        loose.end().await?;
        self.look_at_shop().await?;
        self.operator.ends_well("with misfits").await?;
        let log = self.operator.process.logs();
        // Its slots come all the time; what it sends for many channels at once is quoted from its first batch on.
        self.quote_batches();
        self.operator = self.stage.operator("second", &[flags, &["--probe-period=1s"]].concat()).await?;
        self.operator.leads().await?;
        ensure!(self.operator.metric("invalid_objects_total").await? >= misfits::COUNT);
        self.look_at_shop().await?;
        self.stage.app_is("Ready=True/ReconcileSucceeded").await?;
        Ok(log)
    }

    /// Passes over objects that are well meet misfits: a claim, and what the API server answers to a status of a channel
    /// that became one while Meta took its time.
    async fn misfits_are_met(&self) -> Result<()> {
        let stage = &self.stage;
        // On a busy machine Meta does not take long enough each time.
        wait_for("passes to meet the misfits", 5 * PATIENCE, async || {
            stage.sandbox.clear_faults();
            stage.apply(&stage.channel("support", PAGE_B, PAGE_B_TOKEN)).await?;
            stage.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
            stage.sandbox.clear_ledger();
            stage.fault("GET", None, FaultEffect::Slow { ms: 6000 });
            stage.apply(&secret(&stage.tenant, "support-token", "page-token", "token", NOBODYS_TOKEN)).await?;
            stage.struck("GET").await?;
            stage.apply(&misfits::of(stage.channel("support", PAGE_B, NOBODYS_TOKEN))).await?;
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
        self.stage.fault("POST", Some("/{version}/"), FaultEffect::GraphError(error));
    }

    /// A sweep sends the tokens of many channels in one body. Meta refuses it and quotes what it came with.
    async fn a_batch_is_quoted(&self) -> Result<()> {
        self.stage.sandbox.clear_ledger();
        self.stage.struck("POST").await?;
        self.stage.sandbox.clear_faults();
        wait_for("the batch to be told", PATIENCE, async || {
            ensure!(self.operator.process.logs().contains("POST / (batch)"));
            Ok(())
        })
        .await
    }

    async fn nothing_was_told(&self, first: &str) -> Result<()> {
        let stage = &self.stage;
        let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.platform);
        let verify_token = secrets.get("metaapp-acme-verify-token").await?.data.context("data")?;
        let needles = Needles::new(std::str::from_utf8(&verify_token["verify-token"].0)?);

        let mut told = vec![
            ("the first operator's log", first.to_owned()),
            ("the second operator's log", self.operator.process.logs()),
            ("the gateway's log", self.gateway.process.logs()),
            ("the operator's metrics", self.operator.get("/metrics").await?.1),
            ("the gateway's metrics", self.gateway.get("/metrics").await?.1),
        ];
        told.extend(published(stage).await?);
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
        self.stage.sandbox.clear_ledger();
        self.stage.fault("GET", template, effect);
        self.annotate_shop().await?;
        self.stage.struck("GET").await?;
        if template.is_none() {
            self.stage.sandbox.clear_ledger();
            self.look_at_app().await?;
            wait_for("the app's call to go wrong", PATIENCE, async || {
                let ledger = self.stage.sandbox.ledger();
                let app = |it: &LedgerEntry| it.fault.is_some() && it.node.as_deref() == Some(APP_ID);
                ensure!(ledger.iter().any(app), "{} calls", ledger.len());
                Ok(())
            })
            .await?;
        }
        self.stage.sandbox.clear_faults();
        self.recover().await
    }

    async fn recover(&mut self) -> Result<()> {
        self.look_at_app().await?;
        self.stage.app_is("Ready=True/ReconcileSucceeded").await?;
        self.annotate_shop().await?;
        self.stage.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
    }

    /// Asks for a look at the channel, and waits for it.
    async fn look_at_shop(&mut self) -> Result<()> {
        self.stage.sandbox.clear_ledger();
        self.annotate_shop().await?;
        wait_for("a look at the channel", PATIENCE, async || {
            let ledger = self.stage.sandbox.ledger();
            let looked = ledger.iter().any(|it| it.node.as_deref() == Some(PAGE_A) && it.status == Some(200));
            ensure!(looked, "{} calls", ledger.len());
            Ok(())
        })
        .await
    }

    async fn annotate_shop(&mut self) -> Result<()> {
        let channels: Api<FacebookChannel> = Api::namespaced(self.stage.client.clone(), &self.stage.tenant);
        channels.patch("shop", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    async fn look_at_app(&mut self) -> Result<()> {
        let apps: Api<MetaApp> = Api::namespaced(self.stage.client.clone(), &self.stage.platform);
        apps.patch("acme", &PatchParams::default(), &Patch::Merge(&self.request())).await?;
        Ok(())
    }

    fn request(&mut self) -> Value {
        self.looks += 1;
        json!({ "metadata": { "annotations": { "metachannels.io/requested-at": self.looks.to_string() } } })
    }
}

/// What everybody with read access sees: Events, statuses and claims.
async fn published(stage: &Stage) -> Result<Vec<(&'static str, String)>> {
    let kubectl = stage.plane.kubectl();
    // An Event is published after the status that it is about.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut all = Vec::new();
    for (kind, namespace) in [
        ("events.events.k8s.io", &stage.tenant),
        ("events.events.k8s.io", &stage.platform),
        ("facebookchannels", &stage.tenant),
        ("metaapps", &stage.platform),
        ("metagrants", &stage.tenant),
        ("assetclaims", &stage.claims),
        ("leases", &stage.platform),
    ] {
        let mut list = kubectl.get(&[kind, "-n", namespace]).await?;
        for item in list["items"].as_array_mut().context("a list")? {
            // The bait was laid out in the specs of the misfits.
            if kind == "facebookchannels" || kind == "metaapps" || item["metadata"]["name"] == misfits::CLAIM {
                item["spec"].take();
            }
        }
        all.push((kind, list.to_string()));
    }
    Ok(all)
}
