//! Flags and environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::cluster::leader::{Candidate, LONGEST_ANSWER, Timing};
use crate::telemetry::LogFormat;

/// Keeps messaging channels on Meta's Graph API the way they are declared in Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "meta-channel-operator", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without a subcommand, run the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags for the operator.
    #[command(flatten)]
    pub run: RunSettings,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator (the default).
    Run(Box<RunSettings>),
    /// Run the gateway, which answers Meta's webhook requests.
    Gateway(Box<GatewaySettings>),
    /// Print the CustomResourceDefinitions.
    Crds(CrdsSettings),
}

/// Flags for all servers.
#[derive(Args, Clone, Debug)]
pub struct CommonSettings {
    /// Namespaces to watch, separated by commas; none means all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACES")]
    pub watch_namespaces: Vec<String>,
    /// Maximum number of objects of each kind, and of Secrets with a purpose label, that are managed in one namespace. The oldest ones are managed.
    #[arg(long, env = "MAX_OBJECTS_PER_NAMESPACE", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub max_objects_per_namespace: u32,
    /// Format of the logs.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Filter for the logs, such as info or meta_channel_operator=debug. Libraries never log below info.
    #[arg(long, env = "LOG_FILTER", default_value = "info", value_name = "FILTER")]
    pub log_filter: String,
}

impl CommonSettings {
    /// The watched namespaces; one empty name means all.
    pub fn scopes(&self) -> Vec<String> {
        let mut named: Vec<_> = self.watch_namespaces.iter().map(|name| name.trim().to_owned()).collect();
        named.retain(|name| !name.is_empty());
        named.sort();
        named.dedup();
        if named.is_empty() { vec![String::new()] } else { named }
    }

    /// How many objects of each kind are managed in one namespace.
    pub fn max_objects(&self) -> usize {
        usize::try_from(self.max_objects_per_namespace).unwrap_or(usize::MAX)
    }

    /// The watched namespaces in readable form.
    pub fn shown_scopes(&self) -> String {
        let scopes = self.scopes().join(",");
        if scopes.is_empty() { "all".to_owned() } else { scopes }
    }
}

/// Flags for all servers that call Meta.
#[derive(Args, Clone, Debug)]
pub struct GraphSettings {
    /// Base URL of the Graph API.
    #[arg(long, env = "GRAPH_URL", default_value = META_GRAPH_URL, value_name = "URL")]
    pub graph_url: String,
    /// Allow a Graph URL that is not Meta's. Tokens and app secrets are sent there.
    #[arg(long, env = "ALLOW_TEST_GRAPH")]
    pub allow_test_graph: bool,
    /// HTTP proxy through which the Graph API is reached, as http://proxy.example:3128. Only calls to Graph use it: proxies from the
    /// environment (HTTPS_PROXY) are ignored, and the API server is reached directly.
    #[arg(long, env = "GRAPH_PROXY_URL", value_name = "URL")]
    pub graph_proxy_url: Option<String>,
    /// How long to wait for one answer from the Graph API; at most 30s.
    #[arg(long, env = "GRAPH_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub graph_timeout: Duration,
}

impl GraphSettings {
    /// Checks what clap cannot check flag by flag.
    ///
    /// # Errors
    /// When the Graph URL is not Meta's and that is not allowed: anyone who may set the URL would get everybody's tokens. When the timeout
    /// is longer than a request counts as in flight.
    pub fn validate(&self) -> anyhow::Result<()> {
        let timeout = self.graph_timeout;
        if timeout > LONGEST_ANSWER {
            anyhow::bail!("--graph-timeout ({timeout:?}) must be at most {LONGEST_ANSWER:?}");
        }
        if self.is_test_graph() && !self.allow_test_graph {
            anyhow::bail!(
                "--graph-url is not Meta's ({META_GRAPH_URL}); add --allow-test-graph to send tokens and app secrets there"
            );
        }
        Ok(())
    }

    /// Whether the Graph API is not Meta's.
    pub fn is_test_graph(&self) -> bool {
        self.graph_url.trim_end_matches('/') != META_GRAPH_URL
    }
}

