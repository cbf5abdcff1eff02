//! The commands on the pages of the documentation, and who runs them.
//!
//! The line before a block of commands says it: `<!-- run: tests/packaging/readme.rs::NAME -->` is the test that takes its commands from
//! there, and `<!-- not run: REASON -->` says why no test does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The folders with pages, besides the repository itself.
const FOLDERS: [&str; 3] = ["docs", "charts", "config"];

/// How the fence of a block of commands names its language.
const SHELLS: [&str; 3] = ["sh", "bash", "console"];

/// Who runs the commands of a block.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Runner {
    /// The test `file::function`.
    Test(String),
    /// No test, for this reason.
    Nobody(String),
    /// The line before the block does not say.
    Unsaid,
}

/// A block of commands on a page.
#[derive(Debug, Clone)]
pub struct Block {
    /// The page, relative to the repository.
    pub page: String,
    /// The line of its opening fence.
    pub line: usize,
    /// The commands, without prompts and without what they print.
    pub commands: String,
    /// Who runs them.
    pub runner: Runner,
}

/// All pages, relative to the repository, sorted.
///
/// # Errors
/// If a folder cannot be read.
pub fn pages() -> Result<Vec<String>> {
    let root = Path::new(ROOT);
    let mut pages = Vec::new();
    for entry in fs::read_dir(root)? {
        pages.extend(Some(entry?.path()).filter(|path| is_page(path)));
    }
    for folder in FOLDERS {
        collect(&root.join(folder), &mut pages)?;
    }
    let named = pages.iter().map(|path| Ok(path.strip_prefix(root)?.display().to_string()));
    let mut named = named.collect::<Result<Vec<_>>>()?;
    named.sort();
    Ok(named)
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, pages)?;
        } else if is_page(&path) {
            pages.push(path);
        }
    }
    Ok(())
}

/// The text of a page.
///
/// # Errors
/// If it cannot be read.
pub fn text(page: &str) -> Result<String> {
    fs::read_to_string(Path::new(ROOT).join(page)).with_context(|| page.to_owned())
}

/// The blocks of commands on a page, in their order.
///
/// # Errors
/// If it cannot be read.
pub fn blocks(page: &str) -> Result<Vec<Block>> {
    Ok(blocks_in(page, &text(page)?))
}

/// The commands on a page that a test runs: one text for each block, in their order.
///
/// # Errors
/// If there are none.
pub fn commands(page: &str, test: &str) -> Result<Vec<String>> {
    let runs = |block: &Block| matches!(&block.runner, Runner::Test(name) if name.ends_with(&format!("::{test}")));
    let commands: Vec<_> = blocks(page)?.into_iter().filter(runs).map(|block| block.commands).collect();
    ensure!(!commands.is_empty(), "{page} has no block that {test} runs");
    Ok(commands)
}

fn blocks_in(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        let content = line.trim_start();
        let Some(language) = content.strip_prefix("```") else {
            before = content;
            continue;
        };
        let indent = line.len() - content.len();
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let body: Vec<_> = body.map(|line| line.get(indent..).unwrap_or_default()).collect();
        if SHELLS.contains(&language.trim()) {
            let runner = runner(before);
            blocks.push(Block { page: page.to_owned(), line: number + 1, commands: typed(&body), runner });
        }
        before = "";
    }
    blocks
}

fn runner(before: &str) -> Runner {
    let comment = before.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")).unwrap_or_default().trim();
    if let Some(test) = comment.strip_prefix("run: ") {
        return Runner::Test(test.trim().to_owned());
    }
    comment.strip_prefix("not run: ").map_or(Runner::Unsaid, |reason| Runner::Nobody(reason.trim().to_owned()))
}

/// What a person types: where there are prompts, only what stands behind them, with the lines that continue it.
fn typed(body: &[&str]) -> String {
    let has_prompts = body.iter().any(|line| line.starts_with("$ "));
    let mut typed = String::new();
    let mut continues = false;
    for line in body {
        let command = if has_prompts { line.strip_prefix("$ ") } else { Some(*line) };
        if let Some(command) = command.or_else(|| continues.then_some(*line)) {
            typed.push_str(command);
            typed.push('\n');
            continues = command.ends_with('\\');
        }
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
Words.

<!-- run: tests/packaging/readme.rs::first -->
```sh
one \\
  --flag
```

1. A step:

   <!-- not run: needs a container engine -->
   ```console
   $ two \\
     --flag
   what it prints
   ```

```yaml
three: 3
```
<!-- run: tests/packaging/readme.rs::first -->

```bash
four
```
";

    #[test]
    fn blocks_of_commands_have_the_runner_that_the_line_before_names() {
        let found: Vec<_> =
            blocks_in("page.md", PAGE).into_iter().map(|it| (it.line, it.commands, it.runner)).collect();
        let test = Runner::Test("tests/packaging/readme.rs::first".to_owned());
        let nobody = Runner::Nobody("needs a container engine".to_owned());
        assert_eq!(
            found,
            [
                (4, "one \\\n  --flag\n".to_owned(), test),
                (12, "two \\\n  --flag\n".to_owned(), nobody),
                (23, "four\n".to_owned(), Runner::Unsaid),
            ]
        );
    }

    #[test]
    fn the_pages_of_all_folders_are_found() {
        let pages = pages().expect("the pages");
        for page in ["README.md", "docs/conditions.md", "charts/meta-channels/README.md"] {
            assert!(pages.iter().any(|it| it == page), "{page} is not among {pages:?}");
        }
    }
}
