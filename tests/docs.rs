//! The documentation says about every reason what the code knows of it, and of every command who runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use meta_channel_operator::api::Reason;
use meta_channel_operator::api::conditions::ConditionType;
use meta_channel_operator::api::reasons::{Actor, RENAMED};
use testkit::pages::{self, Block, Runner};

const CONDITIONS: &str = include_str!("../docs/conditions.md");

/// The sections under a heading of the third level, by heading.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let mut sections = BTreeMap::new();
    for chapter in CONDITIONS.split("\n## ") {
        for section in chapter.split("\n### ").skip(1) {
            let (heading, text) = section.split_once('\n').expect("a heading and a text");
            assert_eq!(sections.insert(heading.trim(), text), None, "{heading} stands there twice");
        }
    }
    sections
}

/// The line of a section that begins with a label, and those that continue it.
fn part<'a>(text: &'a str, from: &str, to: Option<&str>) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text:?}"));
    let part = to.map_or(rest, |to| rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} in {text:?}")).0);
    assert!(!part.trim().is_empty(), "nothing after {from:?} in {text:?}");
    part
}

#[test]
fn every_reason_is_a_heading_and_every_heading_a_reason() {
    let headings: BTreeSet<_> = sections().into_keys().collect();
    let reasons: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(headings, reasons);
}

#[test]
fn every_section_says_on_what_what_was_seen_who_acts_and_what_is_next() {
    let sections = sections();
    for reason in Reason::ALL {
        let text = sections[reason.as_str()];
        part(text, "Seen: ", Some("\nWho acts: "));
        part(text, "\nNext: ", None);
        let who = part(text, "\nWho acts: ", Some("\nNext: "));
        let expected = match reason.actor() {
            Actor::Nobody => "nobody",
            Actor::Operator => "the operator",
            Actor::Person => "a person",
        };
        assert!(who.starts_with(expected), "{}: {who:?} should begin with {expected:?}", reason.as_str());
    }
}

#[test]
fn every_section_names_conditions_that_exist() {
    let known: BTreeSet<_> = ConditionType::ALL.iter().map(|type_| type_.as_str()).collect();
    for (heading, text) in sections() {
        let on = part(text, "On: ", Some("Seen: "));
        let named: Vec<_> = on.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || on.contains("any condition"), "{heading}: {on:?}");
        for name in named {
            assert!(known.contains(name), "{heading}: there is no condition {name}");
        }
    }
}

#[test]
fn an_ended_authorization_is_documented_as_expired_and_nothing_else_is() {
    let sections = sections();
    for reason in Reason::ALL {
        let on = part(sections[reason.as_str()], "On: ", Some("Seen: "));
        assert_eq!(on.contains("`Expired` True"), reason.ends_authorization(), "{}", reason.as_str());
    }
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let anchor = |heading: &str| heading.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
    let anchors: BTreeSet<_> = CONDITIONS.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for target in CONDITIONS.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap_or_default()) {
        assert!(anchors.contains(target), "{target}");
    }
}

#[test]
fn the_glossary_tells_of_every_reason_that_has_another_name_than_in_0_1_0() {
    let rows = include_str!("../docs/glossary.md").lines().filter_map(|line| line.strip_prefix("| reason "));
    let told: BTreeSet<_> = rows.map(|row| row.trim_end_matches(" |").to_owned()).collect();
    let renamed = RENAMED.iter().map(|(old, reason)| format!("`{old}` | `{}`", reason.as_str()));
    assert_eq!(told, renamed.collect());
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tests that a page names, as `file::function`.
fn named_tests(page: &str) -> Vec<(&str, &str)> {
    let words = page.split('`').skip(1).step_by(2);
    words.filter_map(|word| word.split_once(".rs::")).collect()
}

fn exists(test: &(&str, &str)) {
    let (file, function) = test;
    let text = read(&format!("{file}.rs"));
    assert!(text.contains(&format!("fn {function}()")), "{file}.rs has no test {function}");
}

#[test]
fn every_test_exists_that_shows_how_little_is_kept_in_memory() {
    let tests = named_tests(include_str!("../docs/memory.md"));
    assert!(tests.len() > 50, "{}", tests.len());
    tests.iter().for_each(exists);
}

#[test]
fn every_attack_that_is_told_of_is_tried_in_a_test() {
    let page = include_str!("../docs/tenancy.md");
    let (_, attacks) = page.split_once("## What was tried against it").expect("the attacks");
    let attacks = attacks.split_once("\n## ").expect("another chapter").0;
    let rows: Vec<_> = attacks.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10);
    for (number, row) in rows.iter().enumerate() {
        let same = row.ends_with("| the same |");
        let tests = named_tests(if same { rows[number - 1] } else { row });
        assert!(!tests.is_empty(), "{row}");
        tests.iter().for_each(exists);
    }
}

