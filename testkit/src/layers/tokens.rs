//! Rust source as words and signs: without comments, without what strings say, without what only tests compile.

/// One word or sign, and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
    /// A string, a character, a number or a lifetime.
    Other,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.text {
            Text::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is(&self, sign: char) -> bool {
        self.text == Text::Sign(sign)
    }
}

/// What is compiled outside tests.
pub(super) fn production(source: &str) -> Vec<Token> {
    without_tests(&Lexer { rest: source, line: 1 }.all())
}

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
}

impl Lexer<'_> {
    fn all(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(first) = self.rest.chars().next() {
            let line = self.line;
            if let Some(text) = self.next(first) {
                tokens.push(Token { line, text });
            }
        }
        tokens
    }

    fn next(&mut self, first: char) -> Option<Text> {
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            return None;
        }
        if self.rest.starts_with("/*") {
            self.skip(comment(self.rest));
            return None;
        }
        if let Some(length) = string(self.rest).or_else(|| character(self.rest)) {
            self.skip(length);
            return Some(Text::Other);
        }
        if self.rest.starts_with("::") {
            self.skip(2);
            return Some(Text::Colons);
        }
        if is_wordy(first) {
            let raw = self.rest.strip_prefix("r#").map_or(0, |_| 2);
            let word: String = self.rest[raw..].chars().take_while(|c| is_wordy(*c)).collect();
            self.skip(raw + word.len());
            return Some(if first.is_ascii_digit() { Text::Other } else { Text::Word(word) });
        }
        self.skip(first.len_utf8());
        (!first.is_whitespace()).then_some(Text::Sign(first))
    }

    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the comment the text begins with; comments nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match rest {
            _ if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            _ if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of the string the text begins with, if it begins with one.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix);
        let rest = rest.map(|rest| if prefix.ends_with('r') { rest.trim_start_matches('#') } else { rest });
        rest.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#').count();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    Some(closing(text, start, '"'))
}

/// Length of the character or lifetime the text begins with, if it begins with one.
fn character(text: &str) -> Option<usize> {
    let start = if text.starts_with("b'") { 2 } else { 1 };
    let mut inner = text.strip_prefix("b'").or_else(|| text.strip_prefix('\''))?.chars();
    let (first, second) = (inner.next()?, inner.next());
    if first == '\\' || second == Some('\'') {
        return Some(closing(text, start, '\''));
    }
    Some(start + text[start..].chars().take_while(|c| is_wordy(*c)).map(char::len_utf8).sum::<usize>())
}

/// Where the text goes on after the quote that closes what began at `start`.
fn closing(text: &str, start: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return start + at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Leaves out what stands under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match attribute(tokens, at) {
            Some(end) if is_test(&tokens[at..end]) => at = item_end(tokens, end),
            Some(end) => {
                kept.extend_from_slice(&tokens[at..end]);
                at = end;
            }
            None => {
                kept.push(token.clone());
                at += 1;
            }
        }
    }
    kept
}

/// Where an attribute ends that begins here.
fn attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let opens = tokens.get(at)?.is('#') && tokens.get(at + 1)?.is('[');
    opens.then(|| group_end(tokens, at + 1))
}

/// Whether an attribute asks for tests, and for nothing that may hold without them.
fn is_test(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not") && !words.contains(&"any")
}

/// Where the group of brackets ends that opens here.
fn group_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            Text::Sign('(' | '[' | '{') => depth += 1,
            Text::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Where the item ends whose attributes go on here: after its braces or its semicolon; a field or a variant
/// ends before the comma or with what it stands in.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(end) = attribute(tokens, at) {
        at = end;
    }
    let visible = tokens.get(at).and_then(Token::word) == Some("pub");
    let mut keyword = at + usize::from(visible);
    if visible && tokens.get(keyword).is_some_and(|token| token.is('(')) {
        keyword = group_end(tokens, keyword);
    }
    const ITEMS: [&str; 14] = [
        "async", "const", "enum", "extern", "fn", "impl", "let", "mod", "static", "struct", "trait", "type", "unsafe",
        "use",
    ];
    let is_item = tokens.get(keyword).and_then(Token::word).is_some_and(|word| ITEMS.contains(&word));
    while let Some(token) = tokens.get(at) {
        match token.text {
            Text::Sign('{') => return group_end(tokens, at),
            Text::Sign('(' | '[') => at = group_end(tokens, at),
            Text::Sign(';') => return at + 1,
            Text::Sign(',') if !is_item => return at + 1,
            Text::Sign(')' | ']' | '}') => return at,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        production(source).iter().filter_map(Token::word).map(str::to_owned).collect()
    }

    #[test]
    fn comments_and_strings_say_nothing() {
        let source = "a /* b /* c */ d */ e // f\n\"g \\\" h\" r#\"i \" j\"# b\"k\" 'l' '\\'' b'm' n";
        assert_eq!(words(source), ["a", "e", "n"]);
    }

    #[test]
    fn lifetimes_and_numbers_are_no_words() {
        assert_eq!(words("fn a<'b>(c: &'b u8) { 1.0; 0x_ff_u8; r#type }"), ["fn", "a", "c", "u8", "type"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let source = "\"a\nb\" /* c\nd */ x\n// e\ny";
        let lines: Vec<usize> = production(source).iter().filter(|t| t.word().is_some()).map(|t| t.line).collect();
        assert_eq!(lines, [3, 5]);
    }

    #[test]
    fn what_only_tests_compile_is_left_out() {
        assert_eq!(words("#[cfg(test)]\nmod tests { use a; fn b() {} }\nc"), ["c"]);
        assert_eq!(words("#[cfg(test)]\n#[path = \"x.rs\"]\npub(crate) mod tests;\nc"), ["c"]);
        assert_eq!(words("#[cfg(all(test, unix))] fn a<T, U>(b: [u8; 2]) -> T { d } c"), ["c"]);
        assert_eq!(words("struct A { #[cfg(test)] pub b: u8, c: u8 }"), ["struct", "A", "c", "u8"]);
        assert_eq!(words("struct A { c: u8, #[cfg(test)] b: u8 }"), ["struct", "A", "c", "u8"]);
    }

    #[test]
    fn what_is_compiled_without_tests_stays() {
        assert_eq!(words("#[cfg(not(test))] fn a() {}").last().map(String::as_str), Some("a"));
        assert_eq!(words("#[cfg(any(test, unix))] fn a() {}").last().map(String::as_str), Some("a"));
        assert_eq!(words("#![cfg_attr(test, allow(x))] fn a() {}").last().map(String::as_str), Some("a"));
    }
}
