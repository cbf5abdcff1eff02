//! The paths of the steps. Nothing in them is secret except the address of a grant.

use super::flow::Flow;
use crate::base::key::Key;

/// Where a reauthorization begins.
pub(super) const START: &str = "/oauth/{namespace}/{grant}/{address}/start";

/// Where Meta sends people back to.
pub(super) const CALLBACK: &str = "/oauth/callback";

/// Where the outcome of a step is shown.
pub(super) const CONFIRM: &str = "/oauth/confirm";

/// Where a browser is told that what it brought does not belong to it.
pub(super) const OTHER_BROWSER: &str = "/oauth/other-browser";

/// Where the reauthorization of this grant begins, at this address of it.
pub(super) fn start(grant: &Key, address: &str) -> String {
    format!("/oauth/{}/{}/{address}/start", grant.namespace, grant.name)
}

/// Where the outcome of this flow is shown.
pub(super) fn confirm(flow: &Flow) -> String {
    format!("{CONFIRM}?flow={}", flow.id())
}
