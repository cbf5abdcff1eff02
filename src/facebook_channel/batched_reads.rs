//! Checks channels because time passed, many at once: reads their pages in batches, and wakes those for which the decision
//! would now differ.

use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Plan, decide};
use super::model::{Access, Asked, Observed};
use super::observe;
use super::policy::token;
use super::prefetched::PageNews;
use super::rate_limits::{Restraint, priority_of_visit};
use super::state::FacebookChannels;
use super::threads;
use super::threads::Look;
use super::token_witness;
use crate::api::outcome::Class;
use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::base::key::Key;
use crate::base::priority::Priority;
use crate::cluster::error::Failure;
use crate::controller::batch_resync::{BatchResync, Found, Prepared, Seen};
use crate::controller::evidence::Suspicions;
use crate::controller::pass::Pass;
use crate::graph::{GraphError, Operation, PAGES_PER_BATCH, PageAnswers, PageRead, ThrottleScope, Verdict, classify};
use crate::limits::answer::{answer, silence};
use crate::limits::circuit_breaker::Reachability;
use crate::ownership::ClaimSeen;

/// A channel whose page can be read together with others.
pub struct Visit {
    channel: Arc<FacebookChannel>,
    pass: Pass<FacebookChannelStatus>,
    seen: Observed,
    access: Access,
    restraint: Restraint,
    priority: Priority,
}

impl BatchResync for FacebookChannels {
    type Visit = Visit;
    const TOGETHER: usize = PAGES_PER_BATCH;

    fn all(&self) -> Vec<Arc<FacebookChannel>> {
        self.ctx.cluster.stores.channels.all()
    }

    fn group(&self, channel: &FacebookChannel) -> Key {
        // Of those without an application nothing is read, so that they may be of one group.
        observe::app_key(self, channel).unwrap_or_else(|| Key::new("", ""))
    }

    async fn prepare(
        &self,
        channel: Arc<FacebookChannel>,
        pass: Pass<FacebookChannelStatus>,
    ) -> Result<Prepared<Visit>, Failure> {
        let mut seen = observe::survey(self, &channel, &pass, Asked::default()).await?;
        // A look that someone asked for is a pass.
        seen.requested = None;
        let restraint = Restraint::of(self, &channel, &seen);
        let priority = priority_of_visit(&pass);
        if restraint.holds(self, &pass, priority) {
            // The ring catches up when it is over; how long a value may be kept is for a pass to say.
            return Ok(if pass.stale { Prepared::Wake } else { Prepared::Held });
        }
        if restraint.leaves_out(self, &pass, priority) {
            return Ok(Prepared::Rest);
        }
        // Without its app, its Secret or the app's verdict nothing can be asked; each of them wakes it.
        let Some(access) = seen.access.take() else { return Ok(Prepared::Rest) };
        let Some(info) = observe::recall_token(&channel, &seen, &pass) else {
            // A page that was parted from has no need of its token: it is asked about as rarely as a broken one.
            let rarely = channel.spec.parts() && !pass.is_broken_slot(&self.ctx);
            return Ok(if rarely { Prepared::Rest } else { Prepared::Wake });
        };
        seen.asked.token = Some(Ok(info));
        let proven = token::is_proven(&channel, &seen, pass.now);
        if !proven || !matches!(seen.claim, ClaimSeen::Ours { .. }) {
            return Ok(Prepared::Wake);
        }
        Ok(Prepared::Read(Visit { channel, pass, seen, access, restraint, priority }))
    }

    fn is_held(&self, visit: &Visit) -> bool {
        visit.restraint.is_limited(self, &visit.pass, visit.priority)
    }

    async fn read(&self, visits: Vec<Visit>) -> Vec<Seen> {
        let Some(Visit { access: Access { version, credentials, .. }, .. }) = visits.first() else { return Vec::new() };
        let reads: Vec<_> = visits
            .iter()
            .map(|visit| PageRead { page_id: &visit.restraint.page, token: &visit.access.token })
            .collect();
        let Ok(answers) = self.ctx.read(self.ctx.graph.pages(version, credentials, &reads)).await else {
            return Vec::new();
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => match answer::<()>(Operation::Batch, Err(error.clone())) {
                // As silent about each page as if each had been asked about: decisions say how long values are kept.
                Err(refusal) if refusal.says_nothing() => vec![PageAnswers::both(error); visits.len()],
                _ => {
                    // The application's own check decides what it is.
                    self.apps.look_at(self.group(&visits[0].channel));
                    return visits.iter().map(|visit| visit.seen(Found::Nothing)).collect();
                }
            },
        };
        note_reach(self, &visits[0], &answers);
        let visits = with_evidence(self, visits, &answers).await;
        visits.into_iter().zip(answers).map(|(visit, answers)| visit.compare(self, answers)).collect()
    }
}

