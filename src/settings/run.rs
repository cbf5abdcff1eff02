//! Flags for the operator.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::common::{CommonSettings, DEFAULT_KEYRING};
use super::graph::GraphSettings;
use super::value::{self, LONGEST};
use crate::cluster::leader::{Candidate, Timing};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Flags for the operator.
#[derive(Args, Clone, Debug)]
pub struct RunSettings {
    /// Flags for all servers.
    #[command(flatten)]
    pub common: CommonSettings,
    /// Namespace of the claims.
    #[arg(long, env = "CLAIMS_NAMESPACE", default_value = "meta-channels", value_parser = value::namespace, value_name = "NAMESPACE")]
    pub claims_namespace: String,
    /// Where the Graph API is.
    #[command(flatten)]
    pub graph: GraphSettings,
    /// Namespace where the gateway leaves what people authorized in the browser; by default the pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_parser = value::namespace, value_name = "NAMESPACE")]
    pub inbox_namespace: String,
    /// Name of the Secret in the inbox namespace from which the gateway reads app secrets and verify tokens. Must match the gateway's --keyring.
    #[arg(long, env = "KEYRING", default_value = DEFAULT_KEYRING, value_parser = value::object_name, value_name = "NAME")]
    pub keyring: String,
    /// Public base URL of the gateway, such as https://hooks.example.com. Leave it unset if no gateway is installed.
    #[arg(long, env = "GATEWAY_URL", value_name = "URL")]
    pub gateway_url: Option<String>,
    /// Whether that gateway forwards events to the endpoints of channels: it was started with --queue.
    #[arg(long, env = "FORWARDING")]
    pub forwarding: bool,
    /// Address of the probes and metrics listener.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8080", value_parser = value::address, value_name = "ADDRESS")]
    pub metrics_addr: SocketAddr,
    /// Number of passes that may run at the same time.
    #[arg(long, env = "CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
    pub concurrency: u16,
    /// How often a working channel is checked; at Meta at least 1m.
    #[arg(long, env = "PROBE_PERIOD", default_value = "15m", value_parser = value::time(SECOND, LONGEST), value_name = "DURATION")]
    pub probe_period: Duration,
    /// How often the token of a working channel is checked; near its expiry, 24 times as often. At Meta at least 1h.
    #[arg(long, env = "TOKEN_PROBE_PERIOD", default_value = "24h", value_parser = value::time(SECOND, LONGEST), value_name = "DURATION")]
    pub token_probe_period: Duration,
    /// How often a working application is checked; at Meta at least 1m.
    #[arg(long, env = "APP_PROBE_PERIOD", default_value = "1h", value_parser = value::time(SECOND, LONGEST), value_name = "DURATION")]
    pub app_probe_period: Duration,
    /// How often an object that is edited repeatedly is checked, after the first five edits.
    #[arg(long, env = "EDIT_INTERVAL", default_value = "1m", value_parser = value::time(SECOND, HOUR), value_name = "DURATION")]
    pub edit_interval: Duration,
    /// How long a value is kept without an answer from Meta before it becomes Unknown.
    #[arg(long, env = "STALENESS_LIMIT", default_value = "1h", value_parser = value::time(SECOND, LONGEST), value_name = "DURATION")]
    pub staleness_limit: Duration,
    /// Take part in leader election. Required with more than one replica.
    #[arg(long, env = "LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub leader_elect: bool,
    /// Namespace of the Lease; by default the pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_parser = value::namespace, value_name = "NAMESPACE")]
    pub leader_election_namespace: String,
    /// Name of the Lease.
    #[arg(long, env = "LEADER_ELECTION_ID", default_value = "meta-channel-operator", value_parser = value::object_name, value_name = "NAME")]
    pub leader_election_id: String,
    /// How long a Lease that is not renewed stays with its holder. Must be the same for all replicas.
    #[arg(long, env = "LEASE_DURATION", default_value = "60s", value_parser = value::time(SECOND, HOUR), value_name = "DURATION")]
    pub lease_duration: Duration,
    /// How long the holder of the Lease tries to renew it before it gives up; shorter than --lease-duration.
    #[arg(long, env = "LEASE_RENEW_DEADLINE", default_value = "40s", value_parser = value::time(SECOND, HOUR), value_name = "DURATION")]
    pub lease_renew_deadline: Duration,
    /// How often the leader renews the Lease, and waiting replicas check it; at most half of --lease-renew-deadline.
    #[arg(long, env = "LEASE_RETRY_PERIOD", default_value = "5s", value_parser = value::time(SECOND, HOUR), value_name = "DURATION")]
    pub lease_retry_period: Duration,
    /// Unique name of this instance, normally the pod's name.
    #[arg(long, env = "POD_NAME", value_parser = value::instance, value_name = "NAME")]
    pub identity: Option<String>,
}

