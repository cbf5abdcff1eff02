//! What is done when a MetaGrant comes, changes or goes.

use kube::ResourceExt;

use super::state::MetaGrants;
use super::verdict;
use crate::api::MetaGrant;
use crate::base::key::Key;
use crate::cluster::stores::Objects;
use crate::controller::declared::{Declared, digest};

impl Declared for MetaGrants {
    fn objects(&self) -> &Objects<MetaGrant> {
        &self.ctx.cluster.stores.grants
    }

    fn outside(&self, key: &Key, grant: &MetaGrant) -> Option<u64> {
        let seen = self.get(key);
        let grant = seen.as_deref().unwrap_or(grant);
        Some(digest(&(grant.uid(), verdict(grant))))
    }
}