/// Looks for evidence of the primary receiver too, once an hour: it is never pressing. Of a page that Meta is silent about
/// nothing more is asked.
async fn with_evidence(channels: &FacebookChannels, mut visits: Vec<Visit>, answers: &[PageAnswers]) -> Vec<Visit> {
    let is_due = |visit: &Visit| {
        let limited = visit.restraint.is_limited(channels, &visit.pass, Priority::Sweep);
        !limited && threads::are_due(channels, &visit.channel, &visit.pass)
    };
    let due = visits.iter().zip(answers).enumerate();
    let due: Vec<_> = due.filter(|(_, (visit, it))| it.page.is_ok() && is_due(visit)).map(|(at, _)| at).collect();
    let Some(Access { version, credentials, .. }) = visits.first().map(|visit| &visit.access) else { return visits };
    let looks = due.iter().map(|at| visits[*at].look());
    let found = threads::read(channels, version, credentials, &looks.collect::<Vec<_>>()).await;
    for (at, threads) in due.into_iter().zip(found.unwrap_or_default()) {
        visits[at].seen.asked.threads = Some(threads);
    }
    visits
}

/// One request is one sign of silence, of however many pages it was.
fn note_reach(channels: &FacebookChannels, first: &Visit, answers: &[PageAnswers]) {
    let silent = |error: &GraphError| classify(error, Operation::ReadPage) == Verdict::NoAnswer;
    let answered =
        |it: &PageAnswers| !it.page.as_ref().is_err_and(silent) || !it.subscriptions.as_ref().is_err_and(silent);
    let reach = if answers.iter().any(answered) { Reachability::Answered } else { Reachability::Silent };
    channels.ctx.limits.reached(&first.restraint.app, &first.pass.uid, reach);
    if reach == Reachability::Silent {
        channels.apps.look_at(channels.group(&first.channel));
    }
}

impl Visit {
    fn seen(&self, found: Found) -> Seen {
        Seen { key: self.pass.key.clone(), uid: self.pass.uid.clone(), found }
    }

    fn look(&self) -> Look<'_> {
        Look { channel: &self.channel, page_id: &self.restraint.page, token: &self.access.token, pass: &self.pass }
    }

    /// Compares what was read with the status by deciding about it.
    fn compare(mut self, channels: &FacebookChannels, answers: PageAnswers) -> Seen {
        let news = PageNews {
            page: answer(Operation::ReadPage, answers.page),
            subscriptions: answer(Operation::ReadPageSubscriptions, answers.subscriptions),
            threads: self.seen.asked.threads.clone(),
        };
        if token_witness::is_suspect(&news.page) || token_witness::is_suspect(&news.subscriptions) {
            channels.apps.look_at(channels.group(&self.channel));
        }
        let refusals = news.page.as_ref().err().into_iter().chain(news.subscriptions.as_ref().err());
        let refusals = refusals.chain(news.threads.as_ref().and_then(|it| it.as_ref().err()));
        channels.ctx.limits.heed(&self.restraint.budgets, refusals, self.pass.now);
        self.seen.asked.page = Some(news.page.clone());
        self.seen.asked.subscriptions = Some(news.subscriptions.clone());
        let Some(plan) = decide(&self.channel, &self.pass.previous, &self.seen, self.pass.now) else {
            return self.seen(Found::Same);
        };
        let silence = app_silence(&news, self.pass.now);
        let found = judge(&plan, &self.pass.previous, self.pass.suspicions(), silence);
        if found == Found::News {
            channels.prefetched.leave(self.pass.key.clone(), self.seen.inputs.clone(), channels.ctx.clock.now(), news);
        }
        self.seen(found)
    }
}

/// What a decision about what was read means for the visit.
pub(super) fn judge(
    plan: &Plan,
    previous: &FacebookChannelStatus,
    heard: &Suspicions,
    silence: Option<Timestamp>,
) -> Found {
    // What was heard for the first time is for a pass to follow up, and so is that it was contradicted.
    let same = plan.mutation.is_none() && plan.report.status == *previous && plan.report.suspicions == *heard;
    match silence {
        _ if !same => Found::News,
        Some(until) => Found::Silence(until),
        None if plan.report.answered => Found::Same,
        None => match plan.report.class {
            Class::Throttled(until) => Found::Later(until),
            _ => Found::Nothing,
        },
    }
}

/// Until when the whole application has to be silent, if Meta said so to one of its pages.
pub(super) fn app_silence(news: &PageNews, now: Timestamp) -> Option<Timestamp> {
    let refusals = [news.page.as_ref().err(), news.subscriptions.as_ref().err()];
    let of_app: Vec<_> = refusals
        .into_iter()
        .flatten()
        .filter(|it| matches!(it.verdict, Verdict::Throttled { scope: ThrottleScope::App, .. }))
        .collect();
    silence(&of_app, now)
}
