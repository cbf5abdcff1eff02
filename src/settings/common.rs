//! Flags for all servers.

use clap::Args;

use super::value::{self, Namespaces};
use crate::telemetry::LogFormat;

/// Name of the gateway's keyring where only one release has a gateway in the namespace.
pub const DEFAULT_KEYRING: &str = "meta-channel-gateway-keyring";

/// Flags for all servers.
#[derive(Args, Clone, Debug)]
pub struct CommonSettings {
    /// Namespaces to watch, separated by commas; none means all.
    #[arg(long, env = "WATCH_NAMESPACES", value_parser = value::namespaces, value_name = "NAMESPACES")]
    pub watch_namespaces: Option<Namespaces>,
    /// Maximum number of objects of each kind, and of Secrets with a purpose label, that are managed in one namespace. The oldest ones are managed.
    #[arg(long, env = "MAX_OBJECTS_PER_NAMESPACE", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub max_objects_per_namespace: u32,
    /// Format of the logs.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Filter for the logs, such as info or meta_channel_operator=debug. Libraries never log below info.
    #[arg(long, env = "LOG_FILTER", default_value = "info", value_parser = value::log_filter, value_name = "FILTER")]
    pub log_filter: String,
}

impl CommonSettings {
    /// The watched namespaces; one empty name means all.
    pub fn scopes(&self) -> Vec<String> {
        let mut named = self.watch_namespaces.as_ref().map(|names| names.0.clone()).unwrap_or_default();
        named.sort();
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
