//! Alerts and dashboard: read by Prometheus' own program, and about metrics and pages that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result};
use meta_channel_operator::api::{Connection, Reason};
use regex::Regex;
use serde_json::{Value, json};

use crate::families::{FAMILIES, OF_OBJECTS, OF_PASSES, OF_ROUNDS, OF_WEBHOOKS};
use crate::support::{Chart, Manifests, path, read, run};

const KINDS: [&str; 3] = ["MetaApp", "MetaGrant", "FacebookChannel"];
const PREFIX: &str = "meta_channel_operator_";

fn full() -> Manifests {
    Chart::OPERATOR.render(&Chart::OPERATOR.example("full")).unwrap()
}

/// The rules as Prometheus gets them.
fn rules(manifests: &Manifests) -> Value {
    manifests.of_kind("PrometheusRule").next().unwrap()["spec"].clone()
}

fn alerts(rules: &Value) -> Vec<&Value> {
    rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// promtool in a folder with these rules and the file of their tests.
fn promtool(rules: &Value, arguments: &[&str]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string())?;
    std::fs::copy(path("tests/packaging/data/rules_test.yaml"), folder.path().join("rules_test.yaml"))?;
    run(Command::new(testkit::promtool()?).args(arguments).current_dir(folder.path()))
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_when_it_should() {
    let rules = rules(&full());
    promtool(&rules, &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]).unwrap();
    let report = promtool(&rules, &["test", "rules", "rules_test.yaml"]).unwrap();
    assert!(report.contains("SUCCESS"), "{report}");
}

#[test]
fn of_each_alert_it_is_tested_that_it_fires_and_that_it_does_not() {
    let tests: Value = serde_yaml_ng::from_str(&read("tests/packaging/data/rules_test.yaml").unwrap()).unwrap();
    let mut tested: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for case in tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
        let fires = !case["exp_alerts"].as_array().unwrap().is_empty();
        tested.entry(text(&case["alertname"]).to_owned()).or_default().insert(fires);
    }
    let rules = rules(&full());
    let expected = alerts(&rules).iter().map(|rule| (text(&rule["alert"]).to_owned(), [false, true].into())).collect();
    assert_eq!(tested, expected);
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    let anchor = |heading: &str| heading.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
    let conditions = read("docs/conditions.md").unwrap();
    let anchors: BTreeSet<_> = conditions.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    // Where an alert leads to a heading by the reason that it has.
    for reason in Reason::ALL {
        assert!(anchors.contains(&reason.as_str().to_lowercase()), "{} is no heading", reason.as_str());
    }
    let rules = rules(&full());
    for rule in alerts(&rules) {
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"])), "{rule}");
        assert_eq!(
            (&rule["labels"]["operator_release"], &rule["labels"]["team"]),
            (&"ops/acme".into(), &"messaging".into())
        );
        assert!(rule["for"].is_string(), "{rule}");
        for annotation in ["summary", "description"] {
            assert!(text(&rule["annotations"][annotation]).ends_with('.'), "{rule}");
        }
        let (page, target) = text(&rule["annotations"]["runbook_url"]).split_once('#').unwrap();
        assert!(page.ends_with("/docs/conditions.md"), "{page}");
        assert!(target == "{{ $labels.reason | toLower }}" || anchors.contains(target), "{target}");
        assert!(
            conditions.contains(&format!("`{}`", text(&rule["alert"]))),
            "the page does not name {}",
            rule["alert"]
        );
    }
}

#[test]
fn rules_and_dashboards_of_releases_are_about_their_own_series() {
    for expression in expressions() {
        for selector in expression.split(PREFIX).skip(1) {
            assert!(selector.contains("{operator_release="), "{expression}");
        }
    }
    let values = Chart::OPERATOR.example("full");
    let other = Chart::OPERATOR.render_with(&values, &["--set=prometheusRule.selector=job=\"mine\""]).unwrap();
    for rule in alerts(&rules(&other)) {
        assert!(
            text(&rule["expr"]).contains("{job=\"mine\"") && !rule["expr"].to_string().contains("operator_release")
        );
    }
}

