//! The demo, as someone meets it who types what it prints and clicks on what it leads to.
#![allow(clippy::unwrap_used)]

#[path = "support/family.rs"]
mod family;
mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Process, wait_for};

use crate::family::family;
use crate::support::runs;

/// The programs may still have to be built.
const START: Duration = Duration::from_secs(1800);

const PATIENCE: Duration = Duration::from_secs(180);

const README: &str = include_str!("../../README.md");

/// Who may log in at the sandbox.
const PERSON: &str = "6600000000000001";

#[tokio::test]
async fn what_the_demo_prints_works_and_leads_to_this_machine_alone() {
    let demo = Demo::start().await.unwrap();
    demo.shows_the_readme().await.unwrap();
    demo.answers("A channel whose token has ended", "PasswordChanged").unwrap();
    demo.refuses("What is in use is not deleted", "Set spec.connection to Disconnected first").await.unwrap();

    demo.type_all("Delete the app").unwrap();
    demo.is_connected_again().await.unwrap();
    demo.type_all("Delete everything").unwrap();
    demo.is_connected_again().await.unwrap();

    demo.authorizes_again().await.unwrap();
    demo.ends_at_ctrl_c_and_leaves_nothing().await.unwrap();
}

struct Demo {
    process: Process,
}

impl Demo {
    /// Starts it and waits until it has said what can be done.
    async fn start() -> Result<Self> {
        let process = Process::spawn(&Command::new(env!("CARGO_BIN_EXE_demo")))?;
        let ended = wait_for("the demo to run", START, async || {
            let ended = process.exit_status()?;
            ensure!(ended.is_some() || process.logs().contains("Ctrl-C stops everything"), process.last_lines(5));
            Ok(ended)
        });
        ensure!(ended.await?.is_none(), "it ended:\n{}", process.logs());
        Ok(Self { process })
    }

    /// The commands below a line of what it printed.
    fn commands(&self, title: &str) -> Result<Vec<String>> {
        let logs = self.process.logs();
        let below = logs.lines().skip_while(|line| !line.starts_with(title)).skip(1);
        let commands: Vec<_> = below.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
        ensure!(!commands.is_empty(), "no commands below {title:?} in\n{logs}");
        Ok(commands)
    }

    /// What another terminal prints for a command, or complains.
    fn type_in(&self, command: &str) -> Result<Result<String, String>> {
        let first = self.commands("Look around from another terminal")?.join(" && ");
        let output = Command::new("bash").args(["-c", &format!("{first} && {command}")]).output()?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
    }

    fn printed(&self, command: &str) -> Result<String> {
        self.type_in(command)?.map_err(|error| anyhow::anyhow!("{command}: {error}"))
    }

    fn type_all(&self, title: &str) -> Result<()> {
        for command in self.commands(title)? {
            match self.type_in(&command)? {
                Ok(_) => {}
                // Where a namespace goes that is not seen to go yet, it takes what was refused with it.
                Err(refusal) if command.starts_with("kubectl delete -k") && refusal.contains("is not deleted") => {}
                Err(error) => bail!("{command}: {error}"),
            }
        }
        Ok(())
    }

    fn answers(&self, title: &str, expected: &str) -> Result<()> {
        let printed = self.printed(&self.commands(title)?.join(" && "))?;
        ensure!(printed.contains(expected), "no {expected} in\n{printed}");
        Ok(())
    }

    /// Waits until the commands are refused in these words. Policies come into force a moment after they were made, so that
    /// nothing is deleted in earnest.
    async fn refuses(&self, title: &str, expected: &str) -> Result<()> {
        let command = format!("{} --dry-run=server", self.commands(title)?.join(" && "));
        wait_for("a refusal", PATIENCE, async || {
            let refusal = self.type_in(&command)?.err().context("it would be done")?;
            ensure!(refusal.contains(expected), "{refusal}");
            Ok(())
        })
        .await
    }

    async fn is_connected_again(&self) -> Result<()> {
        self.printed("kubectl wait -n platform --for=condition=Ready metaapp/acme --timeout=10m")?;
        self.is_as_in_the_readme().await
    }

    /// It printed what the README shows, and kubectl prints the same.
    async fn shows_the_readme(&self) -> Result<()> {
        let logs = self.process.logs();
        for (command, expected) in readme()? {
            let (_, shown) = logs.split_once(&format!("$ kubectl {command}\n")).context(command)?;
            same(command, shown.split("\n\n").next().unwrap_or_default(), expected)?;
        }
        self.is_as_in_the_readme().await
    }

    async fn is_as_in_the_readme(&self) -> Result<()> {
        wait_for("what the README shows", PATIENCE, async || {
            let mut pictures = readme()?.into_iter();
            pictures.try_for_each(|(command, expected)| {
                same(command, &self.printed(&format!("kubectl {command}"))?, expected)
            })
        })
        .await
    }

