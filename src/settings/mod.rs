//! Flags and environment variables.
//!
//! - `common`, `graph`: flags of all servers, and of those that call Meta; `run`, `gateway`: of one server
//! - `value`: what flags may hold

mod common;
mod gateway;
mod graph;
mod run;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use common::{CommonSettings, DEFAULT_KEYRING};
pub use gateway::{GatewaySettings, META_LOGIN_URL};
pub use graph::{GraphSettings, META_GRAPH_URL};
pub use run::RunSettings;
pub use value::Namespaces;

use crate::build_info;

/// Keeps messaging channels on Meta's Graph API the way they are declared in Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "meta-channel-operator",
    version,
    long_version = build_info::long_version(),
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
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

/// Flags for the generator.
#[derive(Args, Clone, Debug)]
pub struct CrdsSettings {
    /// Write one file for each kind into this directory instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::cluster::leader::Timing;

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
        assert!(run(&["--graph-timeout", "30s"]).is_ok());
        for refused in ["31s", "999ms"] {
            let error = run(&["--graph-timeout", refused]).unwrap_err().to_string();
            assert!(error.contains("must be at least 1s and at most 30s"), "{error}");
        }
    }

    #[test]
    fn meta_is_not_asked_more_often_than_is_good_for_the_application() {
        let checked = |args: &[&str]| run(args).unwrap().validate().map_err(|it| it.to_string());
        assert_eq!(checked(&["--probe-period=1m", "--token-probe-period=1h", "--app-probe-period=1m"]), Ok(()));
        for (flag, said) in [
            ("--probe-period=59s", "--probe-period (59s) must be at least 1m for Meta's Graph API"),
            ("--token-probe-period=59m", "--token-probe-period (59m) must be at least 1h for Meta's Graph API"),
            ("--app-probe-period=1s", "--app-probe-period (1s) must be at least 1m for Meta's Graph API"),
        ] {
            assert_eq!(checked(&[flag]), Err(said.to_owned()));
            assert_eq!(checked(&[flag, "--graph-url=http://127.0.0.1:1", "--allow-test-graph"]), Ok(()));
        }
    }

    #[test]
    fn urls_are_those_of_servers_and_that_of_the_gateway_is_secure() {
        let said = |args: &[&str]| run(args).unwrap().validate().map_or_else(|it| it.to_string(), |()| String::new());
        assert_eq!(said(&["--gateway-url=https://hooks.example.com/", "--graph-proxy-url="]), "");
        let gateway = run(&["--gateway-url=https://hooks.example.com/"]).unwrap().gateway_base();
        assert_eq!(gateway.as_deref(), Some("https://hooks.example.com"));
        for (flag, expected) in [
            ("--graph-url=graph", "--graph-url (\"graph\") must be the URL of a server"),
            ("--graph-proxy-url=ftp://proxy", "--graph-proxy-url (\"ftp://proxy\") must be the URL of a server"),
            ("--gateway-url=hooks", "--gateway-url (\"hooks\") must be the URL of a server"),
            ("--gateway-url=http://hooks", "--gateway-url (\"http://hooks/\") must start with https://"),
        ] {
            assert!(said(&[flag]).starts_with(expected), "{}", said(&[flag]));
        }
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
    fn namespaces_are_a_list_and_none_means_all() {
        assert_eq!(run(&["--watch-namespaces", "b, a"]).unwrap().common.scopes(), ["a", "b"]);
        assert_eq!(run(&["--watch-namespaces="]).unwrap().common.scopes(), [""]);
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
        for (args, said) in [
            (["--watch-namespaces", "Foo_Bar,,x"], "must be the name of a namespace"),
            (["--claims-namespace", ""], "must be the name of a namespace"),
            (["--leader-election-id", "a/b"], "must be the name of an object"),
            (["--keyring", "a..b"], "must be the name of an object"),
            (["--identity", "a b"], "printable ASCII"),
            (["--probe-period", "10ms"], "must be at least 1s and at most 720h"),
            (["--lease-duration", "2h"], "must be at least 1s and at most 1h"),
            (["--edit-interval", "soon"], "must be a duration such as 10s or 15m"),
            (["--metrics-addr", "0.0.0.0:65536"], "a port from 0 to 65535"),
            (["--log-filter", "no=such=filter"], "must be a filter such as info"),
            (["--concurrency", "0"], "1..=1000"),
            (["--max-objects-per-namespace", "0"], "1..=1000000"),
        ] {
            let error = run(&args).unwrap_err().to_string();
            let line = error.lines().next().unwrap();
            let [flag, value] = args;
            assert!(line.contains(&format!("invalid value '{value}' for '{flag} <")) && line.contains(said), "{error}");
        }
    }
}
