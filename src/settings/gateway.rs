//! Flags for the gateway.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use reqwest::Url;

use super::common::{CommonSettings, DEFAULT_KEYRING};
use super::graph::GraphSettings;
use super::value;

/// Base URL of Meta's login dialog.
pub const META_LOGIN_URL: &str = "https://www.facebook.com";

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
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_parser = value::namespace, value_name = "NAMESPACE")]
    pub inbox_namespace: String,
    /// Name of the Secret in the inbox namespace with the app secrets and verify tokens. The operator writes it.
    #[arg(long, env = "KEYRING", default_value = DEFAULT_KEYRING, value_parser = value::object_name, value_name = "NAME")]
    pub keyring: String,
    /// Address of the public listener. TLS must be terminated in front of it.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080", value_parser = value::address, value_name = "ADDRESS")]
    pub listen_addr: SocketAddr,
    /// Number of proxies in front of the gateway that each add the address they got a request from to X-Forwarded-For. The address
    /// that the outermost proxy adds tells people apart. Count at least the proxy that terminates TLS; 0 if that one adds no address.
    #[arg(long, env = "TRUSTED_PROXIES", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=8), value_name = "N")]
    pub trusted_proxies: u8,
    /// Directory for events that are to be forwarded, of this gateway alone. Without it nothing is forwarded.
    #[arg(long, env = "QUEUE", value_name = "DIRECTORY")]
    pub queue: Option<PathBuf>,
    /// Ranges of addresses that nothing is forwarded to, besides those that are not public: of pods, Services and nodes.
    #[arg(long, env = "DENY_CIDRS", value_delimiter = ',', value_name = "CIDR,...")]
    pub deny_cidrs: Vec<IpNet>,
    /// Ranges of addresses that events may be forwarded to although they are not public.
    #[arg(long, env = "ALLOW_CIDRS", value_delimiter = ',', value_name = "CIDR,...")]
    pub allow_cidrs: Vec<IpNet>,
    /// Domain of the cluster, as in the names of its Services.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local", value_parser = value::object_name, value_name = "DOMAIN")]
    pub cluster_domain: String,
    /// Address of the probes and metrics listener.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8081", value_parser = value::address, value_name = "ADDRESS")]
    pub metrics_addr: SocketAddr,
}

impl GatewaySettings {
    /// Checks what clap cannot check flag by flag.
    ///
    /// # Errors
    /// When a URL is none of a server. When a URL is not Meta's and that is not allowed: a login page elsewhere could ask people for
    /// their passwords.
    pub fn validate(&self) -> anyhow::Result<()> {
        self.graph.validate()?;
        self.login()?;
        if self.login_url.trim_end_matches('/') != META_LOGIN_URL && !self.graph.allow_test_graph {
            anyhow::bail!(
                "--login-url is not Meta's ({META_LOGIN_URL}); add --allow-test-graph to send people there to log in"
            );
        }
        Ok(())
    }

    /// Where people are sent to log in.
    ///
    /// # Errors
    /// When it is none of a server.
    pub fn login(&self) -> anyhow::Result<Url> {
        value::server_url("--login-url", &self.login_url)
    }
}
