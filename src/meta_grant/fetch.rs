//! Asks Meta about a grant: about its token, about a rival that may replace it, and for the pages it covers. It asks once a
//! period, however many channels rely on the grant.

use jiff::SignedDuration;

use super::coverage;
use super::decide::token::{self, Candidate, TokenVerdict};
use super::model::{Access, AppSeen, Covered, Observed, SourceTokenSeen, TokenSecretSeen, app_key};
use super::state::MetaGrants;
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::{ManagementPolicy, MetaGrant, MetaGrantStatus};
use crate::base::ids::{PageId, Uid};
use crate::base::priority::Occasion;
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::{Account, Operation, PageRead, Token, TokenInfo, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::app_usage::Budget;
use crate::limits::calls::Calls;
use crate::meta_app::token_check;

/// What may be limited.
pub(super) fn budgets(app: &Uid, seen: &Observed) -> Vec<Budget> {
    let token = seen.in_use.as_ref().map(|fingerprint| Budget::token(app, fingerprint));
    [Budget::app(app)].into_iter().chain(token).collect()
}

/// Asks Meta what was not asked in this pass yet. `app` is the UID of the MetaApp.
///
/// # Errors
/// When the process shuts down.
pub(super) async fn fetch(
    grants: &MetaGrants,
    grant: &MetaGrant,
    seen: &mut Observed,
    pass: &Pass<MetaGrantStatus>,
    app: &Uid,
    budgets: &[Budget],
) -> Result<(), Failure> {
    let Some(in_use) = seen.tokens.in_use.clone().filter(|_| seen.look) else { return Ok(()) };
    let Some(access) = seen.access.clone() else {
        // Of an application that works: its secret is gone just now. It says what that means, a minute later.
        if matches!(&seen.app, AppSeen::Found { verdict, .. } if verdict.credentials.is_ok()) {
            seen.asked.token.get_or_insert(Err(Refusal::nothing()));
        }
        return Ok(());
    };
    let fetch = Fetch { grants, grant, pass, access };
    if seen.asked.token.is_none() {
        if let Some(held) = fetch.held(seen, app, budgets) {
            seen.asked.token = Some(Err(held));
            return Ok(());
        }
        if let Some(info) = recall(grants, seen, pass) {
            (seen.asked.token, seen.recalled) = (Some(Ok(info)), true);
            let alone = coverage::to_ask_alone(seen, pass.now);
            return fetch.pages_themselves(seen, alone, &in_use).await;
        }
        // A channel that doubts its token may have asked a moment ago.
        let doubted = grants.tokens.is_doubted(&pass.key);
        let heard =
            seen.in_use.as_ref().filter(|_| doubted).and_then(|it| grants.tokens.heard(&pass.key, it, pass.now));
        let answer = match heard {
            Some(answer) => answer,
            None => fetch.about(&mut seen.asked.calls, &in_use).await?,
        };
        for page in seen.dependents.broken.clone() {
            // What is listed takes the place of a token that was refused.
            grants.tokens.doubt(&pass.key, &page);
            seen.doubted.insert(page);
        }
        if let Some(fingerprint) = &seen.in_use {
            grants.tokens.hear(&pass.key, fingerprint, answer.clone(), pass.now);
        }
        let known = token::known_kind(seen, &pass.previous);
        let scopes = token::known_scopes(seen, &pass.previous);
        let told = |info: TokenInfo| TokenInfo { kind: info.kind.or(known), ..info }.remembering(scopes);
        seen.asked.token = Some(answer.map(told));
    }
    // The answer may be the first that tells.
    seen.clock_doubted = grants.ctx.limits.clock_skew.is_doubted(&grants.ctx.clock);
    fetch.about_rivals(seen).await?;
    if seen.asked.pages.is_none() && matches!(token::in_use(seen, pass.now), TokenVerdict::Good(_)) {
        seen.asked.pages = Some(fetch.for_pages(&mut seen.asked.calls, &in_use, true).await?);
        fetch.pages_themselves(seen, coverage::to_ask(seen, pass.now), &in_use).await?;
    }
    Ok(())
}

/// What debug_token said of the token in use, if that has not to be asked again: it was found good, its slot has not come
/// since, nothing that it depends on has changed, and nobody doubts what it gave, or waits to hear it once more.
fn recall(grants: &MetaGrants, seen: &Observed, pass: &Pass<MetaGrantStatus>) -> Option<TokenInfo> {
    let before = seen.before.as_ref()?;
    let good = status_of(&pass.previous.conditions, ConditionType::Valid) == Some(Status::True);
    let same = pass.previous.inputs.as_ref() == Some(&seen.inputs) && seen.in_use.as_ref() == Some(&before.fingerprint);
    // That it has ended is asked, not reckoned: its end may have been put off since.
    let lives =
        [before.info.expires_at, before.info.data_access_expires_at].into_iter().flatten().all(|at| at > pass.now);
    let settled = seen.suspicions.is_empty() && !coverage::needs_list(before, &seen.dependents, pass.now);
    let lacking = seen.dependents.lack_something(&before.pages);
    let slot = if lacking { seen.times.token_slot.max(seen.times.broken_slot) } else { seen.times.token_slot };
    let fresh = settled && before.at >= slot && !grants.tokens.is_doubted(&pass.key);
    // A message is evaluated against what the token in use is now.
    (good && same && lives && fresh && seen.message.is_none() && seen.requested.is_none()).then(|| before.info.clone())
}

struct Fetch<'a> {
    grants: &'a MetaGrants,
    grant: &'a MetaGrant,
    pass: &'a Pass<MetaGrantStatus>,
    access: Access,
}

