//! What one source file declares, imports and names.

use std::collections::BTreeSet;

use super::tokens::{Text, Token, production};

/// A module, of a file or within one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its path, from the root of the crate.
    pub(super) path: Vec<String>,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: Vec<Mention>,
    /// What it defines itself.
    pub(super) items: BTreeSet<String>,
    /// Every word of it outside its imports.
    pub(super) words: BTreeSet<String>,
    /// Child modules with files of their own.
    pub(super) files: Vec<String>,
}

/// A name that `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    /// What it is called here; nothing for a `*`.
    pub(super) name: Option<String>,
    /// Whether others can import it from here.
    pub(super) is_public: bool,
}

/// A path that stands in code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

/// The module of a file, and the modules within it.
pub(super) fn read(path: &[String], source: &str) -> Vec<Module> {
    let tokens = production(source);
    let mut reader = Reader { tokens: &tokens, at: 0, done: Vec::new() };
    reader.module(path.to_vec());
    reader.done
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    done: Vec<Module>,
}

impl Reader<'_> {
    /// Reads to the end of the file, or to the brace that closes the module.
    fn module(&mut self, path: Vec<String>) {
        let mut module = Module { path, ..Module::default() };
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            match token.text {
                Text::Sign('{') => depth += 1,
                Text::Sign('}') if depth == 0 => break,
                Text::Sign('}') => depth -= 1,
                _ => {}
            }
            match token.word() {
                Some("mod") if depth == 0 && self.word(1).is_some() => self.child(&mut module),
                Some("use") if !self.sign(1, '<') => self.import(&mut module),
                Some(word) => {
                    if depth == 0 && is_definition(word) {
                        let name = self.at + if self.sign(1, '!') { 2 } else { 1 };
                        module.items.extend(self.tokens.get(name).and_then(Token::word).map(str::to_owned));
                    }
                    self.mention(&mut module);
                }
                None => self.at += 1,
            }
        }
        self.done.push(module);
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead)?.word()
    }

    fn sign(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(sign))
    }

    fn child(&mut self, module: &mut Module) {
        let name = self.word(1).unwrap_or_default().to_owned();
        let is_inline = self.sign(2, '{');
        self.at += 3;
        if is_inline {
            let path = module.path.iter().cloned().chain([name]).collect();
            self.module(path);
            self.at += 1;
        } else {
            module.files.push(name);
        }
    }

    fn import(&mut self, module: &mut Module) {
        let is_public = match self.at.checked_sub(1).and_then(|before| self.tokens.get(before)) {
            Some(before) => before.word() == Some("pub") || before.is(')'),
            None => false,
        };
        self.at += 1;
        self.tree(&[], is_public, &mut module.imports);
        self.at += usize::from(self.sign(0, ';'));
    }

    /// Reads a tree of imports: a path that ends in a name, a `*` or braces.
    fn tree(&mut self, before: &[String], is_public: bool, imports: &mut Vec<Import>) {
        let mut path = before.to_vec();
        while let Some(token) = self.tokens.get(self.at) {
            let line = token.line;
            match &token.text {
                Text::Colons => self.at += 1,
                Text::Sign('{') => {
                    self.at += 1;
                    while self.at < self.tokens.len() && !self.sign(0, '}') {
                        self.tree(&path, is_public, imports);
                        self.at += usize::from(self.sign(0, ','));
                    }
                    self.at += 1;
                    return;
                }
                Text::Sign('*') => {
                    self.at += 1;
                    imports.push(Import { line, path, name: None, is_public });
                    return;
                }
                Text::Word(word) => {
                    // `a::{self}` is `a`.
                    if word != "self" || path.is_empty() {
                        path.push(word.clone());
                    }
                    self.at += 1;
                    if self.tokens.get(self.at).is_some_and(|next| next.text == Text::Colons) {
                        continue;
                    }
                    let mut name = path.last().cloned();
                    if self.word(0) == Some("as") {
                        name = self.word(1).map(str::to_owned);
                        self.at += 2;
                    }
                    imports.push(Import { line, path, name, is_public });
                    return;
                }
                // Nothing that compiles leads here.
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    /// Reads a word, and the path that it begins.
    fn mention(&mut self, module: &mut Module) {
        let start = self.at;
        let Some(line) = self.tokens.get(start).map(|token| token.line) else { return };
        let mut path: Vec<String> = self.word(0).map(str::to_owned).into_iter().collect();
        self.at += 1;
        while self.tokens.get(self.at).is_some_and(|token| token.text == Text::Colons)
            && let Some(word) = self.word(1)
        {
            path.push(word.to_owned());
            self.at += 2;
        }
        module.words.extend(path.first().cloned());
        let continues = start.checked_sub(1).is_some_and(|before| {
            let before = &self.tokens[before];
            before.text == Text::Colons || before.is('.')
        });
        if path.len() > 1 && !continues && !self.is_visibility(start) {
            module.mentions.push(Mention { line, path });
        }
    }

    /// Whether a path stands in `pub(in …)`.
    fn is_visibility(&self, start: usize) -> bool {
        let word = |back: usize| start.checked_sub(back).and_then(|at| self.tokens[at].word());
        word(1) == Some("in") && word(3) == Some("pub")
    }
}

fn is_definition(word: &str) -> bool {
    matches!(word, "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static" | "macro_rules")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(source: &str) -> Module {
        let mut modules = read(&["m".to_owned()], source);
        modules.pop().expect("the module of the file")
    }

    fn imports(source: &str) -> Vec<String> {
        let show = |import: &Import| {
            let name = import.name.as_deref().unwrap_or("*");
            format!("{}:{}={name}", import.line, import.path.join("::"))
        };
        module(source).imports.iter().map(show).collect()
    }

    #[test]
    fn a_tree_of_imports_is_read_name_by_name() {
        assert_eq!(
            imports("use crate::{a::{self, B},\n c::*, d as e};\nuse super::super::F;"),
            ["1:crate::a=a", "1:crate::a::B=B", "2:crate::c=*", "2:crate::d=e", "3:super::super::F=F"]
        );
        assert_eq!(imports("fn f() { use self::a::B as _; }"), ["1:self::a::B=_"]);
    }

    #[test]
    fn only_public_imports_can_be_imported_again() {
        let module = module("use a::A;\npub use b::B;\npub(crate) use c::C;");
        let public: Vec<bool> = module.imports.iter().map(|import| import.is_public).collect();
        assert_eq!(public, [false, true, true]);
    }

    #[test]
    fn paths_in_code_are_mentions() {
        let source = "fn f(x: crate::a::B) -> Vec<super::c::D> {\n x.e::<u8>(); self::g::h!(); <I as j::K>::l() }";
        let paths: Vec<String> = module(source).mentions.iter().map(|mention| mention.path.join("::")).collect();
        assert_eq!(paths, ["crate::a::B", "super::c::D", "self::g::h", "j::K"]);
    }

    #[test]
    fn a_visibility_is_no_mention() {
        assert_eq!(module("pub(in crate::a) fn f() {}").mentions, []);
        assert_eq!(module("fn f() { for x in crate::a::all() {} }").mentions.len(), 1);
    }

    #[test]
    fn modules_within_a_file_have_their_own_imports() {
        let modules = read(&[], "mod a; mod b { use super::C; mod d; } use e::F; struct G { h: u8 }");
        let paths: Vec<String> = modules.iter().map(|module| module.path.join("::")).collect();
        assert_eq!(paths, ["b", ""]);
        assert_eq!(modules[0].imports[0].path, ["super", "C"]);
        assert_eq!((&modules[0].files, &modules[1].files), (&vec!["d".to_owned()], &vec!["a".to_owned()]));
        assert_eq!(modules[1].imports[0].path, ["e", "F"]);
        assert!(modules[1].items.contains("G"));
    }
}
