//! Which module of a crate imports which, and whether that keeps to an order.
//!
//! The sources are read as text. An import counts for the module that defines the thing, not for the one
//! that passes it on; what macros write is not seen.

mod module;
mod order;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::Context;

use module::{Import, Module};
pub use order::Layers;

/// How many names may lead to each other before it is taken for a circle.
const MOST_STEPS: usize = 32;

/// The modules of a crate.
pub struct Modules {
    all: BTreeMap<Vec<String>, Module>,
    /// File of each module, below the folder of the sources.
    files: BTreeMap<Vec<String>, String>,
}

/// A file that imports or names something of another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file that imports.
    pub from: String,
    /// The line of the import.
    pub line: usize,
    /// The file that defines what is imported.
    pub to: String,
    /// The path as it is written.
    pub path: String,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} -> {} ({})", self.from, self.line, self.to, self.path)
    }
}

/// What a path leads to.
enum Found {
    Module(Vec<String>),
    /// Something that this module defines.
    Item(Vec<String>),
}

impl Modules {
    /// The modules that `lib.rs` in this folder declares, those of tests left out.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn of_crate(sources: &Path) -> anyhow::Result<Self> {
        Self::read(|file| {
            let path = sources.join(file);
            let is_there = path.try_exists().with_context(|| format!("cannot find {}", path.display()))?;
            let text = is_there.then(|| std::fs::read_to_string(&path)).transpose();
            text.with_context(|| format!("cannot read {}", path.display()))
        })
    }

    fn read(source: impl Fn(&str) -> anyhow::Result<Option<String>>) -> anyhow::Result<Self> {
        let mut modules = Self { all: BTreeMap::new(), files: BTreeMap::new() };
        let mut waiting = vec![Vec::new()];
        while let Some(path) = waiting.pop() {
            let name = path.join("/");
            let places = if path.is_empty() {
                vec!["lib.rs".to_owned()]
            } else {
                vec![format!("{name}.rs"), format!("{name}/mod.rs")]
            };
            let found = places.into_iter().find_map(|file| Some(source(&file).transpose()?.map(|text| (file, text))));
            let (file, text) =
                found.transpose()?.with_context(|| format!("there is no file of the module {name:?}"))?;
            for module in module::read(&path, &text) {
                waiting.extend(module.files.iter().map(|child| joined(&module.path, child)));
                modules.files.insert(module.path.clone(), file.clone());
                modules.all.insert(module.path.clone(), module);
            }
        }
        Ok(modules)
    }

    /// Every arrow between two files.
    pub fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for module in self.all.values() {
            let imports = module.imports.iter().filter(|import| !self.passes_on(module, import));
            let imports = imports.map(|import| (import.line, &import.path));
            let mentions = module.mentions.iter().map(|mention| (mention.line, &mention.path));
            for (line, path) in imports.chain(mentions) {
                let Some(Found::Module(to) | Found::Item(to)) = self.find(&module.path, path, 0) else { continue };
                let (from, to) = (self.file(&module.path), self.file(&to));
                if from != to {
                    arrows.insert(Arrow { from, line, to, path: path.join("::") });
                }
            }
        }
        arrows
    }

    fn file(&self, module: &[String]) -> String {
        self.files.get(module).cloned().unwrap_or_default()
    }

    /// Whether a module only passes on what one below it defines, without using it itself.
    fn passes_on(&self, module: &Module, import: &Import) -> bool {
        let used = import.name.as_ref().is_some_and(|name| module.words.contains(name));
        let below = match self.find(&module.path, &import.path, 0) {
            Some(Found::Module(to) | Found::Item(to)) => to.starts_with(&module.path),
            None => false,
        };
        import.is_public && !used && below
    }

    /// What a path that is written in a module leads to; nothing outside the crate.
    fn find(&self, module: &[String], path: &[String], steps: usize) -> Option<Found> {
        if steps > MOST_STEPS {
            return None;
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), rest, steps),
            "self" => self.walk(module.to_vec(), rest, steps),
            "super" => self.above(module, rest, steps),
            name => {
                let child = joined(module, name);
                if self.all.contains_key(&child) {
                    return self.walk(child, rest, steps);
                }
                let import =
                    self.all.get(module)?.imports.iter().find(|import| import.name.as_deref() == Some(name))?;
                // A name that is imported from a crate of the same name, as in `use serde::{self}`.
                if import.path.first() == Some(first) {
                    return None;
                }
                let found = self.find(module, &import.path, steps + 1)?;
                self.go_on(found, rest, steps)
            }
        }
    }

    fn above(&self, module: &[String], mut rest: &[String], steps: usize) -> Option<Found> {
        let (_, mut above) = module.split_last()?;
        while let Some(("super", others)) = rest.split_first().map(|(first, others)| (first.as_str(), others)) {
            (_, above) = above.split_last()?;
            rest = others;
        }
        self.walk(above.to_vec(), rest, steps)
    }

    fn go_on(&self, found: Found, rest: &[String], steps: usize) -> Option<Found> {
        match found {
            Found::Module(module) => self.walk(module, rest, steps),
            item @ Found::Item(_) => Some(item),
        }
    }

    /// Follows a path down from a module, and through what it imports.
    fn walk(&self, module: Vec<String>, path: &[String], steps: usize) -> Option<Found> {
        let Some((name, rest)) = path.split_first() else {
            return Some(Found::Module(module));
        };
        let child = joined(&module, name);
        if self.all.contains_key(&child) {
            return self.walk(child, rest, steps);
        }
        let here = self.all.get(&module)?;
        if here.items.contains(name) {
            return Some(Found::Item(module));
        }
        if let Some(import) = here.imports.iter().find(|import| import.name.as_ref() == Some(name)) {
            let found = self.find(&module, &import.path, steps + 1);
            return found.map_or(Some(Found::Item(module)), |found| self.go_on(found, rest, steps));
        }
        let globs = here.imports.iter().filter(|import| import.name.is_none());
        let through = globs.filter_map(|glob| match self.find(&module, &glob.path, steps + 1)? {
            Found::Module(other) if self.defines(&other, name) => self.walk(other, path, steps + 1),
            _ => None,
        });
        // What is written by a macro belongs to the module it is asked of.
        through.into_iter().next().or(Some(Found::Item(module)))
    }

    fn defines(&self, module: &[String], name: &str) -> bool {
        self.all.contains_key(&joined(module, name))
            || self.all.get(module).is_some_and(|module| {
                let imported = |import: &Import| import.is_public && import.name.as_deref() == Some(name);
                module.items.contains(name) || module.imports.iter().any(imported)
            })
    }

    /// The modules right below the root.
    fn top(&self) -> BTreeSet<&str> {
        self.all.keys().filter(|path| path.len() == 1).filter_map(|path| path.first()).map(String::as_str).collect()
    }
}

