//! `graph-sandbox`: a local Graph API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use clap::{Parser, Subcommand};
use graph_sandbox::{DEMO_SEED, Options, Preset, SWITCHES, Sandbox, Seed, SwitchInfo, graph_versions, presets, print};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What `--version` prints behind the name: release builds name their commit.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("META_CHANNEL_OPERATOR_COMMIT").filter(|it| !it.is_empty()).unwrap_or("unknown");
    let (oldest, newest) = graph_versions();
    format!("{}\ncommit: {commit}\nGraph API versions: {oldest} to {newest}", env!("CARGO_PKG_VERSION"))
});

/// A local simulator of the part of Meta's Graph API that messaging channels use.
#[derive(Parser)]
#[command(
    name = "graph-sandbox",
    version,
    long_version = LONG_VERSION.as_str(),
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seed to start with; the built-in demonstration seed without it.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8990")]
    listen: SocketAddr,
    /// Opens the control API to other machines that present this token.
    #[arg(long, value_name = "TOKEN", env = "GRAPH_SANDBOX_CONTROL_TOKEN", hide_env_values = true)]
    control_token: Option<SecretString>,
    /// Lets a base URL stand in for a public callback host; may be repeated.
    #[arg(long, value_name = "HOST=BASEURL", value_parser = parse_resolve)]
    resolve: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// List the switches for behavior of Graph that no source settles.
    Switches,
    /// List the presets: cases that happen at Meta, to be played by name.
    Presets,
    /// Print the built-in demonstration seed.
    DemoSeed,
}

fn parse_resolve(text: &str) -> Result<(String, String), String> {
    let (host, base) = text.split_once('=').ok_or("expected HOST=BASEURL")?;
    Ok((host.to_owned(), base.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Switches) => print(&SWITCHES.iter().map(describe).collect::<String>())?,
        Some(Command::Presets) => print(&presets().iter().map(describe_preset).collect::<String>())?,
        Some(Command::DemoSeed) => print(DEMO_SEED)?,
        None => serve(arguments).await?,
    }
    Ok(())
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Neither for files, nor for people who set NO_COLOR.
    let colors = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    tracing_subscriber::fmt().with_ansi(colors).with_env_filter(filter).with_writer(std::io::stderr).init();
    let seed = match &arguments.seed {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Seed::from_yaml(&text).with_context(|| file.display().to_string())?
        }
        None => Seed::demo()?,
    };
    let options = Options {
        listen: arguments.listen,
        control_token: arguments.control_token,
        resolve: arguments.resolve.into_iter().collect::<BTreeMap<_, _>>(),
        ..Options::default()
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::start(seed, options).await?;
    print(&format!("{}\n", sandbox.url()))?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

fn describe(switch: &SwitchInfo) -> String {
    let (name, default, values) = (switch.name, switch.default_value(), switch.values.join(" | "));
    let (section, meaning) = (switch.section, switch.meaning);
    format!("{name}\n    default  {default}\n    values   {values}\n    section  {section}\n    decides  {meaning}\n\n")
}

fn describe_preset(preset: &Preset) -> String {
    let parameters: Vec<String> = preset.parameters().into_iter().map(|parameter| parameter.name).collect();
    let (name, plays, known, parameters) = (&preset.name, &preset.plays, &preset.known_from, parameters.join(", "));
    format!("{name}\n    plays       {plays}\n    known from  {known}\n    parameters  {parameters}\n\n")
}