impl Fetch<'_> {
    /// What stands for Meta's answers when it may not be asked now.
    fn held(&self, seen: &Observed, app: &Uid, budgets: &[Budget]) -> Option<Refusal> {
        let (grants, pass) = (self.grants, self.pass);
        let app_key = app_key(self.grant, &pass.key);
        let probed = grants.apps.get(&app_key).is_none_or(|app| app.spec.management_policy != ManagementPolicy::Pause);
        if let Some(until) = grants.ctx.limits.circuit_breakers.open_until(app, &pass.uid, pass.now).filter(|_| probed)
        {
            // The application's own check is the one call that finds out whether Meta is back.
            grants.apps.look_at(app_key);
            return Some(grants.ctx.limits.circuit_breakers.held(app, until));
        }
        pass.held::<MetaGrants>(
            &grants.ctx,
            &seen.inputs,
            || grants.ctx.limits.usage.brake(budgets, pass.now),
            || {
                let priority = occasion(self.grant, seen, pass).into();
                let until = grants.ctx.limits.usage.held_until(budgets, priority, &pass.uid, pass.now);
                until.inspect(|_| grants.ctx.metrics.held_back(priority))
            },
        )
    }

    /// Asks about what may take the place of the token in use: a source token that is another one than before; and once the token
    /// in use is of no use, whatever else there is.
    async fn about_rivals(&self, seen: &mut Observed) -> Result<(), Failure> {
        let good = match token::in_use(seen, self.pass.now) {
            TokenVerdict::Good(_) => true,
            TokenVerdict::Flawed(..) => false,
            TokenVerdict::Unasked | TokenVerdict::Refused(_) => return Ok(()),
        };
        let source_token = seen.tokens.source_token.clone().filter(|_| is_rival(seen, good));
        if let Some(source_token) = &source_token {
            if seen.asked.source_token.is_none() {
                seen.asked.source_token = Some(self.about(&mut seen.asked.calls, source_token).await?);
            }
            if good
                && seen.asked.source_token_pages.is_none()
                && token::is_newer(Candidate::SourceToken, seen, self.pass.now)
            {
                seen.asked.source_token_pages =
                    Some(self.covered_by(Candidate::SourceToken, source_token, seen).await?);
            }
        }
        self.about_message(seen, good).await?;
        let previous = seen
            .tokens
            .token_secret
            .as_ref()
            .and_then(|token_secret| Some(token_secret.previous.as_ref()?.token.clone()));
        let source_token_serves = matches!(token::source_token(seen, self.pass.now), TokenVerdict::Good(_));
        if let Some(previous) = previous.filter(|_| !good && !source_token_serves && seen.asked.previous.is_none()) {
            seen.asked.previous = Some(self.about(&mut seen.asked.calls, &previous).await?);
        }
        Ok(())
    }

    /// Asks about what a person brought in the browser, by the same rule as about a source token.
    async fn about_message(&self, seen: &mut Observed, good: bool) -> Result<(), Failure> {
        let Some(message) = seen.tokens.message.clone().filter(|_| seen.message != seen.in_use) else { return Ok(()) };
        if seen.asked.message.is_none() {
            seen.asked.message = Some(self.about(&mut seen.asked.calls, &message).await?);
        }
        if good && seen.asked.message_pages.is_none() && token::is_newer(Candidate::Message, seen, self.pass.now) {
            seen.asked.message_pages = Some(self.covered_by(Candidate::Message, &message, seen).await?);
        }
        Ok(())
    }

    /// The pages that another token covers.
    async fn covered_by(
        &self,
        which: Candidate,
        token: &Token,
        seen: &mut Observed,
    ) -> Result<Answer<Covered>, Failure> {
        let rows = match self.for_pages(&mut seen.asked.calls, token, false).await? {
            Ok(rows) => rows,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (AppSeen::Found { required, .. }, TokenVerdict::Good(info)) =
            (&seen.app, token::candidate(which, seen, self.pass.now))
        else {
            return Ok(Err(Refusal::nothing()));
        };
        let Access { version, credentials } = &self.access;
        let caller = coverage::Caller { graph: &self.grants.ctx.graph, version, credentials, token };
        let is_lost = |page: &&PageId| seen.before.as_ref().is_some_and(|it| it.is_lost(page));
        let in_use = seen.dependents.pages.iter().filter(|page| !is_lost(page)).map(PageId::as_str);
        Ok(Ok(self.grants.ctx.read(coverage::of_another(caller, &rows, in_use, (info, required))).await?))
    }

    /// Asks pages in use for their tokens that the list leaves open, so that no list alone takes one away.
    async fn pages_themselves(
        &self,
        seen: &mut Observed,
        asks: Vec<(PageId, bool)>,
        in_use: &Token,
    ) -> Result<(), Failure> {
        if asks.is_empty() {
            return Ok(());
        }
        let Access { version, credentials } = &self.access;
        let remembered = |page: &PageId| seen.before.as_ref()?.pages.get(page)?.token.as_ref();
        let reads = asks.iter().map(|(page, with_its_own)| {
            let own = remembered(page).filter(|_| *with_its_own);
            PageRead { page_id: page, token: own.unwrap_or(in_use) }
        });
        let reads: Vec<_> = reads.collect();
        let answers = self.grants.ctx.read(self.grants.ctx.graph.page_tokens(version, credentials, &reads)).await?;
        for ((page, _), result) in asks.into_iter().zip(answers) {
            let answer = seen.asked.calls.answer(Operation::ReadPageToken, result);
            seen.asked.nodes.insert(page, answer);
        }
        Ok(())
    }

    async fn about(&self, calls: &mut Calls, token: &Token) -> Result<Answer<TokenInfo>, Failure> {
        let Access { version, credentials } = &self.access;
        let result = self.grants.ctx.read(self.grants.ctx.graph.debug_token(version, credentials, token)).await?;
        let answer = calls.answer(Operation::DebugToken, result);
        // An application-wide fault shows here first; the application's own check decides whether it is one.
        if token_check::blames_the_app(&answer) {
            self.grants.apps.look_at(app_key(self.grant, &self.pass.key));
        }
        Ok(answer)
    }

    async fn for_pages(
        &self,
        calls: &mut Calls,
        token: &Token,
        with_tokens: bool,
    ) -> Result<Answer<Vec<Account>>, Failure> {
        let Access { version, credentials } = &self.access;
        let result =
            self.grants.ctx.read(self.grants.ctx.graph.accounts(version, credentials, token, with_tokens)).await?;
        let answer = calls.answer(Operation::ListAccounts, result);
        if matches!(&answer, Err(refusal) if matches!(refusal.verdict, Verdict::AppSuspect | Verdict::AppBroken(_))) {
            self.grants.apps.look_at(app_key(self.grant, &self.pass.key));
        }
        Ok(answer)
    }
}

/// What a pass looks for. There are few grants, and many channels wait for each: of a grant that was never listed, or whose
/// token is to be renewed, nothing is put off for what is only due in time.
fn occasion(grant: &MetaGrant, seen: &Observed, pass: &Pass<MetaGrantStatus>) -> Occasion {
    let ends = [pass.previous.expires_at, pass.previous.data_access_expires_at].into_iter().flatten().min();
    Occasion {
        edited: pass.is_edited(),
        ending: seen.before.is_none()
            || ends.is_some_and(|end| end.duration_since(pass.now) < grant.spec.renewal.before().saturating_add(DAY)),
        mending: false,
        changed: pass.is_changed::<MetaGrants>(&seen.inputs),
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Whether the source token is another token than the one in use, and not the one that this comes from; from that one it may be
/// taken up again only once the token in use is of no use.
pub(super) fn is_rival(seen: &Observed, good: bool) -> bool {
    let (SourceTokenSeen::Present { fingerprint }, TokenSecretSeen::Present { source_token, .. }) =
        (&seen.source_token, &seen.token_secret)
    else {
        return false;
    };
    seen.in_use.as_ref() != Some(fingerprint) && (!good || source_token != fingerprint)
}
