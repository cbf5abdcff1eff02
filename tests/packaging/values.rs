//! The schemas of the charts' values: they know every key and refuse all others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::launch::Launch;
use crate::support::{Chart, helm, helm3, read, run};

fn schema(chart: &Chart) -> Value {
    serde_json::from_str(&read(&chart.file("values.schema.json")).unwrap()).unwrap()
}

fn defaults(chart: &Chart) -> Value {
    serde_yaml_ng::from_str(&read(&chart.file("values.yaml")).unwrap()).unwrap()
}

/// Follows a reference into `$defs`.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Calls `visit` with every schema of an object, however deep.
fn each_object(schema: &Value, visit: &mut impl FnMut(&Value)) {
    if schema["type"] == "object" {
        visit(schema);
    }
    match schema {
        Value::Object(map) => map.values().for_each(|value| each_object(value, visit)),
        Value::Array(list) => list.iter().for_each(|value| each_object(value, visit)),
        _ => {}
    }
}

#[test]
fn every_example_of_every_chart_passes_helms_own_check() {
    for chart in Chart::ALL {
        for values in chart.examples().unwrap() {
            let report = chart.lint(&values).unwrap();
            assert!(report.contains("1 chart(s) linted, 0 chart(s) failed"), "{report}");
        }
    }
}

/// A person who looks at a chart has no values for it yet.
#[test]
fn a_chart_without_values_passes_the_check_of_each_helm() {
    for chart in Chart::ALL {
        for mut lint in [helm().unwrap(), helm3().unwrap()] {
            let report = run(lint.args(["lint", "--strict"]).arg(chart.path())).unwrap();
            assert!(report.contains("1 chart(s) linted, 0 chart(s) failed"), "{report}");
        }
    }
}

#[test]
fn no_object_takes_keys_that_nobody_described() {
    for chart in Chart::ALL {
        let schema = schema(&chart);
        let mut objects = 0;
        each_object(&schema, &mut |object| {
            objects += 1;
            let rest = &object["additionalProperties"];
            let free_form = rest.is_object();
            let parents = *object == schema["properties"]["global"];
            assert!(*rest == false || free_form || parents, "open: {object}");
        });
        assert!(objects > 5, "the walk found {objects} objects");
    }
}

/// Every default is described, and every described value has a default, as far as objects have fixed keys.
fn compare(root: &Value, schema: &Value, values: &Value, at: &str) {
    let (Some(properties), Some(values)) = (resolve(root, schema)["properties"].as_object(), values.as_object()) else {
        return;
    };
    let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
    let mut described = keys(properties);
    described.remove("global");
    if !values.is_empty() {
        let present = keys(values);
        assert!(present.is_subset(&described), "{at}: not described: {:?}", present.difference(&described));
        let missing: Vec<_> = described.difference(&present).collect();
        assert!(missing.is_empty() || at.ends_with("/resources"), "{at}: no default: {missing:?}");
    }
    for (key, value) in values {
        let at = format!("{at}/{key}");
        assert!(properties[key]["description"].is_string() || at.contains("/resources/"), "{at} has no description");
        compare(root, &properties[key], value, &at);
    }
}

#[test]
fn every_value_has_a_default_and_a_description() {
    for chart in Chart::ALL {
        let schema = schema(&chart);
        compare(&schema, &schema, &defaults(&chart), "");
        // The writer of READMEs takes the last pair of dashes of a comment for the beginning of its text.
        let readme = read(&chart.file("README.md")).unwrap();
        let silent: Vec<_> = readme.lines().filter(|line| line.starts_with("| ") && line.ends_with("|  |")).collect();
        assert!(silent.is_empty(), "no description: {silent:#?}");
    }
}

/// The paths of all objects with fixed keys, in the notation of `--set`.
fn closed(root: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolve(root, schema);
    if schema["additionalProperties"] == false {
        found.push(at.to_owned());
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        closed(root, value, &format!("{at}{key}."), found);
    }
}

#[test]
fn a_misspelt_key_is_refused_wherever_it_stands() {
    for (chart, example) in [(Chart::OPERATOR, "minimal"), (Chart::ADMIN, "default"), (Chart::CHANNELS, "tenant")] {
        let schema = schema(&chart);
        let mut paths = Vec::new();
        closed(&schema, &schema, "", &mut paths);
        assert!(paths.len() >= 4, "{paths:?}");
        for path in paths {
            let set = format!("--set={path}misspelt=x");
            let error = chart.render_with(&chart.example(example), &[&set]).unwrap_err().to_string();
            assert!(error.contains("additional properties 'misspelt' not allowed"), "{set}: {error}");
        }
    }
}

