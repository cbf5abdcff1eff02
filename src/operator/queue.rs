//! Calls channels that wait for Meta's limits, and has applications checked from which nothing was heard for a while.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::kinds::Kinds;
use crate::api::{ManagementPolicy, MetaApp};
use crate::base::clock::Moment;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::controller::reconciler::Reconciler;
use crate::limits::usage_recorder::are_alike;

/// How often someone may be called, and how often each application is seen to.
const CALL: SignedDuration = SignedDuration::from_secs(1);
const SEE_TO: SignedDuration = SignedDuration::from_mins(1);

/// Calls the channels that wait, and sees to the applications, until the shutdown.
pub(super) async fn run(kinds: Arc<Kinds>) {
    let (ctx, channels) = (&kinds.ctx, &kinds.channels);
    let mut seen_to = ctx.clock.now();
    while ctx.read(ctx.clock.sleep_until(ctx.clock.now().later(CALL))).await.is_ok() {
        let now = ctx.clock.now();
        for called in ctx.limits.usage.call(now) {
            channels.states().request(&called.key, &called.uid);
            ctx.wakeups.wake(KindName::FACEBOOK_CHANNEL, called.key);
        }
        if now.duration_since(seen_to) >= SEE_TO {
            seen_to = now;
            ctx.limits.usage.clear_up(now);
            ctx.cluster.stores.apps.all().iter().for_each(|app| see_to(&kinds, app, now));
        }
    }
}

/// Has the application asked about when what was heard of its usage is old: that one look hears anew for all; likewise when
/// another version answers than before, which its channels may hear first. And has its
/// status written when that says something else; once a minute at most, since it is checked no more often.
fn see_to(kinds: &Kinds, app: &MetaApp, now: Timestamp) {
    let ctx = &kinds.ctx;
    if app.spec.management_policy == ManagementPolicy::Pause {
        return;
    }
    let (key, uid) = (Key::of(app), Uid::of(app));
    if ctx.limits.usage.wants_news(&uid, now) || ctx.limits.served_versions.take_news(&uid) {
        kinds.apps.look_at(key.clone());
    }
    let told = app.status.as_ref().and_then(|status| status.usage.as_ref());
    if !are_alike(told, ctx.limits.usage.usage(&uid, now).as_ref()) {
        ctx.wakeups.wake(KindName::META_APP, key);
    }
}