/// Flags for the operator.
#[derive(Args, Clone, Debug)]
pub struct RunSettings {
    /// Flags for all servers.
    #[command(flatten)]
    pub common: CommonSettings,
    /// Namespace of the claims.
    #[arg(long, env = "CLAIMS_NAMESPACE", default_value = "meta-channels", value_name = "NAMESPACE")]
    pub claims_namespace: String,
    /// Where the Graph API is.
    #[command(flatten)]
    pub graph: GraphSettings,
    /// Namespace where the gateway leaves what people authorized in the browser; by default the pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub inbox_namespace: String,
    /// Name of the Secret in the inbox namespace from which the gateway reads app secrets and verify tokens. Must match the gateway's --keyring.
    #[arg(long, env = "KEYRING", default_value = DEFAULT_KEYRING, value_name = "NAME")]
    pub keyring: String,
    /// Public base URL of the gateway, such as https://hooks.example.com. Leave it unset if no gateway is installed.
    #[arg(long, env = "GATEWAY_URL", value_parser = https_url, value_name = "URL")]
    pub gateway_url: Option<String>,
    /// Address of the probes and metrics listener.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub metrics_addr: SocketAddr,
    /// Number of passes that may run at the same time.
    #[arg(long, env = "CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
    pub concurrency: u16,
    /// How often a working channel is checked.
    #[arg(long, env = "PROBE_PERIOD", default_value = "15m", value_parser = period, value_name = "DURATION")]
    pub probe_period: Duration,
    /// How often the token of a working channel is checked; near its expiry, 24 times as often.
    #[arg(long, env = "TOKEN_PROBE_PERIOD", default_value = "24h", value_parser = period, value_name = "DURATION")]
    pub token_probe_period: Duration,
    /// How often a working application is checked.
    #[arg(long, env = "APP_PROBE_PERIOD", default_value = "1h", value_parser = period, value_name = "DURATION")]
    pub app_probe_period: Duration,
    /// How often an object that is edited repeatedly is checked, after the first five edits.
    #[arg(long, env = "EDIT_INTERVAL", default_value = "1m", value_parser = period, value_name = "DURATION")]
    pub edit_interval: Duration,
    /// How long a value is kept without an answer from Meta before it becomes Unknown.
    #[arg(long, env = "STALENESS_LIMIT", default_value = "1h", value_parser = period, value_name = "DURATION")]
    pub staleness_limit: Duration,
    /// Take part in leader election. Required with more than one replica.
    #[arg(long, env = "LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub leader_elect: bool,
    /// Namespace of the Lease; by default the pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub leader_election_namespace: String,
    /// Name of the Lease.
    #[arg(long, env = "LEADER_ELECTION_ID", default_value = "meta-channel-operator", value_name = "NAME")]
    pub leader_election_id: String,
    /// How long a Lease that is not renewed stays with its holder. Must be the same for all replicas.
    #[arg(long, env = "LEASE_DURATION", default_value = "60s", value_parser = period, value_name = "DURATION")]
    pub lease_duration: Duration,
    /// How long the holder of the Lease tries to renew it before it gives up; shorter than --lease-duration.
    #[arg(long, env = "LEASE_RENEW_DEADLINE", default_value = "40s", value_parser = period, value_name = "DURATION")]
    pub lease_renew_deadline: Duration,
    /// How often the leader renews the Lease, and waiting replicas check it; at most half of --lease-renew-deadline.
    #[arg(long, env = "LEASE_RETRY_PERIOD", default_value = "5s", value_parser = period, value_name = "DURATION")]
    pub lease_retry_period: Duration,
    /// Unique name of this instance, normally the pod's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
}

/// Name of the gateway's keyring where only one release has a gateway in the namespace.
pub const DEFAULT_KEYRING: &str = "meta-channel-gateway-keyring";

/// Base URL of Meta's Graph API.
pub const META_GRAPH_URL: &str = "https://graph.facebook.com";

/// Base URL of Meta's login dialog.
pub const META_LOGIN_URL: &str = "https://www.facebook.com";

impl RunSettings {
    /// The name of this release, to which namespaces are bound: the namespace and name of its Lease, which two releases
    /// can never share.
    pub fn release(&self) -> String {
        format!("{}/{}", self.leader_election_namespace, self.leader_election_id)
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
        if lease > Duration::from_secs(60 * 60) {
            anyhow::bail!("--lease-duration ({lease:?}) must be at most an hour");
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

/// Flags for the gateway.
#[derive(Args, Clone, Debug)]
pub struct GatewaySettings {
    /// Flags for all servers.
    #[command(flatten)]
    pub common: CommonSettings,
    /// Where the Graph API is.
    #[command(flatten)]
    pub graph: GraphSettings,
    /// Base URL of the login dialog that people are sent to. One that is not Meta's needs --allow-test-graph.
    #[arg(long, env = "LOGIN_URL", default_value = META_LOGIN_URL, value_name = "URL")]
    pub login_url: String,
    /// Namespace in which to leave what people authorized in the browser, for the operator; by default the pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub inbox_namespace: String,
    /// Name of the Secret in the inbox namespace with the app secrets and verify tokens. The operator writes it.
    #[arg(long, env = "KEYRING", default_value = DEFAULT_KEYRING, value_name = "NAME")]
    pub keyring: String,
    /// Address of the public listener. TLS must be terminated in front of it.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub listen_addr: SocketAddr,
    /// Number of proxies in front of the gateway that each add the address they got a request from to X-Forwarded-For. The address
    /// that the outermost proxy adds tells people apart. Count at least the proxy that terminates TLS; 0 if that one adds no address.
    #[arg(long, env = "TRUSTED_PROXIES", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=8), value_name = "N")]
    pub trusted_proxies: u8,
    /// Address of the probes and metrics listener.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub metrics_addr: SocketAddr,
}

impl GatewaySettings {
    /// Checks what clap cannot check flag by flag.
    ///
    /// # Errors
    /// When a URL is not Meta's and that is not allowed: a login page elsewhere could ask people for their passwords.
    pub fn validate(&self) -> anyhow::Result<()> {
        self.graph.validate()?;
        if self.login_url.trim_end_matches('/') != META_LOGIN_URL && !self.graph.allow_test_graph {
            anyhow::bail!(
                "--login-url is not Meta's ({META_LOGIN_URL}); add --allow-test-graph to send people there to log in"
            );
        }
        Ok(())
    }
}

/// Flags for the generator.
#[derive(Args, Clone, Debug)]
pub struct CrdsSettings {
    /// Write one file for each kind into this directory instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a duration such as 10s or 15m"))?;
    Duration::try_from(span).ok().filter(|it| !it.is_zero()).ok_or_else(|| "must be longer than zero".to_owned())
}

fn period(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|it| if it.as_secs() >= 1 { Ok(it) } else { Err("must be at least 1s".to_owned()) })
}

fn https_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    if url.starts_with("https://") { Ok(url.to_owned()) } else { Err("must start with https://".to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(args: &[&str]) -> Result<RunSettings, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"meta-channel-operator").chain(args)).map(|cli| cli.run)
    }

