//! What every request of a reauthorization shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::{Api, Client};
use reqwest::Url;
use tokio::sync::Semaphore;

use super::app::{LoginApp, config_id};
use super::grants::{Grant, Grants};
use super::inbox::Inbox;
use super::returning::Returning;
use super::unsolicited_codes::UnsolicitedCodes;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::gateway::keyring::Keyring;
use crate::graph::GraphClient;
use crate::meta_app;
use crate::metrics::Metrics;

/// Logins that Meta is asked about at once: who comes back from it waits for some answers.
const LOGINS: usize = 8;

/// What every request shares.
pub(in crate::gateway) struct OAuth {
    pub(super) clock: Clock,
    pub(super) graph: GraphClient,
    pub(super) grants: Arc<Grants>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) login_url: Url,
    pub(super) logins: Semaphore,
    pub(super) inbox: Inbox,
    pub(super) metrics: Metrics,
    /// Whether Meta refused a proof of a code.
    proof_was_refused: AtomicBool,
    pub(super) returning: Returning,
    pub(super) unsolicited: UnsolicitedCodes,
}

/// Where people log in, and what comes of it.
pub(in crate::gateway) struct OAuthConfig {
    /// Base URL of the login dialog.
    pub(in crate::gateway) url: Url,
    pub(in crate::gateway) inbox_namespace: String,
    /// Proxies of ours that a request passes.
    pub(in crate::gateway) proxies: u8,
    pub(in crate::gateway) clock: Clock,
}

impl OAuth {
    pub(in crate::gateway) fn new(
        client: Client,
        graph: GraphClient,
        config: OAuthConfig,
        grants: Arc<Grants>,
        keyring: Arc<Keyring>,
        metrics: Metrics,
    ) -> Self {
        let OAuthConfig { url: login_url, inbox_namespace, proxies, clock } = config;
        let inbox = Inbox(Api::namespaced(client, &inbox_namespace));
        let (logins, returning) = (Semaphore::new(LOGINS), Returning::new(proxies));
        let unsolicited = UnsolicitedCodes::new(proxies);
        let proof_was_refused = AtomicBool::new(false);
        Self {
            clock,
            graph,
            grants,
            keyring,
            login_url,
            logins,
            inbox,
            metrics,
            proof_was_refused,
            returning,
            unsolicited,
        }
    }

    /// The application of a grant, if people can log in to it now. Why they cannot is no business of the public.
    pub(super) fn app(&self, grant: &Grant) -> Option<LoginApp> {
        let keys = self.keyring.app(&grant.app())?;
        let app = &keys.app;
        // Labels of namespaces are read by the operator alone, which says in the grant what it found.
        let allowed = meta_app::allowed::allows(app, &grant.key().namespace, None);
        // Only a configuration gives a token that may take the place of a system user's.
        let no_person_can = grant.is_of_system_user() && config_id(app).is_none();
        if !allowed.unwrap_or_else(|| grant.found_its_app()) || no_person_can {
            return None;
        }
        LoginApp::of(&keys)
    }

    /// Whether people are asked by a configuration of Facebook Login for Business.
    pub(super) fn has_configuration(&self, grant: &Grant) -> bool {
        self.keyring.app(&grant.app()).is_some_and(|keys| config_id(&keys.app).is_some())
    }

    /// Counts and logs how a step ended. What anybody may cause at any rate fills no log.
    pub(super) fn record(&self, grant: Option<&Key>, outcome: &'static str) {
        self.metrics.gateway().reauthorization(outcome);
        match grant {
            Some(grant) => tracing::info!(%grant, outcome, "reauthorization in the browser"),
            None => tracing::debug!(outcome, "reauthorization in the browser"),
        }
    }

    /// Says that Meta does not take the proof: in the log once.
    pub(super) fn record_refused_proof(&self) {
        self.metrics.gateway().reauthorization("proof_refused");
        if !self.proof_was_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!("Meta refuses the proof that accompanies a code (PKCE); codes are redeemed without it");
        }
    }
}
