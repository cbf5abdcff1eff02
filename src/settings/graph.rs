//! Flags for all servers that call Meta.

use std::time::Duration;

use clap::Args;

use super::value;
use crate::cluster::leader::LONGEST_ANSWER;

/// Base URL of Meta's Graph API.
pub const META_GRAPH_URL: &str = "https://graph.facebook.com";

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
    /// How long to wait for one answer from the Graph API; from 1s to 30s.
    #[arg(long, env = "GRAPH_TIMEOUT", default_value = "10s", value_parser = value::time(Duration::from_secs(1), LONGEST_ANSWER), value_name = "DURATION")]
    pub graph_timeout: Duration,
}

impl GraphSettings {
    /// Checks what clap cannot check flag by flag.
    ///
    /// # Errors
    /// When a URL is none of a server. When the Graph URL is not Meta's and that is not allowed: anyone who may set the URL would get
    /// everybody's tokens.
    pub fn validate(&self) -> anyhow::Result<()> {
        value::server_url("--graph-url", &self.graph_url)?;
        self.proxy().map(|url| value::server_url("--graph-proxy-url", url)).transpose()?;
        if self.is_test_graph() && !self.allow_test_graph {
            anyhow::bail!(
                "--graph-url is not Meta's ({META_GRAPH_URL}); add --allow-test-graph to send tokens and app secrets there"
            );
        }
        Ok(())
    }

    /// The proxy through which Graph is reached.
    pub fn proxy(&self) -> Option<&str> {
        self.graph_proxy_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Whether the Graph API is not Meta's.
    pub fn is_test_graph(&self) -> bool {
        self.graph_url.trim_end_matches('/') != META_GRAPH_URL
    }
}