    /// From the address in the status, through the sandbox's login dialog, to the page that thanks.
    async fn authorizes_again(&self) -> Result<()> {
        let command = self.commands("Where a person authorizes again")?.join(" && ");
        let mut browser = Browser::new()?;
        // The gateway learns of it a moment later.
        let start = wait_for("the start page", PATIENCE, async || {
            let start = Url::parse(self.printed(&command)?.trim())?;
            browser.sees(&start, "Authorize again").await?;
            Ok(start)
        });
        let start = start.await?;
        let mut dialog = browser.click(&start, &[]).await?;
        let logs = self.process.logs();
        let sandbox = dialog.origin().ascii_serialization();
        ensure!(logs.contains(&format!("Graph sandbox  {sandbox} ")), "{dialog} is not the sandbox");
        browser.sees(&dialog, "Alex Grantor").await?;
        let asked: Vec<_> = dialog.query_pairs().into_owned().collect();
        dialog.set_query(None);
        let asked = asked.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let agreed: Vec<_> = asked.chain([("person", PERSON), ("decision", "continue")]).collect();
        let callback = browser.click(&dialog, &agreed).await?;
        let outcome = browser.follow(&callback).await?;
        browser.sees(&outcome, "Use this authorization?").await?;
        let (_, flow) = outcome.query_pairs().next().context("which one it is")?;
        let thanks = browser.click(&outcome, &[("flow", &flow), ("decision", "use")]).await?;
        browser.sees(&thanks, "Thank you").await
    }

    async fn ends_at_ctrl_c_and_leaves_nothing(self) -> Result<()> {
        let pids = family(self.process.pid())?;
        ensure!(pids.len() > 5, "only {pids:?} ran");
        let pids: Vec<_> = pids.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())).collect();
        kill_process(pids[0], Signal::INT)?;
        let status = wait_for("its end", PATIENCE, async || self.process.exit_status()?.context("it runs"));
        let status = status.await?;
        ensure!(status.success(), "{status}: {}", self.process.last_lines(5));
        let log = self.process.log();
        let home = log.parent().context("a log is in a directory")?;
        wait_for("its files to go", PATIENCE, async || {
            let files: Vec<_> = fs::read_dir(home)?.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
            ensure!(files == [log], "{files:?} are left");
            Ok(())
        })
        .await?;
        // With it goes the guard that was to stop it, which is none of the demo's own.
        drop(self.process);
        wait_for("its processes to go", PATIENCE, async || {
            let running: Vec<_> = pids.iter().filter(|pid| runs(**pid)).collect();
            ensure!(running.is_empty(), "{running:?} run");
            Ok(())
        })
        .await
    }
}

/// What the README begins with: arguments of kubectl, and what it shows.
fn readme() -> Result<Vec<(&'static str, &'static str)>> {
    let (_, block) = README.split_once("```console\n$ kubectl ").context("a picture")?;
    let (block, _) = block.split_once("\n```\n").context("its end")?;
    let pictures = block.split("\n\n$ kubectl ").map(|picture| picture.split_once('\n').context("an answer"));
    pictures.collect()
}

/// Fails unless both show the same, but for times, ages and the widths of columns.
fn same(command: &str, shown: &str, expected: &str) -> Result<()> {
    let is_digit = |it: char| it.is_ascii_digit();
    let is_age = |word: &str| word.starts_with(is_digit) && word.ends_with(['s', 'm', 'h', 'd']);
    let is_time = |word: &str| word.starts_with(is_digit) && word.ends_with('Z');
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace();
        words.map(|it| if is_age(it) || is_time(it) { "…".to_owned() } else { it.to_owned() }).collect()
    };
    let alike = words(shown) == words(expected);
    ensure!(alike, "kubectl {command} shows\n{}\nand in the README\n{}", shown.trim_end(), expected.trim_end());
    Ok(())
}

/// A browser that goes nowhere but to this machine.
struct Browser {
    http: Client,
    /// Each as `name=value`.
    cookies: Vec<String>,
}

impl Browser {
    fn new() -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().redirect(Policy::none()).danger_accept_invalid_certs(true);
        Ok(Self { http: http.build()?, cookies: Vec::new() })
    }

    async fn sees(&mut self, url: &Url, expected: &str) -> Result<()> {
        let (_, text) = self.go(url, None).await?;
        ensure!(text.contains(expected), "no {expected:?} at {url}: {text}");
        Ok(())
    }

    /// Sends a form: where that leads.
    async fn click(&mut self, url: &Url, form: &[(&str, &str)]) -> Result<Url> {
        self.go(url, Some(form)).await?.0.with_context(|| format!("{url} leads nowhere"))
    }

    async fn follow(&mut self, url: &Url) -> Result<Url> {
        self.go(url, None).await?.0.with_context(|| format!("{url} leads nowhere"))
    }

    /// Where it leads, and what it shows.
    async fn go(&mut self, url: &Url, form: Option<&[(&str, &str)]>) -> Result<(Option<Url>, String)> {
        ensure!(is_here(url.host_str().unwrap_or_default()), "{url} is elsewhere");
        let request = match form {
            None => self.http.get(url.clone()),
            Some(form) => self.http.post(url.clone()).header("sec-fetch-site", "same-origin").form(form),
        };
        let response = request.header(COOKIE, self.cookies.join("; ")).send().await?;
        let headers = response.headers().clone();
        let text = response.text().await?;
        let said = format!("{headers:?}{text}");
        for rest in said.split("://").skip(1) {
            let host = rest.split(|it: char| !it.is_ascii_alphanumeric() && !".-".contains(it)).next();
            ensure!(host.is_some_and(is_here), "{url} leads to {host:?}");
        }
        for set in headers.get_all(SET_COOKIE) {
            let cookie = set.to_str()?.split(';').next().unwrap_or_default();
            self.cookies.retain(|kept| kept.split('=').next() != cookie.split('=').next());
            self.cookies.push(cookie.to_owned());
        }
        let to = headers.get(LOCATION).map(|to| anyhow::Ok(url.join(to.to_str()?)?)).transpose()?;
        Ok((to, text))
    }
}

fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1"].contains(&host)
}
