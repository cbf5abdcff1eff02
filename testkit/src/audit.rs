//! What ServiceAccounts asked of an API server, as it wrote down itself.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Every request of a ServiceAccount, when it was answered. What people ask is not of interest.
pub(crate) const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: [\"system:serviceaccounts\"]
  - level: None
";

/// A request as the API server's audit log has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// The object it is about; absent where the path is none of an object's.
    #[serde(default)]
    pub object_ref: AuditObject,
    /// The answer.
    #[serde(default)]
    pub response_status: AuditStatus,
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditUser {
    /// Such as `system:serviceaccount:<namespace>:<name>`.
    pub username: String,
}

/// The object that a request is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditObject {
    /// Such as `secrets`.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// Empty for a request about all namespaces or none.
    pub namespace: String,
    /// Empty for a list.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
}

/// The answer to a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuditStatus {
    /// HTTP status.
    pub code: u16,
}

impl AuditEvent {
    /// The right that it needs, as `verb resource.group`.
    pub fn right(&self) -> String {
        let AuditObject { resource, subresource, api_group, .. } = &self.object_ref;
        let slash = if subresource.is_empty() { "" } else { "/" };
        format!("{} {resource}{slash}{subresource}.{api_group}", self.verb)
    }
}

/// Reads a log from this byte on, and says up to where. Its last line may still be on the way.
pub(crate) fn read(path: &Path, from: u64) -> Result<(Vec<AuditEvent>, u64)> {
    let mut text = String::new();
    let mut log = File::open(path).with_context(|| format!("open {}", path.display()))?;
    log.seek(SeekFrom::Start(from))?;
    log.read_to_string(&mut text).with_context(|| format!("read {}", path.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let events = whole.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
    Ok((events.collect::<Result<_>>()?, from + whole.len() as u64))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_read_on_from_where_the_last_whole_line_ended() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let line =
            |verb: &str| format!("{{\"verb\":\"{verb}\",\"requestURI\":\"/\",\"user\":{{\"username\":\"é\"}}}}\n");
        let verbs = |from| {
            let (events, to) = read(log.path(), from).unwrap();
            (events.into_iter().map(|event| event.verb).collect::<Vec<_>>(), to)
        };
        let (first, rest) = (line("get"), line("list"));
        log.as_file().write_all(format!("{first}{}", &rest[..9]).as_bytes()).unwrap();
        let (seen, to) = verbs(0);
        assert_eq!(seen, ["get"]);
        assert_eq!(verbs(to), (vec![], to));
        log.as_file().write_all(&rest.as_bytes()[9..]).unwrap();
        assert_eq!(verbs(to).0, ["list"]);
        assert_eq!(verbs(0).0, ["get", "list"]);
    }
}