fn blocks() -> Vec<Block> {
    let pages = pages::pages().expect("the pages");
    let blocks: Vec<_> = pages.iter().flat_map(|page| pages::blocks(page).expect("a page")).collect();
    assert!(blocks.len() > 60, "{}", blocks.len());
    blocks
}

/// The function of this name, with what belongs to it up to the next one at the margin.
fn function<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("fn {name}()"))?;
    Some(rest.split_once("\n}\n").map_or(rest, |(body, _)| body))
}

#[test]
fn every_block_of_commands_is_run_by_a_test_or_says_why_not() {
    for Block { page, line, runner, .. } in blocks() {
        match runner {
            Runner::Unsaid => {
                panic!("{page}:{line}: put <!-- run: FILE::TEST --> or <!-- not run: REASON --> before it")
            }
            Runner::Nobody(reason) => {
                assert!(
                    (2..=12).contains(&reason.split_whitespace().count()),
                    "{page}:{line}: {reason:?} is no reason"
                );
            }
            Runner::Test(test) => {
                let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{page}:{line}: {test}"));
                let text = read(file);
                let body = function(&text, name).unwrap_or_else(|| panic!("{page}:{line}: there is no test {test}"));
                // Three tests name their pages beside the function.
                let takes = body.contains(&format!("\"{page}\"")) || text.contains(&format!("/{page}\")"));
                let takes = takes || text.contains("const DOCUMENT: ") && text.contains(&format!("\"{page}\""));
                assert!(takes, "{page}:{line}: {test} does not take its commands from there");
            }
        }
    }
}

#[test]
fn every_target_of_make_exists() {
    let targets: BTreeSet<_> = read("Makefile")
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .filter(|target| target.chars().all(|it| it.is_ascii_lowercase() || it == '-'))
        .collect();
    let mut known = 0;
    for page in pages::pages().expect("the pages") {
        let text = pages::text(&page).expect("a page");
        let typed = pages::blocks(&page).expect("a page").into_iter().map(|block| block.commands);
        let named = text.split('`').skip(1).step_by(2).map(str::to_owned);
        for line in typed.chain(named).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
            let Some(rest) = line.trim().strip_prefix("make ") else { continue };
            let target = rest.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
            assert!(targets.contains(target), "{page}: there is no make {target}");
            known += 1;
        }
    }
    assert!(known > 15, "{known}");
}

/// The version of Kubernetes that a Go module pins.
fn kubernetes(module: &std::path::Path) -> Option<String> {
    let text = std::fs::read_to_string(module.join("go.mod")).ok()?;
    let required = text.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"))?;
    required.split(' ').next().map(str::to_owned)
}

/// A version that was never tested has dashes.
#[test]
fn the_page_of_kubernetes_has_a_row_for_every_version_that_can_be_tested_and_no_failure() {
    let hack = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hack");
    let modules = hack.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let pinned: BTreeSet<_> = modules.filter_map(|module| kubernetes(&module)).collect();
    assert!(pinned.len() > 1, "{pinned:?}");

    let rows = include_str!("../docs/kubernetes-versions.md").lines().filter(|line| line.starts_with("| 1."));
    let rows: Vec<Vec<_>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    let told: BTreeSet<_> = rows.iter().map(|row| row[2].to_owned()).collect();
    assert_eq!(told, pinned);
    for row in rows {
        assert!(row[2].starts_with(&format!("{}.", row[1])), "{row:?}");
        let tested = row[3] != "-";
        for count in &row[4..6] {
            let all_passed = count.split_once(" of ").is_some_and(|(passed, all)| passed == all && passed != "0");
            assert_eq!((all_passed, *count == "-"), (tested, !tested), "{row:?}");
        }
    }
}
