//! Performs the one mutation that was decided, and reads back its result.

use super::model::Mutation;
use super::observe;
use super::state::FacebookChannels;
use super::{channel_secret, endpoint_key, previous_app, publication};
use crate::api::{FacebookChannel, FacebookChannelStatus, ProofMethod, WebhookObject};
use crate::base::ids::PageId;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::{Access, Asked, FormerEnd, Observed, TokenSeen};
use crate::graph::Operation;
use crate::meta_app;
use crate::meta_app::token_check;
use crate::ownership;
use crate::ownership::{ClaimSeen, Wanted, claim_fence};

/// Performs a mutation; says in what was asked that it was tried.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn act(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    mutation: Mutation,
    seen: Observed,
) -> Result<Asked, Failure> {
    tracing::info!(kind = "FacebookChannel", object = %pass.key, "{}", mutation.told());
    let mut asked = seen.asked;
    let wanted = observe::wanted(channel, pass, seen.app_key.as_ref(), &seen.app, &asked);
    let proof = match seen.token {
        TokenSeen::Granted(_) => ProofMethod::GrantListing,
        _ => ProofMethod::DebugToken,
    };
    match (mutation, &seen.access) {
        (Mutation::AcquireClaim, _) => {
            let acquired = ownership::acquire(&channels.ownership, &wanted, proof).await;
            asked.claims_unavailable = asked.writes.note(ownership::KIND, acquired)?.flatten();
            asked.claimed = true;
        }
        (Mutation::AdoptClaim { of, proven }, _) => {
            let (of, proof) = (ClaimSeen::Orphaned { of }, proven.then_some(proof));
            let adopted = ownership::adopt(&channels.ownership, &wanted, &of, proof).await;
            asked.claims_unavailable = asked.writes.note(ownership::KIND, adopted)?.flatten();
            asked.claimed = true;
        }
        (Mutation::TakeClaim { from }, _) => {
            let offered = ClaimSeen::Offered { namespace: from };
            let taken = ownership::adopt(&channels.ownership, &wanted, &offered, Some(proof)).await;
            asked.claims_unavailable = asked.writes.note(ownership::KIND, taken)?.flatten();
            asked.claimed = true;
        }
        (Mutation::RecordClaim { proven }, _) => {
            let recorded = ownership::record(&channels.ownership, &wanted, proven).await;
            asked.unrecorded = asked.writes.note(ownership::KIND, recorded)?.flatten();
            asked.recorded = true;
        }
        (Mutation::Subscribe { fields }, Some(access)) => {
            let (version, credentials, token) = (&access.version, &access.credentials, &access.token);
            let page_id = &PageId::new(&channel.spec.page_id);
            let subscribe = channels.ctx.graph.subscribe_page(version, credentials, token, page_id, &fields);
            let sent =
                claim_fence::held(&channels.ownership, KindName::FACEBOOK_CHANNEL, &pass.key, &wanted, subscribe)
                    .await?;
            let Some(written) = sent else { return Ok(asked) };
            asked.before = asked.subscriptions.take().and_then(Result::ok);
            let written = asked.calls.answer(Operation::SubscribePage, written);
            let refused = written.as_ref().err().map(|refusal| refusal.refused_fields(WebhookObject::Page, &fields));
            let refused = refused.unwrap_or_default();
            // Without what Meta refused the others are asked for once more.
            asked.subscribed = (refused.is_empty() || refused.len() == fields.len()).then_some(written);
            asked.refused_fields.extend(refused);
            // What Meta says of the write counts less than what it shows afterwards.
            let shown = channels.ctx.graph.page_subscriptions(version, credentials, token, page_id).await;
            asked.subscriptions = Some(asked.calls.answer(Operation::ReadPageSubscriptions, shown));
        }
        (Mutation::Publish, Some(access)) => {
            let secret = publication::SECRET.of(channels, channel, pass);
            let published = secret.write(publication::filling(channel, pass, &seen.app, access)).await;
            asked.writes.note(channel_secret::KIND, published)?;
            asked.published = true;
        }
        // Decided with a good token; what is needed for a call went since.
        (Mutation::Subscribe { .. } | Mutation::Publish, None) => return Err(inputs_changed()),
        (Mutation::Withdraw, _) => {
            let withdrawn = publication::SECRET.of(channels, channel, pass).delete().await;
            asked.writes.note(channel_secret::KIND, withdrawn)?;
            asked.published = true;
        }
        (Mutation::WriteEndpointKey, _) => {
            let keyring = &channels.apps.keyring;
            let Some(made_of) = keyring.forwarding_key() else {
                let put = keyring.put_forwarding_key().await;
                asked.endpoint_key = asked.writes.note(endpoint_key::WRITE, put)?.is_none();
                return Ok(asked);
            };
            let filling = endpoint_key::filling(&made_of, pass, seen.endpoint.key.generation);
            let written = endpoint_key::SECRET.of(channels, channel, pass).write(filling).await;
            asked.writes.note(endpoint_key::WRITE, written)?;
            asked.endpoint_key = true;
        }
        (Mutation::DeleteEndpointKey, _) => {
            let deleted = endpoint_key::SECRET.of(channels, channel, pass).delete().await;
            asked.writes.note(endpoint_key::WRITE, deleted)?;
            asked.endpoint_key = true;
        }
        (Mutation::UnsubscribeFormer, _) => {
            asked.former = previous_app::unsubscribe(channels, pass, &wanted, seen.former.as_ref()).await?;
            if let Some(FormerEnd::Asked(answer)) = &asked.former {
                asked.calls.note(Operation::UnsubscribePage, answer);
            }
            // What the claim has to say is another thing now.
            asked.recorded = false;
        }
        (Mutation::LeaveFormer { why }, _) => {
            asked.former = seen.former.map(|former| FormerEnd::Left(former.left(&channel.spec.page_id, &why)));
            asked.recorded = false;
        }
        (Mutation::Unsubscribe, access) => {
            return unsubscribe(channels, pass, &wanted, seen.app_key.as_ref(), access.as_ref(), asked).await;
        }
    }
    Ok(asked)
}

