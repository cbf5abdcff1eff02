//! Whether the arrows between modules keep to an order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arrow, Modules};

/// The layers of a crate, the lowest first: modules right below its root, none of which imports one of its own
/// layer or of one above it.
pub type Layers<'a> = &'a [&'a [&'a str]];

impl Modules {
    /// What goes against the order: modules it does not name, arrows that do not point downward, and circles
    /// of more files than `most` within a module.
    pub fn violations(&self, layers: Layers<'_>, most: usize) -> Vec<String> {
        let arrows = self.arrows();
        let upward = arrows.iter().filter(|arrow| !points_down(layers, arrow));
        let mut violations = self.unlisted(layers);
        violations.extend(upward.map(|arrow| format!("{arrow} does not point downward")));
        let circles = circles(&arrows).into_iter().filter(|circle| circle.len() > most);
        violations.extend(circles.map(|circle| describe(&circle, &arrows)));
        violations
    }

    fn unlisted(&self, layers: Layers<'_>) -> Vec<String> {
        let listed: Vec<&str> = layers.iter().flat_map(|layer| layer.iter().copied()).collect();
        let names: BTreeSet<&str> = listed.iter().copied().collect();
        let top = self.top();
        let missing = top.difference(&names).map(|name| format!("the module {name} has no layer"));
        let stray = names.difference(&top).map(|name| format!("there is no module {name}"));
        let twice = names.iter().filter(|name| listed.iter().filter(|other| other == name).count() > 1);
        let twice = twice.map(|name| format!("the module {name} has several layers"));
        missing.into_iter().chain(stray).chain(twice).collect()
    }
}

/// Whether an arrow stays in its top module, comes from the root, or leads to a lower layer. Modules without a
/// layer are told of on their own.
fn points_down(layers: Layers<'_>, arrow: &Arrow) -> bool {
    let (from, to) = (top(&arrow.from), top(&arrow.to));
    let layer = |name| layers.iter().position(|layer| layer.contains(&name));
    match (layer(from), layer(to)) {
        _ if from == to || from == "lib" => true,
        (Some(from), Some(to)) => to < from,
        _ => to != "lib",
    }
}

/// The top module of a file.
fn top(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The groups of files of one top module each of which leads to all others of its group.
fn circles(arrows: &BTreeSet<Arrow>) -> Vec<BTreeSet<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| top(&arrow.from) == top(&arrow.to)) {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reached(&next, file))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let circle = |file: &&str| next.keys().copied().filter(|other| leads(file, other) && leads(other, file)).collect();
    let circles: BTreeSet<BTreeSet<&str>> = next.keys().map(circle).collect();
    circles.into_iter().filter(|circle| !circle.is_empty()).collect()
}

/// A circle with its first arrow from each file to each other one.
fn describe(circle: &BTreeSet<&str>, arrows: &BTreeSet<Arrow>) -> String {
    let inside = |arrow: &&Arrow| circle.contains(arrow.from.as_str()) && circle.contains(arrow.to.as_str());
    let mut pairs = BTreeSet::new();
    let firsts = arrows.iter().filter(inside).filter(|arrow| pairs.insert((&arrow.from, &arrow.to)));
    let firsts: Vec<String> = firsts.map(|arrow| format!("\n  {arrow}")).collect();
    format!("{} files import each other in a circle:{}", circle.len(), firsts.concat())
}

/// Every file that the arrows lead to from here.
fn reached<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::modules;

    const LAYERS: &[&[&str]] = &[&["low"], &["left", "right"], &["high"]];

    fn violations(left: &str, right: &str, high: &str) -> Vec<String> {
        let root = "mod low; mod left; mod right; mod high; pub use left::L; pub use high::H;";
        let low = ("low.rs", "pub struct Low;");
        let files = [("lib.rs", root), low, ("left.rs", left), ("right.rs", right), ("high.rs", high)];
        modules(&files).violations(LAYERS, 3)
    }

    #[test]
    fn a_circle_across_modules_is_told_as_the_arrow_that_points_up() {
        let upward = violations("use crate::high::H; pub struct L;", "", "use crate::left::L; pub struct H;");
        assert_eq!(upward, ["left.rs:1 -> high.rs (crate::high::H) does not point downward"]);
    }

    #[test]
    fn imports_from_lower_layers_are_fine() {
        let low = "use crate::low::Low; pub struct L;";
        assert_eq!(
            violations(low, low, "use crate::low::Low; use crate::left::L; pub struct H;"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_import_from_above_is_told_with_its_line() {
        let upward = violations("pub struct L;\nuse crate::high::H;", "", "pub struct H;");
        assert_eq!(upward, ["left.rs:2 -> high.rs (crate::high::H) does not point downward"]);
        let through_the_root = violations("pub struct L;\nuse crate::H;", "", "pub struct H;");
        assert_eq!(through_the_root, ["left.rs:2 -> high.rs (crate::H) does not point downward"]);
    }

    #[test]
    fn neighbors_in_a_layer_do_not_import_each_other() {
        let sideways = violations("pub struct L;", "fn f() { crate::left::L; }", "pub struct H;");
        assert_eq!(sideways, ["right.rs:1 -> left.rs (crate::left::L) does not point downward"]);
    }

    #[test]
    fn nothing_imports_what_only_the_root_has() {
        let upward = violations("pub struct L; use crate::Macro;", "", "pub struct H;");
        assert_eq!(upward, ["left.rs:1 -> lib.rs (crate::Macro) does not point downward"]);
    }

    #[test]
    fn the_order_names_each_module_once() {
        let modules = modules(&[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", "")]);
        assert_eq!(modules.violations(&[&["a"], &["b"]], 3), Vec::<String>::new());
        assert_eq!(
            modules.violations(&[&["a"], &["a", "c"]], 3),
            ["the module b has no layer", "there is no module c", "the module a has several layers"]
        );
    }

    #[test]
    fn large_circles_within_a_folder_are_told_with_their_arrows() {
        let file = |next: &str| format!("use super::{next}::X; pub struct X;\nfn f() {{ super::{next}::X; }}");
        let (b, c, d) = (file("c"), file("d"), file("b"));
        let root = ("a/mod.rs", "mod b; mod c; mod d; mod e;");
        let small = [("lib.rs", "mod a;"), root, ("a/b.rs", &b), ("a/c.rs", &c), ("a/d.rs", &d), ("a/e.rs", &d)];
        assert_eq!(modules(&small).violations(&[&["a"]], 3), Vec::<String>::new());
        let told = modules(&small).violations(&[&["a"]], 2);
        let arrows =
            "a/b.rs:1 -> a/c.rs (super::c::X)\n  a/c.rs:1 -> a/d.rs (super::d::X)\n  a/d.rs:1 -> a/b.rs (super::b::X)";
        assert_eq!(told, [format!("3 files import each other in a circle:\n  {arrows}")]);
    }
}
