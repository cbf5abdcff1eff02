//! Reads the OpenMetrics text format strictly enough to find what a scraper would refuse.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// The families of a text with their types, in case it is well formed.
pub fn families(text: &str) -> Result<BTreeMap<String, String>> {
    let body = text.strip_suffix("# EOF\n").context("the end is missing")?;
    let mut families = BTreeMap::new();
    let mut current = None;
    for line in body.lines() {
        match line.strip_prefix("# ").map(|it| it.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["HELP", name, help]) if !help.is_empty() => current = Some((*name).to_owned()),
            Some(["TYPE", name, kind @ ("counter" | "gauge" | "histogram")]) => {
                ensure!(current.as_deref() == Some(*name), "TYPE of {name} without its HELP");
                let known = families.insert((*name).to_owned(), (*kind).to_owned());
                ensure!(known.is_none(), "{name} is declared twice");
            }
            Some(_) => bail!("no comment that OpenMetrics knows: {line}"),
            None => {
                let family = current.as_ref().with_context(|| format!("a sample without a family: {line}"))?;
                let kind = families.get(family).with_context(|| format!("{family} has no type"))?;
                sample(line, family, kind).with_context(|| line.to_owned())?;
            }
        }
    }
    Ok(families)
}

fn sample(line: &str, family: &str, kind: &str) -> Result<()> {
    let (series, value) = line.rsplit_once(' ').context("no value")?;
    value.parse::<f64>().context("the value is no number")?;
    let (name, labels) = series.split_once('{').map_or((series, None), |(name, labels)| (name, Some(labels)));
    let suffix = name.strip_prefix(family).context("not of this family")?;
    let fits = match kind {
        "counter" => suffix == "_total",
        "histogram" => matches!(suffix, "_bucket" | "_sum" | "_count"),
        _ => suffix.is_empty(),
    };
    ensure!(fits, "a {kind} has no {suffix:?}");
    let Some(labels) = labels else { return Ok(()) };
    let labels = labels.strip_suffix('}').context("labels do not end")?;
    for label in labels.split("\",") {
        let (name, value) = label.split_once("=\"").context("a label is name=\"value\"")?;
        ensure!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "label {name}");
        ensure!(!value.trim_end_matches('"').contains(['"', '\\', '\n']), "value of {name}");
    }
    Ok(())
}

#[test]
fn a_text_that_a_scraper_would_refuse_is_refused() {
    let good = "# HELP a_b Text.\n# TYPE a_b counter\na_b_total{x=\"1\",y=\"/{z}\"} 2\n# EOF\n";
    assert_eq!(families(good).unwrap(), BTreeMap::from([("a_b".to_owned(), "counter".to_owned())]));
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# incomplete\n"),
        ("a_b_total", "a_b"),
        ("a_b_total", "other_total"),
        (" 2", " two"),
        ("\"} ", "\" "),
        ("# TYPE a_b counter\n", ""),
        ("# HELP a_b Text.\n", ""),
    ] {
        assert!(families(&good.replacen(from, to, 1)).is_err(), "{from:?} as {to:?}");
    }
}
