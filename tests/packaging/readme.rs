//! The README's commands, as a reader would type them.

use testkit::ControlPlane;
use testkit::pages::commands;
use testkit::sandbox::{Options, Sandbox, Seed};

use crate::support::installed::{installed_launch, run_as_installed, wait};
use crate::support::terminal::Terminal;

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
