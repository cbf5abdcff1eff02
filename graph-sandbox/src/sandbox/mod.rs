//! The handle of a running sandbox.

mod conversations;
mod deliveries;
mod people;
mod usage;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::callback;
use crate::clock::Clock;
use crate::connection::{Peer, ResettableListener};
use crate::control::{AppChange, ControlError, PageChange, StateView};
use crate::core::Core;
use crate::delivery;
use crate::faults::{ActiveFault, Fault, Faults};
use crate::foreign::ForeignWrites;
use crate::ledger::{Ledger, LedgerEntry, LedgerSummary};
use crate::locked::Locked;
use crate::presets::AppliedPreset;
use crate::seed::{Invalidation, Seed, SeedError, SeedPreset, SeedToken};
use crate::server;
use crate::usage::Usage;
use crate::webhooks::Outbox;
use crate::world::World;

/// How long open requests may take to end when the sandbox stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How a sandbox runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; a free loopback port by default.
    pub listen: SocketAddr,
    /// Opens the control API to other machines that present it.
    pub control_token: Option<SecretString>,
    /// Public callback host → base URL that stands in for it; added to the seed's table.
    pub resolve: BTreeMap<String, String>,
    /// How long a callback may take to answer the challenge; five seconds by default.
    pub callback_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control_token: None,
            resolve: BTreeMap::new(),
            callback_limit: Duration::from_secs(5),
        }
    }
}

/// A running sandbox. It stops when this is dropped.
pub struct Sandbox {
    core: Arc<Core>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
    delivery: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox; it answers once this returns.
    pub async fn start(seed: Seed, options: Options) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let faults = Faults::default();
        for fault in &seed.faults {
            faults.add(fault.clone(), clock.now());
        }
        let presets = seed.presets.clone();
        let usage = Usage::new(seed.limits);
        let mut world = World::new(seed, clock.now())?;
        for (host, base) in &options.resolve {
            world.set_resolve(host, base)?;
        }
        let core = Arc::new(Core {
            world: Locked::new(world),
            clock,
            ledger: Ledger::default(),
            faults,
            foreign: ForeignWrites::default(),
            usage,
            outbox: Outbox::default(),
            client: callback::client()?,
            callback_limit: options.callback_limit,
            stopping: CancellationToken::new(),
        });
        for (index, SeedPreset { name, given }) in presets.into_iter().enumerate() {
            let place = format!("presets[{index}]");
            let given = given.texts().map_err(|problem| SeedError::content(&place, problem))?;
            core.play(&name, &given).map_err(|error| SeedError::content(&place, error.to_string()))?;
        }
        let listener =
            TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let app = server::app(Arc::clone(&core), options.control_token);
        let stopping = core.stopping.clone();
        let server = tokio::spawn(async move {
            let service = app.into_make_service_with_connect_info::<Peer>();
            let serving =
                axum::serve(ResettableListener(listener), service).with_graceful_shutdown(stopping.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        let delivery = tokio::spawn(delivery::run(Arc::clone(&core)));
        tracing::info!(%address, "the sandbox listens");
        Ok(Self { core, address, server: Some(server), delivery: Some(delivery) })
    }

    /// Base URL, for example `http://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the sandbox. Hanging requests are cut off.
    pub async fn stop(mut self) {
        self.core.stopping.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_LIMIT, &mut server).await.is_err()
        {
            server.abort();
        }
        if let Some(delivery) = self.delivery.take() {
            // It ends with the token above; only a panic of its own could be reported here.
            let _ = delivery.await;
        }
    }

    /// Every Graph request since the start or the last clearing.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.ledger_since(0)
    }

    /// The Graph requests after this number.
    pub fn ledger_since(&self, seq: u64) -> Vec<LedgerEntry> {
        self.core.ledger.since(seq).into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// The Graph requests after this number, counted by what was asked and what came of it.
    pub fn ledger_summary(&self, seq: u64) -> LedgerSummary {
        self.core.ledger.summary(seq)
    }

    /// Forgets the ledger's entries; the numbers go on.
    pub fn clear_ledger(&self) {
        self.core.ledger.clear();
    }

    /// The state, without secrets.
    pub fn state(&self) -> StateView {
        self.core.view()
    }

    /// The sandbox's present moment.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// Moves the clock by a span, which may be negative; returns the new time.
    pub fn advance_clock(&self, span: SignedDuration) -> Result<Timestamp, ControlError> {
        self.core.clock.advance(span).map_err(|error| ControlError::Refused(error.to_string()))
    }

    /// Sets the clock; it runs on from there with real time.
    pub fn set_clock(&self, moment: Timestamp) -> Result<Timestamp, ControlError> {
        self.core.set_clock(moment)
    }

    /// Adds a token; one of the same text or alias is replaced.
    pub fn put_token(&self, token: SeedToken) -> Result<(), ControlError> {
        self.core.put_token(token)
    }

    /// Ends a token, named by its alias or its text.
    pub fn invalidate_token(&self, key: &str, why: Invalidation) -> Result<(), ControlError> {
        self.core.mark_token(key, Some(why))
    }

    /// Makes an ended token good again.
    pub fn restore_token(&self, key: &str) -> Result<(), ControlError> {
        self.core.mark_token(key, None)
    }

    /// Changes an app: its secret, whether it is shut out, drift of its subscriptions.
    pub fn change_app(&self, id: &str, change: AppChange) -> Result<(), ControlError> {
        self.core.change_app(id, change)
    }

    /// Changes a page: whether it is visible, roles on it, drift of its subscriptions.
    pub fn change_page(&self, id: &str, change: PageChange) -> Result<(), ControlError> {
        self.core.change_page(id, change)
    }

    /// Puts a fault in force; returns its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.core.faults.add(fault, self.now())
    }

    /// The faults in force, with how often they were met.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.core.faults.list()
    }

    /// Lifts one fault; whether there was one of this number.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.core.faults.remove(id)
    }

    /// Lifts all faults.
    pub fn clear_faults(&self) {
        self.core.faults.clear();
    }

    /// Plays a preset with these parameters.
    pub fn preset(&self, name: &str, parameters: &[(&str, &str)]) -> Result<AppliedPreset, ControlError> {
        let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.core.play(name, &given)
    }

    /// Takes back what a preset has set, as far as it can be undone.
    pub fn take_back(&self, applied: &AppliedPreset) -> Result<(), ControlError> {
        self.core.take_back(applied)
    }

    /// The table of stand-ins for callback hosts.
    pub fn resolve(&self) -> BTreeMap<String, String> {
        self.core.world.lock().resolve.clone()
    }

    /// Replaces the table of stand-ins for callback hosts.
    pub fn set_resolve(&self, table: BTreeMap<String, String>) -> Result<(), ControlError> {
        self.core.set_resolve(table)
    }

    /// Puts a switch into another position.
    pub fn set_switch(&self, name: &str, value: &str) -> Result<(), ControlError> {
        self.core.set_switches(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.core.stopping.cancel();
    }
}
