//! The README's commands, as a reader would type them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::Regex;
use testkit::ControlPlane;
use testkit::pages::commands;
use testkit::sandbox::{Options, Sandbox, Seed};

use crate::support::installed::{installed_launch, run_as_installed, wait};
use crate::support::terminal::Terminal;
use crate::support::{Chart, path};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_installed_by_the_commands_of_the_readme() {
    let blocks = commands("README.md", "a_tenant_is_installed_by_the_commands_of_the_readme").unwrap();
    let [commands] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let lines = commands.replace("\\\n", " ");
    let (_, tenants) = lines.split_once("\n\n").unwrap();
    let typed = tenants.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    assert_eq!(typed.count(), 3, "a tenant takes three commands: {tenants}");

    let graph = Sandbox::start(Seed::demo().unwrap(), Options::default()).await.unwrap();
    let cluster = ControlPlane::start().await.unwrap();
    Terminal::at(&cluster).unwrap().type_in(commands).unwrap();
    // The simulated Graph API for Meta's.
    let launch = installed_launch(&cluster, "acme-system", "operator").await.unwrap();
    let mut launch = launch.with("--graph-url", &graph.url()).unwrap();
    launch.env.insert("ALLOW_TEST_GRAPH".to_owned(), "true".to_owned());
    let operator = run_as_installed(&cluster, launch).await.unwrap();
    for object in ["metaapp/acme", "metagrant/acme", "facebookchannel/shop"] {
        wait(&cluster, &operator, "Ready", object, "acme").await.unwrap();
    }
}

/// Text files below a folder of the repository that tell people which commands to type.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?.path();
        let told = entry.extension().is_some_and(|it| ["md", "gotmpl", "txt", "yaml"].iter().any(|known| it == *known));
        if entry.is_dir() {
            found.extend(pages(&entry)?);
        } else if told {
            found.push(entry);
        }
    }
    Ok(found)
}

#[test]
fn every_page_calls_the_release_of_a_chart_by_the_same_name() {
    let install =
        Regex::new(r"helm (?:upgrade --install|install) (\S+) (?:\S*|<path or repository>)/(meta-[a-z-]+)\s").unwrap();
    let mut seen = BTreeMap::new();
    let mut files = vec![path("README.md")];
    files.extend(["docs", "charts", "config"].iter().flat_map(|folder| pages(&path(folder)).unwrap()));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for found in install.captures_iter(&text) {
            seen.entry(found[2].to_owned()).or_insert_with(Vec::new).push((found[1].to_owned(), file.clone()));
        }
    }
    let names = [(Chart::ADMIN, "meta-channels-admin", 4), (Chart::OPERATOR, "acme", 4), (Chart::CHANNELS, "shops", 2)];
    for (chart, name, least) in names {
        let found = &seen[chart.name()];
        assert!(found.len() >= least, "{}: {found:?}", chart.name());
        assert!(found.iter().all(|(release, _)| release == name), "{}: {found:#?}", chart.name());
    }
}
