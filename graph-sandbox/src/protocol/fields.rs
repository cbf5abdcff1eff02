//! Field selections: `fields=id,name,business{id,name}`.

use std::fmt;

use super::error::GraphError;

/// One selected field, perhaps with fields of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// Such as `.limit(5)`.
    pub(crate) modifiers: Vec<(String, String)>,
    pub(crate) inner: Option<Vec<Selected>>,
}

impl Selected {
    /// A field as it is.
    pub(crate) fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), modifiers: Vec::new(), inner: None }
    }

    /// What the answer calls it: its name, unless `.as(…)` gives another.
    pub(crate) fn label(&self) -> &str {
        let alias = self.modifiers.iter().find(|(modifier, _)| modifier == "as");
        alias.map_or(&self.name, |(_, alias)| alias)
    }
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.modifiers.iter().try_for_each(|(name, argument)| write!(f, ".{name}({argument})"))?;
        self.inner.as_ref().map_or(Ok(()), |inner| write!(f, "{{{}}}", write(inner)))
    }
}

/// The selection as `fields` writes it.
pub(crate) fn write<'a>(fields: impl IntoIterator<Item = &'a Selected>) -> String {
    fields.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// How deep a selection may nest.
const MAX_DEPTH: usize = 8;

/// Reads the `fields` parameter, which may also be a JSON array of such texts.
pub(crate) fn parse(text: &str) -> Result<Vec<Selected>, GraphError> {
    if text.trim_start().starts_with('[') {
        let parts: Vec<String> =
            serde_json::from_str(text).map_err(|_| GraphError::parameter("Param fields must be an array."))?;
        return parse_plain(&parts.join(","));
    }
    parse_plain(text)
}

fn parse_plain(text: &str) -> Result<Vec<Selected>, GraphError> {
    let mut reader = Reader { rest: text, length: text.len() };
    let fields = reader.fields(0)?;
    match reader.peek() {
        None => Ok(fields),
        Some(found) => Err(reader.unexpected(found)),
    }
}

struct Reader<'a> {
    rest: &'a str,
    length: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Steps over the next character if it is this one.
    fn accept(&mut self, wanted: char) -> bool {
        self.peek();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<Selected>, GraphError> {
        if depth > MAX_DEPTH {
            return Err(GraphError::new(2500, "Syntax error \"The field selection nests too deeply\""));
        }
        let mut fields = Vec::new();
        loop {
            match self.peek() {
                None | Some('}') => return Ok(fields),
                Some(',') => {
                    self.accept(',');
                }
                Some(_) => fields.push(self.field(depth)?),
            }
        }
    }

    fn field(&mut self, depth: usize) -> Result<Selected, GraphError> {
        let name = self.word();
        if name.is_empty() {
            let found = self.rest.chars().next().unwrap_or(' ');
            return Err(self.unexpected(found));
        }
        let modifiers = self.modifiers()?;
        if !self.accept('{') {
            return Ok(Selected { name, modifiers, inner: None });
        }
        let inner = self.fields(depth + 1)?;
        if self.accept('}') {
            Ok(Selected { name, modifiers, inner: Some(inner) })
        } else {
            Err(GraphError::new(2500, "Syntax error \"Expected \"}\" at end of string\""))
        }
    }

    fn word(&mut self) -> String {
        self.peek();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-' && c != ':')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn modifiers(&mut self) -> Result<Vec<(String, String)>, GraphError> {
        let mut modifiers = Vec::new();
        while self.accept('.') {
            let name = self.word();
            let closed = self.accept('(').then(|| self.rest.split_once(')')).flatten();
            match closed {
                Some((argument, rest)) if !name.is_empty() => {
                    self.rest = rest;
                    modifiers.push((name, argument.trim().to_owned()));
                }
                _ => {
                    return Err(GraphError::new(2500, "Syntax error \"Expected a modifier\""));
                }
            }
        }
        Ok(modifiers)
    }

    fn unexpected(&self, found: char) -> GraphError {
        let at = self.length.saturating_sub(self.rest.len());
        let message = format!("Syntax error \"Expected end of string instead of \"{found}\".\" at character {at}");
        GraphError::new(2500, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str) -> Selected {
        Selected::plain(name)
    }

    #[test]
    fn plain_nested_and_as_an_array() {
        assert_eq!(parse(" id , name,").unwrap(), [leaf("id"), leaf("name")]);
        let nested = parse("id,business{id,name}").unwrap();
        assert_eq!(nested[1].inner.as_ref().unwrap(), &[leaf("id"), leaf("name")]);
        assert_eq!(parse(r#"["id","business{id,name}"]"#).unwrap(), nested);
        let text = "roles.limit(5).as(x){id,a{b}},name";
        let fields = parse(&text.replace(',', " , ")).unwrap();
        assert_eq!((fields[0].name.as_str(), fields[0].label(), fields[1].label()), ("roles", "x", "name"));
        assert_eq!(fields[0].modifiers[0], ("limit".to_owned(), "5".to_owned()));
        assert_eq!(write(&fields), text);
    }

    #[test]
    fn broken_selections_are_syntax_errors() {
        for bad in ["id}", "id{", "{", "id,{name}", "a.b", "a.limit(", "id{a{b}", "é", "[\"id\"", "[1]", "a b(é"] {
            let error = parse(bad).unwrap_err();
            assert!(error.code == 2500 || error.code == 100, "{bad}");
        }
        assert!(parse(&"a{".repeat(5000)).is_err());
    }
}