fn joined(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of these files.
    pub(super) fn modules(files: &[(&str, &str)]) -> Modules {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        Modules::read(|file| Ok(files.get(file).map(|text| (*text).to_owned()))).expect("every module has a file")
    }

    /// Its arrows, as `from:line to`.
    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let arrows = modules(files).arrows();
        arrows.iter().map(|arrow| format!("{}:{} {}", arrow.from, arrow.line, arrow.to)).collect()
    }

    const BELOW: (&str, &str) = ("b/mod.rs", "pub use c::C; mod c; pub mod d; pub fn f() {}");
    const C: (&str, &str) = ("b/c.rs", "pub struct C;");
    const D: (&str, &str) = ("b/d.rs", "pub struct D;");

    fn arrows_of(a: &str) -> Vec<String> {
        arrows(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), BELOW, C, D])
    }

    #[test]
    fn each_name_of_an_import_leads_to_the_file_that_defines_it() {
        assert_eq!(
            arrows_of("use crate::b::{\n  C,\n  d::{D},\n  f,\n};"),
            ["a.rs:2 b/c.rs", "a.rs:3 b/d.rs", "a.rs:4 b/mod.rs"]
        );
        assert_eq!(arrows_of("use crate::b::d::{self, D};"), ["a.rs:1 b/d.rs", "a.rs:1 b/d.rs"]);
    }

    #[test]
    fn paths_in_code_lead_there_as_well() {
        assert_eq!(arrows_of("fn g() {\n crate::b::d::D; super::b::C }"), ["a.rs:2 b/c.rs", "a.rs:2 b/d.rs"]);
        assert_eq!(arrows_of("use crate::b;\nfn g() { b::d::D::new() }"), ["a.rs:1 b/mod.rs", "a.rs:2 b/d.rs"]);
    }

    #[test]
    fn tests_comments_strings_and_other_crates_lead_nowhere() {
        let a = "//! crate::b::C\nuse std::b::C; /* use crate::b::C; */ fn g() { \"crate::b::C\"; serde::b::C }\n\
                 #[cfg(test)]\nmod tests { use crate::b::C; }";
        assert_eq!(arrows_of(a), Vec::<String>::new());
    }

    #[test]
    fn modules_of_tests_need_no_file() {
        assert_eq!(arrows(&[("lib.rs", "#[cfg(test)] mod a; mod b;"), BELOW, C, D]), Vec::<String>::new());
        assert!(Modules::read(|file| Ok((file == "lib.rs").then(|| "mod a;".to_owned()))).is_err());
    }

    #[test]
    fn super_counts_from_the_module_and_not_from_the_file() {
        let a = "mod inner { mod deep { use super::super::X; use super::super::super::b::C; } }\nstruct X;";
        assert_eq!(arrows_of(a), ["a.rs:1 b/c.rs"]);
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod c;"),
            ("a/b.rs", "use super::c::X;"),
            ("a/c.rs", "use super::b::Y;"),
        ];
        assert_eq!(arrows(&files), ["a/b.rs:1 a/c.rs", "a/c.rs:1 a/b.rs"]);
    }

    #[test]
    fn passing_on_is_no_arrow_but_using_is() {
        let of = |root: &str| arrows(&[("lib.rs", "mod a;"), ("a/mod.rs", root), ("a/b.rs", "pub struct B;")]);
        assert_eq!(of("mod b; pub use b::B;"), Vec::<String>::new());
        assert_eq!(of("mod b; pub use b::B; struct A(B);"), ["a/mod.rs:1 a/b.rs"]);
        assert_eq!(of("mod b; use b::B;"), ["a/mod.rs:1 a/b.rs"]);
        assert_eq!(of("mod b; fn f() { b::g() }"), ["a/mod.rs:1 a/b.rs"]);
        assert_eq!(arrows_of("pub use crate::b::C;"), ["a.rs:1 b/c.rs"]);
    }

    #[test]
    fn a_star_passes_on_what_is_defined_behind_it() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::*;"),
            ("a.rs", "use crate::B;\nuse crate::Unknown;"),
            ("b.rs", "pub struct B;"),
        ];
        assert_eq!(arrows(&files), ["a.rs:1 b.rs", "a.rs:2 lib.rs"]);
    }

    #[test]
    fn imports_in_a_ring_end() {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "pub use crate::b::X;"), ("b.rs", "pub use crate::a::X;")];
        assert_eq!(arrows(&files).len(), 2);
    }
}
