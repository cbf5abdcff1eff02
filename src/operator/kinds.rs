//! The kinds, each a value that owns what is known about its objects. A kind depends on those above it. This is the only place
//! where the operator names them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::feeds::{Feed, Timers, feed, feeds, objects};
use super::registered::{AnyKind, Registered};
use crate::api::{AssetClaim, FacebookChannel, MetaApp, MetaGrant};
use crate::asset_claim::AssetClaims;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::cluster::Stores;
use crate::cluster::namespace_ownership::Namespaces;
use crate::controller::batch_resync;
use crate::controller::context::Context;
use crate::controller::reconciler::Reconciler;
use crate::facebook_channel::FacebookChannels;
use crate::meta_app::keyring_secret::Keyring;
use crate::meta_app::page_reads::LendsPages;
use crate::meta_app::{self, MetaApps, allowed};
use crate::meta_grant::inbox::Inbox;
use crate::meta_grant::{self, MetaGrants, dependents};
use crate::ownership::Ownership;

/// All of them.
pub(super) struct Kinds {
    /// What they share.
    pub(super) ctx: Arc<Context>,
    /// Who holds what.
    pub(super) ownership: Arc<Ownership>,
    pub(super) apps: Arc<MetaApps>,
    pub(super) channels: Arc<FacebookChannels>,
    pub(super) claims: Arc<AssetClaims>,
    pub(super) grants: Arc<MetaGrants>,
    /// Those that people declare.
    pub(super) declared: Vec<Box<dyn AnyKind>>,
}

/// What feeds each kind with its objects.
pub(super) struct KindFeeds {
    apps: Vec<Feed<MetaApp>>,
    grants: Vec<Feed<MetaGrant>>,
    channels: Vec<Feed<FacebookChannel>>,
    /// Nobody declares claims.
    pub(super) claims: Feed<AssetClaim>,
    /// Names of the kinds that people declare.
    pub(super) declared: BTreeSet<&'static str>,
}

impl KindFeeds {
    /// The feeds of all kinds in these namespaces, and their timers. The claims lie in a namespace of their own.
    pub(super) fn new(namespaces: &[String], claims: &str, clock: &Clock) -> (Self, Timers) {
        let mut timers = Timers::default();
        let apps = feeds(MetaApps::NAME, namespaces, clock, &mut timers);
        let grants = feeds(MetaGrants::NAME, namespaces, clock, &mut timers);
        let channels = feeds(FacebookChannels::NAME, namespaces, clock, &mut timers);
        let declared = timers.keys().map(|(kind, _)| kind.as_str()).collect();
        let claims = feed(AssetClaims::NAME, claims, clock, &mut timers);
        (Self { apps, grants, channels, claims, declared }, timers)
    }

    /// What the watches show of the kinds.
    pub(super) fn stores(&self, namespaces: &Arc<Namespaces>) -> Stores {
        Stores {
            apps: objects(&self.apps, namespaces),
            grants: objects(&self.grants, namespaces),
            channels: objects(&self.channels, namespaces),
            claims: self.claims.store.clone(),
        }
    }
}

impl Kinds {
    /// Nothing is known of any object yet. With the feed of the claims.
    pub(super) fn new(ctx: Context, feeds: KindFeeds, keyring: Keyring, inbox: Inbox) -> (Self, Feed<AssetClaim>) {
        let ctx = Arc::new(ctx);
        let ownership = Arc::new(Ownership::new(&ctx));
        let apps = Arc::new(MetaApps::new(&ownership, keyring));
        let grants = Arc::new(MetaGrants::new(&apps, inbox));
        let channels = Arc::new(FacebookChannels::new(&ownership, &grants));
        let claims = Arc::new(AssetClaims::new(&ownership, &apps));
        let lenders: Arc<dyn LendsPages> = Arc::clone(&channels) as _;
        apps.borrow_from(Arc::downgrade(&lenders));
        let declared = vec![
            Registered::any(&apps, &ownership, feeds.apps),
            Registered::any(&grants, &ownership, feeds.grants),
            Registered::any(&channels, &ownership, feeds.channels),
        ];
        (Self { ctx, ownership, apps, grants, channels, claims, declared }, feeds.claims)
    }

    /// What single kinds do beside their controllers until the shutdown.
    pub(super) fn loops(&self) -> Vec<BoxFuture<'static, ()>> {
        vec![
            batch_resync::run(Arc::clone(&self.channels)).boxed(),
            dependents::run(Arc::clone(&self.grants)).boxed(),
            meta_grant::messages::run(Arc::clone(&self.grants)).boxed(),
            meta_app::keyring::run(Arc::clone(&self.apps)).boxed(),
            allowed::run(Arc::clone(&self.apps)).boxed(),
        ]
    }

    /// Forgets a labeled Secret that is gone, or in a namespace that is not ours any more.
    pub(super) fn secret_went(&self, key: &Key) {
        self.ctx.cluster.secrets.forget(key);
        self.declared.iter().for_each(|kind| kind.secret_went(key));
    }
}
