//! A world that a channel is reconciled in, pass by pass.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::{DeclaredConnection, FacebookChannelStatus, ManagementPolicy, PrimaryReceiver, ReceiverRequirement};
use crate::facebook_channel::disconnected;
use crate::facebook_channel::model::{Asked, Content, Former, FormerEnd, Mutation, SecretSeen};
use crate::facebook_channel::policy::token::is_proven;
use crate::graph::{PageSubscription, Thread, ThreadOwner, TokenInfo};
use crate::ownership::{ClaimSeen, Record};

/// Meta and the cluster, as far as a pass can change them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) claim: ClaimSeen,
    pub(super) record: Record,
    pub(super) rows: Vec<PageSubscription>,
    pub(super) connection: DeclaredConnection,
    pub(super) policy: ManagementPolicy,
    pub(super) requirement: ReceiverRequirement,
    pub(super) publishes: bool,
    pub(super) publication: SecretSeen,
    pub(super) token: TokenInfo,
    pub(super) mutations: usize,
    /// The namespace that the channel gives the page to.
    pub(super) to: Option<String>,
    /// The one that the claim, if it is ours, gives it to.
    pub(super) offered: Option<String>,
    /// Another application that the page is still subscribed to, if the claim is ours.
    pub(super) former: Option<Former>,
}

impl Default for World {
    fn default() -> Self {
        let (record, connection, policy, requirement) = Default::default();
        let (claim, rows, token) = (ClaimSeen::Free, vec![], token_info());
        let (publishes, publication, mutations) = (false, SecretSeen::Missing, 0);
        let (to, offered, former) = (None, None, None);
        Self {
            claim,
            record,
            rows,
            connection,
            policy,
            requirement,
            publishes,
            publication,
            token,
            mutations,
            to,
            offered,
            former,
        }
    }
}

impl World {
    pub(super) fn is_subscribed(&self) -> bool {
        self.rows.iter().any(|row| row.id.as_str() == APP)
    }

    /// One pass: observes, decides and acts until there is something to report.
    pub(super) fn pass(&mut self, previous: &FacebookChannelStatus, later: SignedDuration) -> FacebookChannelStatus {
        let mut scene = Scene::healthy();
        scene.channel = channel(3);
        scene.channel.spec.connection = self.connection;
        scene.channel.spec.transfer_to.clone_from(&self.to);
        scene.channel.spec.management_policy = self.policy;
        scene.channel.spec.primary_receiver = Some(PrimaryReceiver { requirement: self.requirement, attested: None });
        scene.channel.spec.publish_token = self.publishes;
        scene.previous = previous.clone();
        scene.now = now() + later;
        scene.seen.asked = Asked::default();
        for _ in 0..9 {
            self.observe(&mut scene);
            let outcome = scene.decide();
            let Some(mutation) = outcome.plan.mutation else { return outcome.plan.report.status };
            self.act(mutation, &mut scene);
        }
        panic!("the pass does not end");
    }

    fn observe(&self, scene: &mut Scene) {
        let ours = matches!(self.claim, ClaimSeen::Ours { .. });
        scene.seen.claim = self.claim.clone();
        scene.seen.former.clone_from(&self.former);
        scene.seen.publication = self.publication;
        scene.seen.asked.token.get_or_insert(Ok(self.token.clone()));
        if is_proven(&scene.channel, &scene.seen, scene.now) && ours {
            let owner = Some(ThreadOwner { app_id: Some(APP.into()), expiration: None });
            let thread = Thread { updated_at: Some(scene.now), routed: true, owner };
            scene.seen.asked.threads.get_or_insert(Ok(vec![thread]));
            scene.seen.asked.page.get_or_insert(Ok(page_node()));
            scene.seen.asked.subscriptions.get_or_insert(Ok(self.rows.clone()));
        }
        let asked = &scene.seen.asked;
        let offer = disconnected::offer(&scene.channel, &scene.previous, &scene.seen.app, asked);
        scene.seen.record = match ours {
            true if offer.after(self.offered.as_ref()) != self.offered => Record::Outdated,
            true if self.former.is_none() => self.record,
            _ => Record::Current,
        };
    }

    fn act(&mut self, mutation: Mutation, scene: &mut Scene) {
        self.mutations += 1;
        let offer = disconnected::offer(&scene.channel, &scene.previous, &scene.seen.app, &scene.seen.asked);
        let asked = &mut scene.seen.asked;
        match mutation {
            Mutation::AcquireClaim | Mutation::AdoptClaim { .. } | Mutation::TakeClaim { .. } => {
                self.claim = ClaimSeen::Ours { uid: "c1".to_owned() };
                self.offered = None;
                self.record = Record::Current;
                asked.claimed = true;
            }
            Mutation::RecordClaim { proven } => {
                asked.recorded = true;
                self.offered = offer.after(self.offered.as_ref());
                if proven || self.record == Record::Outdated {
                    self.record = Record::Current;
                }
            }
            Mutation::Publish => {
                self.publication = SecretSeen::Ours(Content::Current);
                asked.published = true;
            }
            Mutation::WriteEndpointKey | Mutation::DeleteEndpointKey => asked.endpoint_key = true,
            Mutation::Withdraw => {
                self.publication = SecretSeen::Missing;
                asked.published = true;
            }
            Mutation::Unsubscribe => {
                self.rows.retain(|row| row.id.as_str() != APP);
                asked.unsubscribed = Some(Ok(()));
                asked.recorded = false;
                assert_eq!(self.offered, None, "the page of whoever took it could be hit");
                if asked.subscriptions.is_some() {
                    asked.subscriptions = Some(Ok(self.rows.clone()));
                }
            }
            Mutation::UnsubscribeFormer => {
                asked.former = Some(FormerEnd::Asked(Ok(())));
                (asked.recorded, self.former, self.record) = (false, None, Record::OtherApp);
            }
            Mutation::LeaveFormer { why } => {
                asked.former = Some(FormerEnd::Left(why));
                (asked.recorded, self.former, self.record) = (false, None, Record::OtherApp);
            }
            Mutation::Subscribe { fields } => {
                self.rows.retain(|row| row.id.as_str() != APP);
                self.rows.push(PageSubscription { id: APP.into(), name: None, subscribed_fields: fields });
                asked.subscribed = Some(Ok(()));
                asked.subscriptions = Some(Ok(self.rows.clone()));
            }
        }
    }
}
