//! The kinds that are reconciled, each a value that owns what is known of its objects. A kind depends on those above it.

use std::sync::Arc;

use crate::asset_claim::AssetClaims;
use crate::controller::context::Context;
use crate::facebook_channel::FacebookChannels;
use crate::meta_app::MetaApps;
use crate::meta_app::keyring_secret::Keyring;
use crate::meta_app::page_reads::LendsPages;
use crate::meta_grant::MetaGrants;
use crate::meta_grant::inbox::Inbox;
use crate::ownership::Ownership;

/// All of them.
pub(super) struct Kinds {
    /// What they share.
    pub(super) ctx: Arc<Context>,
    /// Who holds what.
    pub(super) ownership: Arc<Ownership>,
    /// MetaApp.
    pub(super) apps: Arc<MetaApps>,
    /// MetaGrant.
    pub(super) grants: Arc<MetaGrants>,
    /// FacebookChannel.
    pub(super) channels: Arc<FacebookChannels>,
    /// AssetClaim.
    pub(super) claims: Arc<AssetClaims>,
}

impl Kinds {
    /// Nothing is known of any object yet.
    pub(super) fn new(ctx: Context, keyring: Keyring, inbox: Inbox) -> Self {
        let ctx = Arc::new(ctx);
        let ownership = Arc::new(Ownership::new(&ctx));
        let apps = Arc::new(MetaApps::new(&ownership, keyring));
        let grants = Arc::new(MetaGrants::new(&apps, inbox));
        let channels = Arc::new(FacebookChannels::new(&ownership, &grants));
        let claims = Arc::new(AssetClaims::new(&ownership, &apps));
        let lenders: Arc<dyn LendsPages> = Arc::clone(&channels) as _;
        apps.borrow_from(Arc::downgrade(&lenders));
        Self { ctx, ownership, apps, grants, channels, claims }
    }
}
