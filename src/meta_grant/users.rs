//! Who relies on a grant.

use std::collections::BTreeSet;

use crate::engine::index::Dependency;
use crate::engine::{Context, Key, KindName};

/// The channels that rely on a grant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Users {
    /// How many there are.
    pub channels: usize,
    /// Ids of their pages.
    pub pages: BTreeSet<String>,
}

/// Who relies on a grant now.
pub fn of(ctx: &Context, grant: &Key) -> Users {
    let dependents = ctx.index.dependents(&Dependency::MetaGrant(grant.clone()));
    let channels = dependents.iter().filter(|(kind, _)| *kind == KindName::FacebookChannel);
    let pages: Vec<_> = channels.filter_map(|(_, key)| Some(ctx.channel(key)?.spec.page_id.clone())).collect();
    Users { channels: pages.len(), pages: pages.into_iter().collect() }
}