fn inputs_changed() -> Failure {
    Failure::Kubernetes {
        what: "reading the app secret",
        detail: "the watch has brought no usable one".to_owned(),
        conflict: true,
    }
}

/// Ends the subscription of the page. Whether it ended can be read only where the rows could be read before.
async fn unsubscribe(
    channels: &FacebookChannels,
    pass: &Pass<FacebookChannelStatus>,
    wanted: &Wanted,
    app_key: Option<&Key>,
    access: Option<&Access>,
    mut asked: Asked,
) -> Result<Asked, Failure> {
    let page_id = &PageId::new(&wanted.id);
    let app_key = app_key.ok_or_else(inputs_changed)?;
    let app = channels.apps.get(app_key).ok_or_else(inputs_changed)?;
    let credentials = meta_app::secrets::find_credentials(&channels.apps, &app).await?.ok_or_else(inputs_changed)?;
    let version = meta_app::facts::version(&app);
    let end = channels.ctx.graph.unsubscribe_page(&version, &credentials, page_id);
    let sent = claim_fence::held(&channels.ownership, KindName::FACEBOOK_CHANNEL, &pass.key, wanted, end).await?;
    let Some(written) = sent else { return Ok(asked) };
    let written = asked.calls.answer(Operation::UnsubscribePage, written);
    if token_check::blames_the_app(&written) {
        channels.apps.look_at(app_key.clone());
    }
    asked.unsubscribed = Some(written);
    // What the claim has to say is another thing now.
    asked.recorded = false;
    if let (Some(Access { version, credentials, token }), Some(Ok(_))) = (access, &asked.subscriptions) {
        let shown = channels.ctx.graph.page_subscriptions(version, credentials, token, page_id).await;
        asked.before = asked.subscriptions.take().and_then(Result::ok);
        asked.subscriptions = Some(asked.calls.answer(Operation::ReadPageSubscriptions, shown));
    }
    Ok(asked)
}
