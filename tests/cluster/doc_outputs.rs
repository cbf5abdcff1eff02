//! What kubectl shows, as docs/kubectl.md shows it: every block there that begins with a call of kubectl holds what kubectl
//! really prints. With `UPDATE_DOCS=1` (`make doc-outputs`) the blocks are written, else they are compared.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use regex::{Captures, Regex};
use serde_json::json;
use testkit::sandbox::{Invalidation, SeedPage};
use testkit::{ControlPlane, Kubectl, wait_for};
use tokio::sync::OnceCell;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::change_row;
use crate::support::subscriptions::repaired;

const DOCUMENT: &str = "docs/kubectl.md";
const KIOSK: &str = "2200000000000004";

/// How often the channels of an application are counted.
const COUNTED: Duration = Duration::from_secs(60);

/// When the pictures are taken, and when the authorizations end. All other times are shown as if they were the first.
const NOW: &str = "2026-11-20T09:30:00Z";
const ENDS: &str = "2027-02-20T10:12:04Z";

#[tokio::test(flavor = "multi_thread")]
async fn the_document_shows_what_kubectl_shows() -> Result<()> {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let env = Env::alone(PLANE.get_or_try_init(ControlPlane::start).await?, |seed| {
        let kiosk: SeedPage = serde_yaml_ng::from_str(&format!("{{id: {KIOSK}, name: Acme Kiosk}}")).unwrap();
        seed.pages.push(kiosk);
        let ends = format!(", data_access_expires_at: {ENDS}");
        let pages = [("shop", PAGE_A), ("support", PAGE_B), ("kiosk", KIOSK), ("outlet", PAGE_C)];
        seed.tokens.extend(pages.map(|(alias, page)| page_token(alias, page, &ends)));
    })
    .await?;
    env.set_clock(NOW.parse()?)?;
    let operator = env.operator_with(|operator| operator.policy.count_period = COUNTED);
    play(&env, &operator).await?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(&path)?;
    let taken = retaken(&env.kubectl(), &text).await?;
    match std::env::var_os("UPDATE_DOCS") {
        Some(_) => fs::write(&path, &taken)?,
        None => ensure!(text == taken, "{DOCUMENT}: {}; `make doc-outputs` writes it", difference(&text, &taken)),
    }
    Ok(())
}

/// Connects four pages. Then one is disconnected by declaration, the person behind another's token changes the password,
/// and over the last there is a fight.
async fn play(env: &Env, operator: &Running) -> Result<()> {
    env.put_app().await?;
    let tenant_a = [("shop", PAGE_A, &*text("shop")), ("support", PAGE_B, &*text("support"))];
    env.put_channels(&env.tenant_a, &tenant_a).await?;
    let tenant_b = [("kiosk", KIOSK, &*text("kiosk")), ("outlet", PAGE_C, &*text("outlet"))];
    env.put_channels(&env.tenant_b, &tenant_b).await?;
    for (namespace, name) in
        [(&env.tenant_a, "shop"), (&env.tenant_a, "support"), (&env.tenant_b, "kiosk"), (&env.tenant_b, "outlet")]
    {
        env.channel_is(namespace, name, &["Ready=True"]).await?;
    }
    let parted = json!({ "spec": { "connection": "Disconnected" } });
    env.channels(&env.tenant_a).patch("support", &PatchParams::default(), &Patch::Merge(&parted)).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True", "Disconnected=True"]).await?;
    env.sandbox.invalidate_token("outlet", Invalidation { subcode: Some(460), message: None })?;
    fight(env, operator).await?;
    env.channel_is(&env.tenant_b, "outlet", &["Ready=False/PasswordChanged"]).await?;
    warned(env, &env.tenant_b, &["kiosk RepairFight", "outlet PasswordChanged"]).await?;
    quiet(operator).await?;
    env.request_look(&env.tenant_a, "shop", NOW).await?;
    wait_for("the look that was asked for", PATIENCE, async || {
        let status = env.channels(&env.tenant_a).get("shop").await?.status.context("no status")?;
        ensure!(status.last_handled_requested_at.as_deref() == Some(NOW));
        Ok(())
    })
    .await?;
    env.advance(2);
    wait_for("the channels to be counted", PATIENCE, async || {
        let counts = env.apps().get("acme").await?.status.context("no status")?.channels;
        let counts = counts.context("not counted")?;
        ensure!((counts.total, counts.connected, counts.expired, counts.disconnected) == (4, 1, 1, 2), "{counts:?}");
        Ok(())
    })
    .await?;
    quiet(operator).await
}