    #[test]
    fn a_graph_that_is_not_metas_must_be_allowed_explicitly() {
        let valid = |args: &[&str]| run(args).unwrap().graph.validate().is_ok();
        assert!(valid(&[]));
        assert!(valid(&["--graph-url", "https://graph.facebook.com/"]));
        assert!(!valid(&["--graph-url", "https://graph.facebook.com.evil.example"]));
        assert!(!valid(&["--graph-url", "http://127.0.0.1:1"]));
        assert!(valid(&["--graph-url", "http://127.0.0.1:1", "--allow-test-graph"]));
    }

    #[test]
    fn an_answer_of_meta_is_waited_for_half_a_minute_at_most() {
        let said = |timeout| run(&["--graph-timeout", timeout]).unwrap().graph.validate().map_err(|it| it.to_string());
        assert_eq!(said("30s"), Ok(()));
        assert_eq!(said("31s"), Err("--graph-timeout (31s) must be at most 30s".to_owned()));
    }

    #[test]
    fn people_are_sent_to_log_in_at_meta_unless_a_test_is_allowed() {
        let valid = |args: &[&str]| {
            let args = ["meta-channel-operator", "gateway"].iter().chain(args);
            let Some(Command::Gateway(settings)) = Cli::try_parse_from(args).unwrap().command else { panic!() };
            settings.validate().is_ok()
        };
        assert!(valid(&[]));
        assert!(valid(&["--login-url", "https://www.facebook.com/"]));
        assert!(!valid(&["--login-url", "https://www.facebook.com.evil.example"]));
        assert!(!valid(&["--login-url", "http://www.facebook.com"]));
        assert!(!valid(&["--graph-url", "http://127.0.0.1:1"]));
        assert!(valid(&["--login-url", "http://127.0.0.1:1", "--allow-test-graph"]));
    }

    #[test]
    fn namespaces_are_a_list_without_blanks_and_none_means_all() {
        assert_eq!(run(&["--watch-namespaces", "b, a,,b"]).unwrap().common.scopes(), ["a", "b"]);
        assert_eq!(run(&[]).unwrap().common.scopes(), [""]);
    }

    #[test]
    fn a_lease_is_held_for_a_minute_and_its_times_must_fit_together() {
        let candidate = |args: &[&str]| run(args).unwrap().candidate().map(|it| it.timing);
        let seconds = |lease, renew_deadline, retry_period| {
            let [lease, renew_deadline, retry_period] = [lease, renew_deadline, retry_period].map(Duration::from_secs);
            Timing { lease, renew_deadline, retry_period }
        };
        assert_eq!(candidate(&[]).unwrap(), seconds(60, 40, 5));
        let client_go = ["--lease-duration=15s", "--lease-renew-deadline=10s", "--lease-retry-period=2s"];
        assert_eq!(candidate(&client_go).unwrap(), seconds(15, 10, 2));
        for (wrong, said) in [
            ("--lease-duration=40s", "--lease-renew-deadline (40s) must be shorter than --lease-duration (40s)"),
            (
                "--lease-retry-period=21s",
                "--lease-retry-period (21s) must be at most half of --lease-renew-deadline (40s)",
            ),
            ("--lease-duration=2h", "--lease-duration (7200s) must be at most an hour"),
        ] {
            assert_eq!(candidate(&[wrong]).unwrap_err().to_string(), said);
        }
        let slow = [&client_go[..], &["--graph-timeout=11s"]].concat();
        let refusal = candidate(&slow).unwrap_err().to_string();
        assert!(
            refusal.starts_with("--lease-duration (15s) must be longer by a second than --graph-timeout (11s)"),
            "{refusal}"
        );
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for args in [
            ["--probe-period", "0s"],
            ["--probe-period", "10ms"],
            ["--graph-timeout", "soon"],
            ["--gateway-url", "http://hooks.example.com"],
            ["--concurrency", "0"],
            ["--max-objects-per-namespace", "0"],
        ] {
            assert!(run(&args).is_err(), "{args:?}");
        }
    }
}
