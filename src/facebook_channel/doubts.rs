//! Tokens that a grant gives and that do not serve. The grant has to look before its channels are to blame: it may have ended
//! for all of them, or give another token now.

use jiff::{SignedDuration, Timestamp};

use super::credentials::Source;
use super::decide::authorization;
use super::observe::{Observed, TokenSeen};
use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::engine::Context;
use crate::engine::answer::{Answer, Held, Refusal};
use crate::engine::pass::Pass;

/// How long a grant that has to look is waited for. What it finds wakes its channels before.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);
/// How long its first look after a start is waited for.
const FIRST_LOOK: SignedDuration = SignedDuration::from_mins(5);

/// What stands for an answer about the credential while it is not known what the grant gives. To disconnect a page no
/// credential is needed, so that nothing is waited for.
pub fn not_listed(channel: &FacebookChannel, now: Timestamp) -> Option<Refusal> {
    (!channel.spec.parts()).then(|| Refusal::held(Held::Grant(now + FIRST_LOOK)))
}

/// Has the grant look if its token was refused for the page, and takes the refusals for no answer until it has.
pub fn settle(ctx: &Context, channel: &FacebookChannel, seen: &mut Observed, pass: &Pass<FacebookChannelStatus>) {
    let Source::Grant { grant: key, page_id, .. } = Source::of(ctx, channel) else { return };
    let TokenSeen::Granted(grant) = &seen.token else { return };
    if !authorization::is_doubted(&seen.asked) {
        if matches!(seen.asked.page, Some(Ok(_))) {
            ctx.doubts.forget(&pass.key);
        }
        return;
    }
    ctx.grants.doubt(&key, &page_id);
    let since = ctx.doubts.at(&pass.key, &pass.uid);
    if since.is_none() {
        ctx.doubts.mark(&pass.key, &pass.uid, pass.now);
    }
    // The grant has looked since and gives what is refused all the same: then it is about this page.
    let looked = since.is_some_and(|since| grant.at > since);
    if looked || channel.spec.parts() {
        return;
    }
    ctx.look_at_grant(key);
    let held = Refusal::held(Held::Grant(pass.now + PATIENCE));
    let asked = &mut seen.asked;
    put_off(&mut asked.page, &held);
    put_off(&mut asked.subscriptions, &held);
    put_off(&mut asked.subscribed, &held);
}

fn put_off<T>(answer: &mut Option<Answer<T>>, held: &Refusal) {
    if let Some(Err(refusal)) = answer
        && authorization::doubts(refusal)
    {
        *refusal = held.clone();
    }
}
