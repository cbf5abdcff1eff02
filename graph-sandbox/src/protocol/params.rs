//! Parameters of a call, from query string, form or JSON body alike.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded;

use super::error::GraphError;

/// The parameters of one call.
#[derive(Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Adds `a=b&c=d`. The PHP forms `a[]=b` and `a[0]=b` make a list.
    pub(crate) fn add_urlencoded(&mut self, text: &[u8]) {
        for (name, value) in form_urlencoded::parse(text) {
            match name.split_once('[') {
                Some((list, rest)) if rest.ends_with(']') => self.append(list, &value),
                _ => {
                    self.0.insert(name.into_owned(), value.into_owned());
                }
            }
        }
    }

    fn append(&mut self, list: &str, value: &str) {
        let joined = self.0.entry(list.to_owned()).or_default();
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }

    /// Adds one parameter; a later one of the same name counts.
    pub(crate) fn add(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// Adds the members of a JSON object.
    pub(crate) fn add_json(&mut self, body: &[u8]) -> Result<(), GraphError> {
        // Serde's own message would quote the body, which may hold a token.
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(GraphError::parameter("The request body must be a JSON object"));
        };
        for (name, value) in members {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                other => other.to_string(),
            };
            self.0.insert(name, text);
        }
        Ok(())
    }

    /// Changes every value, up to the first that cannot be changed.
    pub(crate) fn try_change<E>(&mut self, mut change: impl FnMut(&str) -> Result<String, E>) -> Result<(), E> {
        for value in self.0.values_mut() {
            *value = change(value)?;
        }
        Ok(())
    }

    /// A parameter; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|text| !text.is_empty())
    }

    /// A parameter that says yes or no.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| matches!(text, "1" | "true"))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, GraphError> {
        self.get(name).ok_or_else(|| GraphError::missing_parameter(name))
    }

    /// A list: comma separated or a JSON array.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<String>>, GraphError> {
        self.get(name).map(|text| parse_list(name, text)).transpose()
    }

    /// A list that must be there and not be empty.
    pub(crate) fn required_list(&self, name: &str) -> Result<Vec<String>, GraphError> {
        match self.list(name)? {
            Some(list) if !list.is_empty() => Ok(list),
            _ => Err(GraphError::missing_parameter(name)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn parse_list(name: &str, text: &str) -> Result<Vec<String>, GraphError> {
    if !text.trim_start().starts_with('[') {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Ok(items.map(str::to_owned).collect());
    }
    let not_a_list = || GraphError::parameter(format_args!("Param {name} must be an array."));
    let items: Vec<Value> = serde_json::from_str(text).map_err(|_| not_a_list())?;
    items
        .into_iter()
        .map(|item| match item {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(not_a_list()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(body: &str) -> Vec<String> {
        let mut params = Params::default();
        params.add_urlencoded(body.as_bytes());
        params.required_list("f").unwrap()
    }

    #[test]
    fn lists_come_in_three_forms() {
        for body in ["f=a,b", "f=%5B%22a%22%2C%22b%22%5D", "f[]=a&f[]=b", "f[0]=a&f[1]=b", "f=a,+b,"] {
            assert_eq!(list(body), ["a", "b"], "{body}");
        }
        let mut params = Params::default();
        params.add_json(br#"{"f":["a","b"],"n":3,"t":true,"z":null}"#).unwrap();
        assert_eq!(params.required_list("f").unwrap(), ["a", "b"]);
        assert_eq!((params.get("n"), params.get("t"), params.get("z")), (Some("3"), Some("true"), None));
    }

    #[test]
    fn broken_bodies_are_refused_without_quoting_them() {
        for body in ["", "{", "[1]", "\"EAAsecret\"", "{\"a\":"] {
            let error = Params::default().add_json(body.as_bytes()).unwrap_err();
            assert_eq!(error.code, 100);
            assert!(!error.message.contains("EAA"));
        }
        let mut params = Params::default();
        params.add_urlencoded(b"f=%5B1,&g=%5B%5B%5D%5D");
        assert!(params.list("f").is_err());
        assert!(params.list("g").is_err());
    }
}
