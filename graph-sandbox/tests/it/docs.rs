//! `docs/sandbox.md` says what is so.

use graph_sandbox::{Options, SWITCHES, Sandbox, Seed};

const DOCS: &str = include_str!("../../../docs/sandbox.md");

#[tokio::test]
async fn the_seed_in_the_docs_is_accepted() {
    let (_, rest) = DOCS.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let sandbox = Sandbox::start(Seed::from_yaml(yaml).unwrap(), Options::default()).await.unwrap();
    let state = sandbox.state();
    assert_eq!(state.tokens["page-a"].subcode, Some(460));
    assert_eq!(state.pages["2200000000000001"].subscriptions.len(), 1);
    assert_eq!(state.pages.len(), 11);
    assert_eq!(sandbox.limits().page, 4800);
    assert_eq!(sandbox.faults().len(), 2, "one of its own, one of its preset");
}

#[test]
fn the_docs_list_every_switch_with_its_values() {
    for switch in SWITCHES {
        let (default, others) = switch.values.split_first().unwrap();
        let row = format!("| `{}` | `{default}` | `{}` |", switch.name, others.join("`, `"));
        assert!(DOCS.contains(&row), "the docs lack {row}");
    }
    assert_eq!(DOCS.matches("\n| `").count() - count_before_switches(), SWITCHES.len());
}

/// Table rows that are not about switches.
fn count_before_switches() -> usize {
    let (before, _) = DOCS.split_once("## Switches").unwrap();
    before.matches("\n| `").count()
}
