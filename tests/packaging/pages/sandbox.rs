//! docs/sandbox.md: a sandbox is called and controlled from a shell.

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::pages::commands;
use testkit::sandbox::{Options, Sandbox, Seed};

use crate::pages::bot;
use crate::support::terminal::Terminal;

/// Where the page has it.
const ADDRESS: &str = "http://127.0.0.1:8990";

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_does_what_the_commands_of_the_page_say() -> Result<()> {
    let blocks = commands("docs/sandbox.md", "a_sandbox_does_what_the_commands_of_the_page_say")?;
    let [call, control, people, routing, faults, presets] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let graph = Sandbox::start(Seed::demo()?, Options::default()).await?;
    let terminal = Terminal::new()?;
    ensure!(call.contains(ADDRESS));
    // The first block names the sandbox for all that follow.
    let type_in = |commands: &str| -> Result<Vec<Value>> {
        let printed =
            terminal.type_in(&format!("SANDBOX={}\n{}", graph.url(), commands.replace(ADDRESS, &graph.url())))?;
        let answers = serde_json::Deserializer::from_str(&printed).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
        let answers = answers.unwrap_or_else(|_| vec![Value::from(printed.clone())]);
        ensure!(answers.iter().all(|answer| answer["error"].is_null()), "{printed}");
        Ok(answers)
    };

    let answers = type_in(call)?;
    ensure!(answers[0]["success"] == true && answers[1]["name"] == "Acme Shop", "{answers:?}");
    ensure!(graph.state().pages["2200000000000001"].subscriptions["1111000011110000"] == ["messages", "standby"]);

    type_in(control)?;
    let state = graph.state();
    ensure!(state.tokens["page-a"].subcode == Some(460) && !state.pages["2200000000000002"].published, "{state:?}");
    type_in(people)?;
    ensure!(graph.state().apps["9999000099990000"].previous_secret_until.is_some());
    type_in(routing)?;
    let threads = type_in("curl -s \"$SANDBOX/_sandbox/state\"")?;
    ensure!(threads[0]["pages"]["2200000000000001"].to_string().contains("263902037430900"), "{threads:?}");
    type_in(faults)?;
    ensure!(graph.faults().is_empty(), "the last command takes them back");
    type_in(presets)?;
    ensure!(!graph.state().pages["2200000000000002"].restricted, "the last command takes it back");
    ensure!(graph.faults().len() == 1, "the one before is not taken back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_tested_by_the_commands_of_the_page() -> Result<()> {
    let blocks = commands("docs/sandbox.md", "a_bot_is_tested_by_the_commands_of_the_page")?;
    let [commands] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let graph = Sandbox::start(Seed::demo()?, Options::default()).await?;
    let (_bot, address) = bot("sandbox-app-secret-0000000000000000").await?;
    let commands = commands.replace("http://127.0.0.1:8080", &address);
    ensure!(commands.contains(&address));
    let printed = Terminal::new()?.type_in(&format!("SANDBOX={}\n{commands}", graph.url()))?;
    ensure!(printed.contains("webhooks_disabled"), "{printed}");
    Ok(())
}
