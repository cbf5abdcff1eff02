//! Logs, in JSON for machines or in lines for people.

use clap::ValueEnum;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One readable line a record.
    Human,
}

/// Whether a record may be written at all, whatever the filter says.
///
/// HTTP clients and servers below us write headers, URLs and bodies at their finer levels, and bodies of Secrets and
/// tokens are among them. Only our own records go below INFO.
fn ours_or_coarse(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target.starts_with("meta_channel_operator");
    ours || *metadata.level() <= LevelFilter::INFO
}

/// Installs the logger.
///
/// # Errors
/// When the filter cannot be read, or a logger is installed already.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let layer = match format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
        LogFormat::Human => fmt::layer().with_writer(std::io::stderr).boxed(),
    };
    let installed: Result<(), TryInitError> =
        tracing_subscriber::registry().with(layer.with_filter(filter_fn(ours_or_coarse))).with(filter).try_init();
    installed.map_err(Into::into)
}
