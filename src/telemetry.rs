//! Logs, in JSON for machines or in lines for people.

use std::io::Write;

use anstream::{AutoStream, ColorChoice};
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
/// tokens are among them. Only our own records go below INFO. One of them writes whole bodies as warnings.
fn ours_or_coarse(metadata: &Metadata<'_>) -> bool {
    let (target, level) = (metadata.target(), *metadata.level());
    if target == QUOTES_BODIES {
        return level <= LevelFilter::ERROR;
    }
    // Spans of libraries only repeat in front of each line what the line says itself.
    target.starts_with("meta_channel_operator") || (level <= LevelFilter::INFO && metadata.is_event())
}

/// Warns with the body of every answer that it cannot decode.
const QUOTES_BODIES: &str = "kube_client::client";

/// Installs the logger.
///
/// # Errors
/// When the filter cannot be read, or a logger is installed already.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let layer = match format {
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr).boxed()
        }
        // Colors are for people who want them; in a file they are noise.
        LogFormat::Human => {
            let colors = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
            fmt::layer().with_ansi(colors).with_writer(std::io::stderr).boxed()
        }
    };
    let installed: Result<(), TryInitError> =
        tracing_subscriber::registry().with(layer.with_filter(filter_fn(ours_or_coarse))).with(filter).try_init();
    installed?;
    // The message of a panic may quote a value, so that only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked: a fault of this program; please report the place");
    }));
    Ok(())
}

/// Says why the process ends, in the log if there is one already.
pub fn last_words(error: &anyhow::Error) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{error:#}");
    } else {
        // Nobody reads it: no reason to stop.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
    }
}
