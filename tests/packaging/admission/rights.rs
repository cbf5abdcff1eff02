//! What the cluster's own roles hold once controllers have aggregated ours, and what controllers say of the policies.

use anyhow::{Context, Result, ensure};
use testkit::wait_for;

use crate::support::admission_env::*;
use crate::support::cluster::check;

#[tokio::test(flavor = "multi_thread")]
async fn view_edit_and_admin_hold_what_the_chart_adds_to_them() -> Result<()> {
    let cluster = admission_env().await?;
    let (channels, apps, claims) =
        ("facebookchannels.metachannels.io", "metaapps.metachannels.io", "assetclaims.metachannels.io");
    let grants = "metagrants.metachannels.io";
    for (who, sees, edits, administers) in [
        (&cluster.vic, true, false, false),
        (&cluster.ed, true, true, false),
        (&cluster.ann, true, true, true),
        (&cluster.cleo, false, false, false),
    ] {
        let expected = [
            ("list", channels, "tenant-a", sees),
            ("watch", claims, "tenant-a", sees),
            ("get", "metagrants/status.metachannels.io", "tenant-a", sees),
            ("create", channels, "tenant-a", edits),
            ("patch", apps, "tenant-a", edits),
            ("deletecollection", grants, "tenant-a", edits),
            ("purge", channels, "tenant-a", administers),
            ("purge", apps, "tenant-a", administers),
            ("purge", grants, "tenant-a", administers),
            ("transfer", channels, "tenant-a", administers),
            ("reroute", apps, "tenant-a", administers),
            ("bind", "releases.metachannels.io", "tenant-a", false),
            ("accept", grants, "tenant-a", administers),
            ("transfer", claims, "tenant-a", administers),
            ("patch", "facebookchannels/status.metachannels.io", "tenant-a", false),
            ("update", "assetclaims/status.metachannels.io", "tenant-a", false),
            ("list", channels, "tenant-b", false),
        ];
        check(who, &expected).await?;
    }
    check(&cluster.cleo, &[("transfer", claims, CLAIMS, true), ("delete", claims, CLAIMS, true)]).await?;
    let operators = [("purge", channels, "tenant-a", false), ("transfer", claims, CLAIMS, false)];
    check(&cluster.acme, &operators).await
}

/// The check of types does not know the type of the variable `authorizer`; the API server itself does.
const UNKNOWN_TO_THE_CHECK: &str = "unexpected failed resolution of 'kubernetes.authorization.Authorizer'";

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_all_expressions_are_right() -> Result<()> {
    let cluster = admission_env().await?;
    wait_for("the policies to be checked", PATIENCE, async || {
        let policies = cluster.plane.kubectl().get(&["validatingadmissionpolicies"]).await?;
        let policies = policies["items"].as_array().context("a list")?.clone();
        ensure!(policies.len() == 13, "{} policies", policies.len());
        for policy in policies {
            let (name, status) = (&policy["metadata"]["name"], &policy["status"]);
            ensure!(status["observedGeneration"] == policy["metadata"]["generation"], "{name} is not checked yet");
            for warning in status["typeChecking"]["expressionWarnings"].as_array().into_iter().flatten() {
                let text = warning["warning"].as_str().context("no text")?;
                let errors = text.lines().filter(|line| line.contains("ERROR") && !line.contains(UNKNOWN_TO_THE_CHECK));
                assert_eq!(errors.collect::<Vec<_>>(), [""; 0], "{name}: {}", warning["fieldRef"]);
            }
        }
        Ok(())
    })
    .await
}
