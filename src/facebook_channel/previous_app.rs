//! The application through which a page was used before its channel, or the channel before that, was given another one. Only
//! the claim remembers it, so its subscription is ended before the claim names the new application.

use super::model::{Former, FormerEnd};
use super::state::FacebookChannels;
use crate::api::FacebookChannelStatus;
use crate::base::ids::{PageId, Uid};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::Operation;
use crate::limits::answer::answer;
use crate::limits::app_usage::Budget;
use crate::meta_app::by_id;
use crate::meta_app::token_check;
use crate::ownership::{FormerApp, Wanted, claim_fence};

/// Looks whether the application before can be used.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn see(channels: &FacebookChannels, claimed: Option<FormerApp>) -> Result<Option<Former>, Failure> {
    let Some(mut claimed) = claimed else { return Ok(None) };
    // Of what another release manages, not even the name is anybody's business here.
    claimed.app_ref = claimed.app_ref.filter(|app| channels.ctx.wakeups.watches(&app.namespace));
    let (app, _) = by_id::see(&channels.apps, &claimed.app_id, Former::key_of(&claimed).as_ref()).await?;
    Ok(Some(Former { claimed, app }))
}

/// Ends the subscription; `None` if there is none to end, or the page is not ours any more.
///
/// # Errors
/// When the Kubernetes API does not answer, or what is needed is gone since it was seen.
pub async fn unsubscribe(
    channels: &FacebookChannels,
    pass: &Pass<FacebookChannelStatus>,
    wanted: &Wanted,
    former: Option<&Former>,
) -> Result<Option<FormerEnd>, Failure> {
    let Some(claimed) = former.map(|former| &former.claimed) else { return Ok(None) };
    let (_, access) = by_id::see(&channels.apps, &claimed.app_id, Former::key_of(claimed).as_ref()).await?;
    let access = access.ok_or_else(|| Failure::Kubernetes {
        what: "reading the app secret",
        detail: "the watch has brought no usable one".to_owned(),
        conflict: true,
    })?;
    let page_id = &PageId::new(&wanted.id);
    let end = channels.ctx.graph.unsubscribe_page(&access.version, &access.credentials, page_id);
    let sent = claim_fence::held(&channels.ownership, KindName::FACEBOOK_CHANNEL, &pass.key, wanted, end).await?;
    let Some(result) = sent else { return Ok(None) };
    let ended = answer(Operation::UnsubscribePage, result);
    if token_check::blames_the_app(&ended) {
        channels.apps.look_at(Key::of(access.app.as_ref()));
    }
    let app = Uid::of(&*access.app);
    channels.ctx.limits.heed(
        &[Budget::app(&app), Budget::page(&app, page_id)],
        ended.as_ref().err().into_iter(),
        pass.now,
    );
    Ok(Some(FormerEnd::Asked(ended)))
}
