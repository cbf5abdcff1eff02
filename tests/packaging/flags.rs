//! The manifests and the program speak of the same flags.

use std::process::Command;

use crate::support::launch::Launch;
use crate::support::{Chart, Manifests, kustomize, run};

/// Fails if the program's help does not name one of the flags.
fn check(manifests: &Manifests, component: &str) {
    let launch = Launch::of(manifests, component, "pod").unwrap();
    let help = run(program().arg(&launch.args[0]).arg("--help")).unwrap();
    for arg in &launch.args[1..] {
        let flag = arg.split('=').next().unwrap();
        let known = help.split([' ', '\n', '=', '[', ',']).any(|word| word == flag);
        assert!(known, "{flag} is not a flag of `{} {}`:\n{help}", env!("CARGO_PKG_NAME"), launch.args[0]);
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_meta-channel-operator"))
}

#[test]
fn the_program_knows_every_flag_of_the_chart() {
    for values in Chart::OPERATOR.examples().unwrap() {
        let manifests = Chart::OPERATOR.render(&values).unwrap();
        check(&manifests, "operator");
    }
    for values in ["full", "sandbox", "forwarding"] {
        check(&Chart::OPERATOR.render(&Chart::OPERATOR.example(values)).unwrap(), "gateway");
    }
}

#[test]
fn the_program_knows_every_flag_of_the_kustomize_bases() {
    check(&kustomize("config/default").unwrap(), "operator");
    check(&kustomize("config/cluster-wide").unwrap(), "operator");
    check(&kustomize("tests/packaging/overlays/with-gateway").unwrap(), "gateway");
    check(&kustomize("tests/packaging/overlays/with-gateway").unwrap(), "operator");
}