async fn fight(env: &Env, operator: &Running) -> Result<()> {
    env.sandbox.clear_ledger();
    let taken = || change_row(env, KIOSK, APP_ID, Some(&["messages".to_owned()]));
    taken()?;
    for (minutes, count) in [(16, 1), (1, 2), (1, 3)] {
        repaired(env, operator, minutes, PAGE_ROWS, count).await?;
        taken()?;
    }
    env.advance(1);
    env.channel_is(&env.tenant_b, "kiosk", &["Ready=False/RepairFight"]).await.map(|_| ())
}

/// A document with its pictures taken again.
async fn retaken(kubectl: &Kubectl, document: &str) -> Result<String> {
    let mut parts = document.split("```console\n$ kubectl ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (block, rest) = part.split_once("\n```\n").context("a block that does not end")?;
        let mut pictures = Vec::new();
        for picture in block.split("\n$ kubectl ") {
            let command = picture.lines().next().unwrap_or_default();
            let arguments: Vec<_> = command.split_whitespace().map(|word| word.replace('\'', "")).collect();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let shown = settled(&kubectl.text(&arguments).await?);
            pictures.push(format!("$ kubectl {command}\n{}", shown.trim_end()));
        }
        text += &format!("```console\n{}\n```\n{rest}", pictures.join("\n\n"));
    }
    Ok(text)
}

/// What kubectl printed, without what is another in every run.
fn settled(printed: &str) -> String {
    static TIMES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("a pattern"));
    static MARKS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)^( *(?:UID|Resource Version|Inputs|Fingerprint): +)\S+$").expect("a pattern")
    });
    let printed = TIMES.replace_all(printed, |found: &Captures<'_>| match &found[0] {
        ENDS => ENDS,
        _ => NOW,
    });
    let printed = MARKS.replace_all(&printed, "$1…");
    let lines: Vec<_> = printed.lines().collect();
    match lines.iter().position(|line| line.split("  ").any(|word| word.trim().eq_ignore_ascii_case("age"))) {
        Some(head) => {
            let (before, table) = lines.split_at(head);
            [before, &same_age(table).iter().map(String::as_str).collect::<Vec<_>>()].concat().join("\n")
        }
        None => lines.join("\n"),
    }
}

/// A table in which everything is equally old, its columns as wide as kubectl makes them then.
fn same_age(table: &[&str]) -> Vec<String> {
    let (head, gap) = (table[0], if table[0].contains("   AGE") { 3 } else { 2 });
    let begins = |at: usize| !head[at..].starts_with(' ') && (at == 0 || head[..at].ends_with("  "));
    let starts: Vec<_> = (0..head.len()).filter(|at| begins(*at)).collect();
    let indent = " ".repeat(starts[0]);
    let cells = |line: &str| -> Vec<String> {
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        starts.iter().zip(ends).map(|(from, to)| cut(line, *from, to)).collect()
    };
    let mut rows: Vec<_> = table.iter().map(|line| cells(line)).collect();
    let age = rows[0].iter().position(|cell| cell.eq_ignore_ascii_case("age")).unwrap_or_default();
    static OLD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(\d+[smhd])+\b").expect("a pattern"));
    for row in &mut rows {
        row[age] = OLD.replace_all(&row[age], "3m").into_owned();
    }
    let widths: Vec<_> = (0..starts.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max()).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:0$}", width.unwrap_or_default() + gap));
        format!("{indent}{}", padded.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn cut(line: &str, from: usize, to: usize) -> String {
    line.chars().skip(from).take(to.saturating_sub(from)).collect::<String>().trim().to_owned()
}

/// The first lines that differ.
fn difference(before: &str, now: &str) -> String {
    let differs = before.lines().zip(now.lines()).find(|(before, now)| before != now);
    differs.map_or_else(|| "it is longer or shorter".to_owned(), |(before, now)| format!("{before:?} is {now:?} now"))
}
