//! The witness of a channel's credential: debug_token about the very token, or about the token of its grant. It is asked in the
//! pass in which another answer casts doubt on the token, before a status is written.

use jiff::{SignedDuration, Timestamp};

use super::credentials::Source;
use super::model::{Access, Observed, TokenSeen};
use super::policy::token;
use super::state::FacebookChannels;
use crate::api::{FacebookChannel, FacebookChannelStatus, Reason};
use crate::base::clock::Moment;
use crate::base::ids::{AppId, Uid};
use crate::cluster::error::Failure;
use crate::controller::dependency::{DependencyError, Told};
use crate::controller::pass::Pass;
use crate::graph::{Operation, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::{Answer, Held, Refusal};
use crate::meta_app::token_check;

/// How long the first look of a grant after a start is waited for.
const FIRST_LOOK: SignedDuration = SignedDuration::from_mins(5);

/// What stands for an answer about the credential while it is not known what the grant gives. To disconnect a page no
/// credential is needed, so that nothing is waited for.
pub fn not_listed(channel: &FacebookChannel, now: Timestamp) -> Option<Refusal> {
    (!channel.spec.parts()).then(|| Refusal::held(Held::Grant(now.later(FIRST_LOOK))))
}

/// Asks the witness if an answer of this pass casts doubt on the token and the witness was not asked yet. `app` is the UID
/// of the MetaApp.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn ask_if_doubted(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &mut Observed,
    pass: &Pass<FacebookChannelStatus>,
    app: &Uid,
) -> Result<(), Failure> {
    if seen.asked.witnessed || !token::is_doubted(seen, &pass.previous) {
        return Ok(());
    }
    if token::is_app_suspected(&seen.asked) {
        look_at_app(channels, seen);
    }
    if !channels.ctx.limits.suspect_tokens.admit(app, pass.now) {
        // So many at once are the application's, or nobody's: its own check decides.
        look_at_app(channels, seen);
        return Ok(());
    }
    match &seen.token {
        TokenSeen::Granted(_) => ask_grant(channels, channel, seen, pass).await?,
        _ => ask_about_token(channels, seen, &pass.previous).await?,
    }
    let refuted = !token::is_proven(channel, seen, pass.now);
    if refuted && matches!(&seen.asked.token, Some(Ok(_))) {
        // What the page's calls say with a token that is of no use says nothing about the page.
        (seen.asked.page, seen.asked.subscriptions) = (None, None);
    }
    Ok(())
}

/// Asks debug_token about the channel's own token.
///
/// # Errors
/// When the process shuts down.
pub async fn ask_about_token(
    channels: &FacebookChannels,
    seen: &mut Observed,
    previous: &FacebookChannelStatus,
) -> Result<(), Failure> {
    let Some(Access { version, credentials, token }) = &seen.access else { return Ok(()) };
    let result = channels.ctx.read(channels.ctx.graph.debug_token(version, credentials, token)).await?;
    let mut answer = seen.asked.calls.answer(Operation::DebugToken, result);
    // An application-wide fault shows here first; the application's own check decides whether it is one.
    if token_check::blames_the_app(&answer) {
        look_at_app(channels, seen);
    }
    if let (Ok(info), Some(Access { version, credentials, token })) = (&mut answer, &seen.access)
        && leaves_page_open(info)
    {
        let result = channels.ctx.read(channels.ctx.graph.token_owner(version, credentials, token)).await?;
        match seen.asked.calls.answer(Operation::ReadMe, result) {
            // Whatever it speaks for, it is the token of that.
            Ok(owner) => (info.profile_id, info.kind) = (Some(owner.into()), info.kind.or(Some(TokenKind::Page))),
            // Nothing is proven as long as nobody tells.
            Err(refusal) if refusal.says_nothing() => answer = Err(refusal),
            Err(refusal) => answer = Err(Refusal { verdict: Verdict::Refused, definite: None, ..refusal }),
        }
    }
    let scopes = crate::facebook_channel::token_check_schedule::known_scopes(seen, previous);
    seen.asked.token = Some(answer.map(|info| info.remembering(scopes)));
    seen.asked.witnessed = true;
    Ok(())
}

/// Whether debug_token does not tell which page a token is of. Then whoever it speaks for says so itself.
fn leaves_page_open(info: &TokenInfo) -> bool {
    info.is_valid && info.profile_id.is_none() && matches!(info.kind, None | Some(TokenKind::Page))
}

/// Asks about the grant that the token comes from.
async fn ask_grant(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &mut Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<(), Failure> {
    let Source::Grant { grant: key, page_id, .. } = Source::of(channels, channel) else { return Ok(()) };
    // The next listing may give another token for the page.
    channels.grants.tokens.doubt(&key, &page_id);
    let Some(answer) = crate::meta_grant::witness(&channels.grants, &key, pass.now).await? else { return Ok(()) };
    seen.asked.calls.note(Operation::DebugToken, &answer);
    seen.asked.witnessed = true;
    match token_check::debugged(Some(&answer)) {
        Some(Ok(info)) => {
            if !info.is_valid {
                seen.token = ended(info, &seen.app.id().cloned().unwrap_or_default());
                seen.asked.token = None;
            }
            // Its own check says what is wrong, once for all of its channels, and wakes them.
            channels.grants.look_at(key);
        }
        Some(Err(refusal)) => seen.asked.token = Some(Err(refusal)),
        None => {}
    }
    Ok(())
}

/// What is known of a grant whose token is not valid any more.
fn ended(info: &TokenInfo, app_id: &AppId) -> TokenSeen {
    let kinds = [TokenKind::User, TokenKind::SystemUser];
    let flaw = token_check::not_usable(info, app_id, &kinds);
    let reason = flaw.as_ref().map_or(Reason::SessionInvalidated, token_check::Flaw::reason);
    // It was in use, so it was copied as it is.
    let reason = if reason == Reason::TokenUnknown { Reason::SessionInvalidated } else { reason };
    let fact = flaw.as_ref().map(|flaw| flaw.fact().to_owned()).unwrap_or_default();
    let told = token_check::told_end("The token of the grant", reason);
    let trouble = DependencyError::Broken(Told::only(format!("{}: {told} ({fact}).", reason.as_str())));
    TokenSeen::GrantTrouble { trouble, ended: Some(reason).filter(|reason| reason.ends_authorization()) }
}

fn look_at_app(channels: &FacebookChannels, seen: &Observed) {
    seen.app_key.clone().into_iter().for_each(|app| channels.apps.look_at(app));
}

/// Whether an answer says more about the application than about the token.
pub fn is_suspect<T>(answer: &Answer<T>) -> bool {
    answer.as_ref().is_err_and(token::suspects_app)
}