/// What Helm says about the smallest example with these values.
fn refusal(arguments: &[&str]) -> String {
    let result = Chart::OPERATOR.render_with(&Chart::OPERATOR.example("minimal"), arguments);
    match result {
        Ok(manifests) => panic!("{arguments:?} was taken: {:#?}", manifests.names()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_release_must_be_told_what_to_watch() {
    let error = refusal(&["--set-json=watchNamespaces=[]"]);
    assert!(error.contains("watchNamespaces is empty: name at least one namespace"), "{error}");
}

#[test]
fn a_release_does_not_watch_its_own_namespace() {
    let values = Chart::OPERATOR.example("minimal");
    let error = Chart::OPERATOR.render_as("acme", "tenant-a", &values, &[]).unwrap_err().to_string();
    assert!(error.contains("watchNamespaces names \"tenant-a\", the release's own namespace"), "{error}");
}

/// Also those that a release has only with certain values.
#[test]
fn a_flag_that_the_chart_sets_itself_cannot_be_added() {
    for component in ["operator", "gateway"] {
        let mut flags = BTreeSet::new();
        for example in ["full", "sandbox"] {
            let manifests = Chart::OPERATOR.render(&Chart::OPERATOR.example(example)).unwrap();
            let launch = Launch::of(&manifests, component, "pod").unwrap();
            flags.extend(launch.args[1..].iter().map(|arg| arg.split('=').next().unwrap().to_owned()));
        }
        assert!(flags.len() > 12 && flags.contains("--allow-test-graph") && flags.contains("--graph-proxy-url"));
        for added in ["--edit-interval", "--inbox-namespace"] {
            flags.remove(added);
        }
        for flag in flags {
            let error = refusal(&[&format!("--set={component}.extraArgs={{{flag}=x}}")]);
            assert!(
                error.contains(&format!("{component}.extraArgs gives {flag}, which the chart sets from")),
                "{error}"
            );
        }
    }
}

#[test]
fn values_that_do_not_go_together_are_refused_with_a_sentence() {
    let gateway = "--set=gateway.enabled=true,gateway.url=https://a.example";
    let cases: [(&[&str], &str); 13] = [
        (&["--set=claimsNamespace=tenant-a"], "could then forge claims"),
        (&["--set=operator.replicas=2,operator.leaderElection.enabled=false"], "would work against each other"),
        (&["--set=gateway.enabled=true"], "gateway.url is empty"),
        (&["--set=graph.url=https://graph.facebook.com.evil.example"], "is not Meta's"),
        (&["--set=graph.loginUrl=https://www.facebook.com.evil.example"], "people would be sent there to log in"),
        (&["--set=gateway.ingress.enabled=true"], "gateway.ingress.enabled is true but gateway.enabled is false"),
        (&["--set=gateway.httpRoute.enabled=true"], "gateway.httpRoute.enabled is true but gateway.enabled is false"),
        (
            &["--set=gateway.enabled=true,gateway.ingress.enabled=true,gateway.url=https://a.example/hooks"],
            "gateway.url has the path /hooks, under which the gateway does not answer",
        ),
        (&[gateway, "--set=gateway.httpRoute.enabled=true"], "gateway.httpRoute.parentRefs is empty"),
        (&["--set=serviceMonitor.enabled=true,podMonitor.enabled=true"], "read and count each series twice"),
        (&["--set=prometheusRule.enabled=true"], "give prometheusRule.selector"),
        (&["--set=operator.serviceAccount.create=false"], "operator.serviceAccount.name is empty"),
        (&[gateway, "--set=gateway.serviceAccount.create=false"], "gateway.serviceAccount.name is empty"),
    ];
    for (arguments, sentence) in cases {
        let error = refusal(arguments);
        assert!(error.contains(sentence), "{arguments:?}: {error}");
    }
}

#[test]
fn values_of_the_wrong_shape_are_refused_before_they_reach_a_flag() {
    let cases = [
        ("--set=watchNamespaces={Tenant_A}", "/watchNamespaces/0"),
        ("--set=watchNamespaces={a,a}", "/watchNamespaces"),
        ("--set=operator.concurrency=0", "/operator/concurrency"),
        ("--set=maxObjectsPerNamespace=0", "/maxObjectsPerNamespace"),
        ("--set=operator.probePeriod=soon", "/operator/probePeriod"),
        ("--set=gateway.url=http://hooks.example.com", "/gateway/url"),
        ("--set=gateway.url=https://hooks.example.com/", "/gateway/url"),
        ("--set=log.format=xml", "/log/format"),
        ("--set=image.digest=sha256:abc", "/image/digest"),
        ("--set=operator.podDisruptionBudget.maxUnavailable=0", "/operator/podDisruptionBudget/maxUnavailable"),
        ("--set-json=operator.extraEnv=[{\"value\":\"x\"}]", "/operator/extraEnv/0"),
        ("--set=image.registry=registry.example.com/", "/image/registry"),
        ("--set=operator.extraArgs=--edit-interval=2m", "/operator/extraArgs"),
        ("--set=operator.extraArgs={--edit-interval,2m}", "/operator/extraArgs/1"),
        ("--set-json=gateway.extraArgs=[1]", "/gateway/extraArgs/0"),
        ("--set=gateway.ingress.tlsSecretName=a/b", "/gateway/ingress/tlsSecretName"),
        ("--set-json=gateway.httpRoute.parentRefs=[{\"namespace\":\"gateways\"}]", "/gateway/httpRoute/parentRefs/0"),
        ("--set=podMonitor.interval=soon", "/podMonitor/interval"),
        ("--set=prometheusRule.selector=job", "/prometheusRule/selector"),
        ("--set=prometheusRule.runbookUrl=docs", "/prometheusRule/runbookUrl"),
    ];
    for (argument, place) in cases {
        let error = refusal(&[argument]);
        assert!(error.contains(&format!("at '{place}'")), "{argument}: {error}");
    }
}
