//! A release whose objects may not be deleted yet: it is refused as a whole or in part, and can be repaired.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use testkit::pages::commands;
use testkit::{Kubectl, wait_for};

use crate::support::admission_env::page_claim;
use crate::support::cluster::established;
use crate::support::installed::PATIENCE;
use crate::support::releases::{Helm, Releases, cluster, labeled, remembered};
use crate::support::terminal::Terminal;
use crate::support::{Chart, helm, helm3, read};

const HELD: &str = "holds its page and is not declared Disconnected";

/// A tenant's release of channels.
struct Shops<'a> {
    releases: &'a Releases<'a>,
    kubectl: Kubectl,
    namespace: &'a str,
}

impl Shops<'_> {
    /// Runs Helm on the release, with what comes after its name.
    fn helm(&self, verb: &str, rest: &[&str]) -> Result<String> {
        let rest: Vec<_> = rest.iter().map(Path::new).collect();
        self.releases.run(verb, "shops", self.namespace, &rest)
    }

    /// `helm upgrade` to an example of the chart.
    fn upgrade(&self, example: &str, more: &[&str]) -> Result<String> {
        let (chart, values) = (Chart::CHANNELS.path(), Chart::CHANNELS.example(example));
        let [chart, values] = [&chart, &values].map(|path| path.display().to_string());
        self.helm("upgrade", &[&[chart.as_str(), "--values", &values], more].concat())
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let place = ["--namespace", self.namespace];
        self.kubectl.run(&[arguments, &place].concat()).await.map(drop)
    }

    /// Writes into a status as the operator would.
    async fn status(&self, object: &str, status: &str) -> Result<()> {
        let patch = format!("--patch={{\"status\":{status}}}");
        self.kubectl(&["patch", object, "--subresource=status", "--type=merge", &patch]).await
    }

    /// The release, with a channel that is connected by a grant.
    async fn install(&self) -> Result<()> {
        let values = Chart::CHANNELS.example("tenant");
        self.releases.put("install", "shops", self.namespace, &Chart::CHANNELS.path(), &values)?;
        self.hold().await
    }

    /// Connects a channel of it.
    async fn hold(&self) -> Result<()> {
        let shop = r#"{"observedGeneration":1,"claimName":"facebook-page-2200000000000001"}"#;
        self.status("facebookchannel/shop", shop).await?;
        self.status("metagrant/acme", r#"{"observedGeneration":1,"channels":3}"#).await?;
        wait_for("the policy to count", PATIENCE, async || {
            let error = self.kubectl(&["delete", "facebookchannel", "shop", "--dry-run=server"]).await.err();
            let error = error.context("it would be deleted")?.to_string();
            ensure!(error.contains(HELD), "{error}");
            Ok(())
        })
        .await
    }

    /// What is left of the release in the cluster.
    async fn left(&self) -> Result<BTreeSet<String>> {
        let place = format!(" {}/", self.namespace);
        let all = labeled(&self.kubectl, "shops").await?;
        Ok(all.into_iter().filter(|it| it.contains(&place)).map(|it| it.replace(&place, " ")).collect())
    }
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a test with a release of each Helm on one cluster whose policies count.
async fn with_each_helm(test: impl AsyncFn(&Shops<'_>) -> Result<()>) -> Result<()> {
    let cluster = cluster().await;
    let admin = Releases { cluster: &cluster, helm };
    admin.put("install", "admin", "default", &Chart::ADMIN.path(), &Chart::ADMIN.example("default"))?;
    established(&cluster.kubectl()).await?;
    for (namespace, helm) in [("tenant-a", helm as Helm), ("tenant-b", helm3)] {
        let releases = Releases { cluster: &cluster, helm };
        let shops = Shops { releases: &releases, kubectl: cluster.kubectl(), namespace };
        shops.install().await?;
        test(&shops).await.with_context(|| format!("in {namespace}"))?;
    }
    ensure!(remembered(&cluster.kubectl(), "shops").await? == 0);
    Ok(())
}

const ALL: [&str; 4] = ["FacebookChannel outlet", "FacebookChannel shop", "FacebookChannel support", "MetaGrant acme"];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_uninstallation_is_taken_back_or_goes_on_once_the_channel_is_declared_disconnected() {
    with_each_helm(async |shops| {
        let refused = async || {
            let error = shops.helm("uninstall", &[]).err().context("it was uninstalled")?.to_string();
            ensure!(error.contains("Error: failed to delete release: shops"), "{error}");
            ensure!(shops.left().await? == named(&["FacebookChannel shop", "MetaGrant acme"]));
            Ok(())
        };
        refused().await?;
        // Back to where it was; then it is declared in the values.
        shops.helm("rollback", &["1"])?;
        ensure!(shops.left().await? == named(&ALL));
        shops.upgrade("tenant", &["--set=channels.shop.connection=Disconnected"])?;
        shops.upgrade("tenant", &["--set=channels.shop.connection=Connected"])?;
        refused().await?;

        // Or as the refusal and the notes say.
        let disconnect = "--patch={\"spec\":{\"connection\":\"Disconnected\"}}";
        shops.kubectl(&["patch", "facebookchannels", "shop", "--type=merge", disconnect]).await?;
        shops.helm("uninstall", &[]).err().context("the grant is counted as used")?;
        ensure!(shops.left().await? == named(&["MetaGrant acme"]));
        shops.status("metagrant/acme", r#"{"channels":0}"#).await?;
        shops.helm("uninstall", &[])?;
        ensure!(shops.left().await?.is_empty());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_takes_out_what_would_stay_fails_before_it_changes_anything() {
    with_each_helm(async |shops| {
        let refused = async |words: &str, left: &[&str]| {
            let error = shops
                .upgrade("empty", &["--reset-values"])
                .err()
                .with_context(|| format!("it was upgraded without {words}"))?;
            let error = error.to_string();
            ensure!(error.contains(words), "{error}");
            ensure!(shops.left().await? == named(left));
            Ok(())
        };
        let place = shops.namespace;
        refused(
            &format!("FacebookChannel {place}/shop was taken out of the values, but would not be deleted: it {HELD}"),
            &ALL,
        )
        .await?;
        // The release still knows what it has.
        ensure!(shops.helm("status", &[])?.contains("STATUS: deployed"));
        shops.upgrade("tenant", &["--set=channels.shop.connection=Disconnected"])?;
        let used = format!(
            "MetaGrant {place}/acme was taken out of the values, but would not be deleted: it is used by channels"
        );
        refused(&used, &ALL).await?;
        shops.kubectl(&["patch", "metagrant/acme", "--subresource=status", "--type=json", UNCOUNT]).await?;
        refused(&used, &ALL).await?;
        shops.status("metagrant/acme", r#"{"channels":0}"#).await?;
        shops.upgrade("empty", &["--reset-values"])?;
        ensure!(shops.left().await?.is_empty());

        // What is meant to be deleted goes, and what is to be kept stays.
        shops.upgrade("tenant", &[])?;
        shops.hold().await?;
        shops.kubectl(&["annotate", "facebookchannel/shop", "metachannels.io/allow-deletion=true"]).await?;
        shops.kubectl(&["annotate", "metagrant/acme", "helm.sh/resource-policy=keep"]).await?;
        shops.upgrade("empty", &["--reset-values"])?;
        ensure!(shops.left().await? == named(&["MetaGrant acme"]));
        shops.helm("uninstall", &[]).map(drop)
    })
    .await
    .unwrap();
}

const UNCOUNT: &str = "--patch=[{\"op\":\"remove\",\"path\":\"/status/channels\"}]";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_deletion_shows_the_refusal_as_kubectl_prints_it_and_the_notes_say_what_ends_it() {
    let test = "the_page_on_deletion_shows_the_refusal_as_kubectl_prints_it_and_the_notes_say_what_ends_it";
    let blocks = commands("docs/deletion.md", test).unwrap();
    let [delete, decide, uninstall, show, finish] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let cluster = cluster().await;
    let releases = Releases { cluster: &cluster, helm };
    releases.put("install", "admin", "default", &Chart::ADMIN.path(), &Chart::ADMIN.example("default")).unwrap();
    established(&cluster.kubectl()).await.unwrap();
    let shops = Shops { releases: &releases, kubectl: cluster.kubectl(), namespace: "tenant-a" };
    shops.install().await.unwrap();
    let terminal = Terminal::at(&cluster).unwrap();
    let page = read("docs/deletion.md").unwrap();
    let is_shown = |printed: &str| assert!(page.lines().any(|line| line == printed), "the page lacks: {printed}");
    let refusal = |printed: String| printed.lines().find(|line| line.starts_with("Error")).unwrap().to_owned();

    is_shown(&refusal(terminal.refused(delete).unwrap()));
    let notes = Chart::CHANNELS.notes(&Chart::CHANNELS.example("tenant")).unwrap();
    for command in [
        "kubectl -n ops delete -l app.kubernetes.io/instance=acme facebookchannels,metagrants,metaapps --dry-run=server",
        "kubectl -n ops patch facebookchannels <name> --type=merge --patch='{\"spec\":{\"connection\":\"Disconnected\"}}'",
        "helm uninstall acme --namespace ops",
    ] {
        assert!(notes.lines().any(|line| line.trim() == command), "{command} is not in {notes}");
    }
    // What page and notes say shows all that an uninstallation would meet, and deletes nothing.
    let error = terminal.refused(show).unwrap();
    assert!(error.contains(HELD) && error.contains("MetaGrant tenant-a/acme is used by 3 channels"), "{error}");
    assert_eq!(shops.left().await.unwrap(), named(&ALL));

    is_shown(&refusal(terminal.refused(uninstall).unwrap()));
    shops.status("metagrant/acme", r#"{"channels":0}"#).await.unwrap();
    terminal.type_in(finish).unwrap();
    assert!(shops.left().await.unwrap().is_empty());

    let claim = page_claim("2200000000000001", "tenant-a").to_string();
    let apply = ["apply", "--server-side", "--namespace=meta-channels", "--filename=-"];
    shops.kubectl.run_with_input(&apply, Some(&claim)).await.unwrap();
    for word in decide.lines() {
        // One or the other.
        terminal.type_in(word).unwrap();
        let other = ["annotate", "assetclaim", "--all", "--namespace=meta-channels", "metachannels.io/cleanup-"];
        shops.kubectl.run(&other).await.unwrap();
    }
}