#[test]
fn monitors_of_either_kind_find_both_servers_and_say_whose_the_series_are() {
    for (example, kind, endpoints, interval) in
        [("full", "ServiceMonitor", "endpoints", "30s"), ("podmonitor", "PodMonitor", "podMetricsEndpoints", "1m")]
    {
        let manifests = Chart::OPERATOR.render(&Chart::OPERATOR.example(example)).unwrap();
        let mut components = BTreeSet::new();
        for monitor in manifests.of_kind(kind) {
            assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus", "{kind}");
            let endpoint = &monitor["spec"][endpoints][0];
            assert_eq!((&endpoint["port"], &endpoint["interval"]), (&"metrics".into(), &interval.into()), "{kind}");
            assert_eq!(endpoint["honorLabels"], true, "else namespace would be the operator's");
            let relabelings = json!([{"targetLabel": "operator_release", "replacement": "ops/acme"}]);
            assert_eq!(endpoint["relabelings"], relabelings, "{kind}");
            let selector = &monitor["spec"]["selector"]["matchLabels"];
            let selected = |it: &Value| {
                let labels = it["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
                selector.as_object().unwrap().iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            let pods: Vec<_> = manifests.of_kind("Deployment").filter(|it| selected(it)).collect();
            assert_eq!(pods.len(), 1, "{selector}");
            components.insert(text(&selector["app.kubernetes.io/component"]).to_owned());
        }
        assert_eq!(components, ["gateway", "operator"].map(str::to_owned).into(), "{kind}");
        let other = if kind == "PodMonitor" { "ServiceMonitor" } else { "PodMonitor" };
        assert_eq!(manifests.of_kind(other).count(), 0);
    }
}

fn dashboard() -> Value {
    let manifests = full();
    let map = manifests.one("ConfigMap", "channels-dashboard").unwrap();
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Messaging");
    serde_json::from_str(text(&map["data"]["meta-channel-operator.json"])).unwrap()
}

/// Every expression of a dashboard's panels and variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array());
    targets.flatten().map(|target| text(&target["expr"]).to_owned()).collect()
}

/// All that is asked of Prometheus, by rules and dashboard.
fn expressions() -> Vec<String> {
    let mut all: Vec<_> = alerts(&rules(&full())).iter().map(|rule| text(&rule["expr"]).to_owned()).collect();
    all.extend(queries(&dashboard()));
    assert!(all.len() > 20, "{all:#?}");
    all
}

#[test]
fn every_metric_that_is_asked_for_is_one_of_the_program() {
    let mut known = BTreeSet::new();
    for (name, kind) in OF_PASSES.iter().chain(&OF_OBJECTS).chain(&OF_WEBHOOKS).chain(&FAMILIES) {
        match *kind {
            "counter" => drop(known.insert(format!("{name}_total"))),
            "histogram" => known.extend(["bucket", "sum", "count"].map(|suffix| format!("{name}_{suffix}"))),
            _ => drop(known.insert((*name).to_owned())),
        }
    }
    let gauge = |name: &str| name.ends_with("_seconds");
    known.extend(OF_ROUNDS.map(|name| if gauge(name) { name.to_owned() } else { format!("{name}_total") }));
    let metric = Regex::new(&format!("{PREFIX}([a-z_]+)")).unwrap();
    for expression in expressions() {
        for found in metric.captures_iter(&expression) {
            assert!(known.contains(&found[1]), "there is no metric {} for {expression}", &found[1]);
        }
        assert!(metric.is_match(&expression), "{expression}");
    }
}

#[test]
fn every_reason_and_state_that_is_asked_for_is_one_of_the_program() {
    let matcher = Regex::new("(reason|connection|kind)(?:=~|!~|!=|=)\"([^\"]*)\"").unwrap();
    let mut ended = BTreeSet::new();
    for expression in expressions() {
        for found in matcher.captures_iter(&expression) {
            for value in found[2].split('|') {
                let known = match &found[1] {
                    "reason" => Reason::parse(value).is_some(),
                    "connection" => serde_json::from_value::<Connection>(value.into()).is_ok(),
                    _ => KINDS.contains(&value),
                };
                assert!(known, "{value} of {expression}");
            }
            if found[2].contains("TokenExpired") {
                ended.extend(found[2].split('|').map(|value| Reason::parse(value).unwrap()));
            }
        }
    }
    assert_eq!(ended, Reason::ALL.iter().copied().filter(|reason| reason.ends_authorization()).collect());
}

#[test]
fn prometheus_takes_every_query_of_the_dashboard() {
    let dashboard = dashboard();
    let recording: Vec<_> = queries(&dashboard)
        .iter()
        .enumerate()
        .map(|(n, query)| json!({"record": format!("query:{n}"), "expr": query.replace("$__rate_interval", "5m")}))
        .collect();
    promtool(&json!({"groups": [{"name": "dashboard", "rules": recording}]}), &["check", "rules", "rules.yaml"])
        .unwrap();
}

#[test]
fn panels_have_a_title_a_description_and_a_place_of_their_own() {
    let dashboard = dashboard();
    assert!(dashboard["id"].is_null() && dashboard["uid"].is_string());
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = &panel["gridPos"];
        let number = |key: &str| place[key].as_u64().with_context(|| format!("{key} of {panel}")).unwrap();
        assert!(!text(&panel["title"]).is_empty());
        if panel["type"] == "row" {
            continue;
        }
        assert!(!text(&panel["description"]).is_empty(), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for cell in (number("x")..number("x") + number("w"))
            .flat_map(|x| (number("y")..number("y") + number("h")).map(move |y| (x, y)))
        {
            assert!(cell.0 < 24 && taken.insert(cell), "{} lies on another panel", panel["title"]);
        }
    }
}

#[test]
fn monitoring_is_off_unless_it_is_wanted() {
    let minimal = Chart::OPERATOR.example("minimal");
    let manifests = Chart::OPERATOR.render(&minimal).unwrap();
    assert!(
        manifests.iter().all(|it| !["PrometheusRule", "ServiceMonitor", "PodMonitor"].contains(&text(&it["kind"])))
    );
    let is_dashboard = |it: &Value| it["metadata"]["labels"]["grafana_dashboard"] == "1";
    assert!(!manifests.of_kind("ConfigMap").any(is_dashboard));
    let full = Chart::OPERATOR.render(&Chart::OPERATOR.example("full")).unwrap();
    assert!(full.of_kind("ConfigMap").any(is_dashboard), "it can be told");
}