impl RunSettings {
    /// The name of this release, to which namespaces are bound: the namespace and name of its Lease, which two releases
    /// can never share.
    pub fn release(&self) -> String {
        format!("{}/{}", self.leader_election_namespace, self.leader_election_id)
    }

    /// Checks what clap cannot check flag by flag.
    ///
    /// # Errors
    /// When a URL is none of a server, or not Meta's and that is not allowed. When Meta would be asked too often: the limits of an
    /// application are for everything that it does.
    pub fn validate(&self) -> anyhow::Result<()> {
        self.graph.validate()?;
        if let Some(url) = &self.gateway_url {
            let url = value::server_url("--gateway-url", url)?;
            anyhow::ensure!(
                url.scheme() == "https",
                "--gateway-url ({:?}) must start with https://: Meta calls no other URLs",
                url.as_str()
            );
        }
        let periods = [
            ("--probe-period", self.probe_period, MINUTE),
            ("--token-probe-period", self.token_probe_period, HOUR),
            ("--app-probe-period", self.app_probe_period, MINUTE),
        ];
        for (flag, period, least) in periods.into_iter().filter(|_| !self.graph.is_test_graph()) {
            let (shown, allowed) = (value::shown(period), value::shown(least));
            anyhow::ensure!(period >= least, "{flag} ({shown}) must be at least {allowed} for Meta's Graph API");
        }
        Ok(())
    }

    /// Public base URL of the gateway, without a slash at its end.
    pub fn gateway_base(&self) -> Option<String> {
        self.gateway_url.as_deref().map(|url| url.trim_end_matches('/').to_owned())
    }

    /// Where this instance takes part in leader election, and under which name.
    ///
    /// # Errors
    /// When the times do not fit together: two instances could lead at once, or one slow answer would end the leader.
    pub fn candidate(&self) -> anyhow::Result<Candidate> {
        let (lease, renew_deadline, retry_period) =
            (self.lease_duration, self.lease_renew_deadline, self.lease_retry_period);
        if renew_deadline >= lease {
            anyhow::bail!(
                "--lease-renew-deadline ({renew_deadline:?}) must be shorter than --lease-duration ({lease:?})"
            );
        }
        if retry_period.saturating_mul(2) > renew_deadline {
            anyhow::bail!(
                "--lease-retry-period ({retry_period:?}) must be at most half of --lease-renew-deadline ({renew_deadline:?})"
            );
        }
        let (timing, answer) = (Timing { lease, renew_deadline, retry_period }, self.graph.graph_timeout);
        if timing.fresh(answer) < 2 * retry_period {
            anyhow::bail!(
                "--lease-duration ({lease:?}) must be longer by a second than --graph-timeout ({answer:?}) and twice --lease-retry-period ({retry_period:?}) together: what the former leader sent to Meta must be over when the next one starts"
            );
        }
        Ok(Candidate {
            namespace: self.leader_election_namespace.clone(),
            lease: self.leader_election_id.clone(),
            identity: self.instance(),
            timing,
        })
    }

    /// The name of this instance: the configured name, or else host and process.
    pub fn instance(&self) -> String {
        self.identity.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "local".to_owned());
            format!("{host}-{}", std::process::id())
        })
    }
}
