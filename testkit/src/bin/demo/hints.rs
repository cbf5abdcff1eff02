//! What the demo says of how to look around. A test types every command of it.

use std::path::Path;

use testkit::ControlPlane;

use crate::cast::Cast;

/// What can be tried, each with its commands.
const TRIALS: [(&str, &[&str]); 5] = [
    ("A channel whose token has ended", &["kubectl describe facebookchannel -n tenant-b outlet"]),
    (
        "What is in use is not deleted; the answer says what to do first",
        &["kubectl delete facebookchannel -n tenant-a shop"],
    ),
    (
        "Delete the app nevertheless, and bring it back",
        &[
            "kubectl annotate metaapp -n platform acme metachannels.io/allow-deletion=true",
            "kubectl delete metaapp -n platform acme",
            "kubectl apply --server-side -k config/samples",
        ],
    ),
    (
        "Delete everything with its namespaces, and bring it back",
        &[
            "kubectl delete -k config/samples --ignore-not-found",
            "kubectl wait --for=delete namespace platform tenant-a tenant-b --timeout=5m",
            "kubectl apply --server-side -k config/samples",
        ],
    ),
    (
        "Where a person authorizes again; the browser warns of the demo's certificate",
        &["kubectl get metagrant -n tenant-a acme -o jsonpath='{.status.reauthorizeUrl}{\"\\n\"}'"],
    ),
];

/// All of it, to be copied into another terminal.
pub(crate) fn hints(root: &Path, control_plane: &ControlPlane, cast: &Cast) -> String {
    let kubectl = control_plane.kubectl();
    let programs = kubectl.program().parent().unwrap_or(Path::new("/"));
    let mut text = format!(
        "\nLook around from another terminal:\
         \n  cd '{}'\
         \n  export KUBECONFIG={} PATH={}:$PATH\n",
        root.display(),
        control_plane.kubeconfig().display(),
        programs.display(),
    );
    for (title, commands) in TRIALS {
        text += &format!("{title}:\n");
        text.extend(commands.iter().map(|command| format!("  {command}\n")));
    }
    let [(_, operator), (_, gateway)] = cast.children();
    text + &format!(
        "Graph sandbox  {} (its control API is below /_sandbox/)\
         \ngateway        {}\
         \noperator's log {}\
         \ngateway's log  {}\n\n",
        cast.sandbox_url(),
        cast.gateway_url(),
        operator.log().display(),
        gateway.log().display(),
    )
}
