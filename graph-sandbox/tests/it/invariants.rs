//! What must be true of a sandbox at every moment, whatever was done to it.

use std::collections::{BTreeMap, BTreeSet};

use graph_sandbox::{GrantView, Sandbox, StateView, TokenKind, TokenView};

/// Checks everything; the error says what is impossible.
pub(crate) fn check(sandbox: &Sandbox) -> Result<(), String> {
    let (state, grants) = (sandbox.state(), sandbox.grants());
    lineage(&state)?;
    within_grants(&state, &grants)?;
    page_roles(&state)?;
    threads(&state)
}

/// A thread's owner and the end of its ownership are there together, and the end is to come.
fn threads(state: &StateView) -> Result<(), String> {
    for (page, view) in &state.pages {
        for (psid, thread) in &view.threads {
            if thread.owner.is_some() != thread.owner_until.is_some() {
                return Err(format!("{page}: an owner of {psid} without an end, or an end without an owner"));
            }
            if thread.owner_until.is_some_and(|end| end <= state.now) {
                return Err(format!("{page}: the ownership of {psid} is over"));
            }
        }
    }
    Ok(())
}

/// No valid page token has a dead parent, except a person's long-lived one that merely expired;
/// every child has the app and person of its parent.
fn lineage(state: &StateView) -> Result<(), String> {
    for (label, token) in &state.tokens {
        let Some(parent) = &token.parent else {
            continue;
        };
        let parent = state.tokens.get(parent).ok_or_else(|| format!("{label}: no parent {parent}"))?;
        if (&parent.app, &parent.user) != (&token.app, &token.user) || token.kind != TokenKind::Page {
            return Err(format!("{label} does not fit its parent"));
        }
        let merely_expired = parent.kind == TokenKind::User && parent.long_lived && parent.subcode == Some(463);
        if token.valid && !parent.valid && !merely_expired {
            return Err(format!("{label} outlives its parent, which ended with {:?}", parent.subcode));
        }
    }
    Ok(())
}

/// No valid token holds a scope, or an asset of a scope, beyond its grant.
fn within_grants(state: &StateView, grants: &[GrantView]) -> Result<(), String> {
    let by_pair: BTreeMap<(&str, &str), &GrantView> =
        grants.iter().map(|grant| ((grant.app.as_str(), grant.user.as_str()), grant)).collect();
    for (label, token) in state.tokens.iter().filter(|(_, token)| token.valid) {
        let Some(user) = &token.user else {
            continue;
        };
        let grant = by_pair.get(&(token.app.as_str(), user.as_str()));
        let grant = grant.ok_or_else(|| format!("{label} is valid without a grant"))?;
        for scope in &token.scopes {
            let limit = grant.scopes.get(scope).ok_or_else(|| format!("{label} holds {scope} beyond its grant"))?;
            if let Some(limit) = limit {
                let limit: BTreeSet<String> = limit.iter().map(ToString::to_string).collect();
                within_limit(label, token, scope, &limit)?;
            }
        }
    }
    Ok(())
}

fn within_limit(label: &str, token: &TokenView, scope: &str, limit: &BTreeSet<String>) -> Result<(), String> {
    let row = token.granular_scopes.iter().find(|row| row.scope == scope);
    let targets =
        row.and_then(|row| row.target_ids.as_ref()).ok_or_else(|| format!("{label}: {scope} is not limited"))?;
    match targets.iter().find(|id| !limit.contains(id.as_str())) {
        None => Ok(()),
        Some(id) => Err(format!("{label}: {scope} reaches {id}")),
    }
}

/// A page token of a page its person has no role on is never valid.
fn page_roles(state: &StateView) -> Result<(), String> {
    for (label, token) in state.tokens.iter().filter(|(_, token)| token.valid) {
        let (Some(user), Some(page)) = (&token.user, &token.page) else {
            continue;
        };
        let tasks = state.pages.get(page).and_then(|page| page.tasks.as_ref());
        if tasks.is_some_and(|tasks| tasks.get(user).is_none_or(Vec::is_empty)) {
            return Err(format!("{label} is valid without a role on {page}"));
        }
    }
    Ok(())
}
