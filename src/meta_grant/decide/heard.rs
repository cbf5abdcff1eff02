//! What one answer says and does not count before it was said again: that the token is refused when it is to list its pages, and
//! that another token does not cover what is in use.

use super::Case;
use super::token::{self, Candidate, Word};
use crate::engine::evidence::{Matter, Suspicions};
use crate::graph::Definite;
use crate::meta_grant::observe::LivingSeen;

/// What was heard, and how far it counts.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether the list was refused in this pass with a code that speaks of the token for itself, and that counts.
    pub(super) token: bool,
    /// Whether that counted before, and nothing was said since.
    pub(super) refuted: bool,
    /// Whether the list was refused again in a way that says nothing of the token.
    pub(super) refused: bool,
    /// Whether what was said against the seed counts.
    pub(super) seed: bool,
    /// Whether what was said against a token that came by mail counts.
    pub(super) mail: bool,
    /// What waits for its confirmation.
    pub(super) suspicions: Suspicions,
}

impl Heard {
    pub(super) fn of(case: &Case<'_>) -> Self {
        let mut heard = Self { suspicions: case.seen.suspicions.clone(), ..Self::default() };
        heard.list(case);
        heard.seed = heard.rival(case, Candidate::Seed, Matter::Seed);
        heard.mail = heard.rival(case, Candidate::Mail, Matter::Mail);
        heard
    }

    fn list(&mut self, case: &Case<'_>) {
        let statement = |fact: &str| format!("{} {fact}", case.seen.in_use.as_deref().unwrap_or_default());
        match (&case.seen.asked.pages, token::in_use(case.seen, case.now)) {
            // What debug_token says of the token needs no list.
            (Some(Ok(_)), _) | (_, Word::Flawed(..)) => {
                self.suspicions.drop(Matter::Token);
                self.suspicions.drop(Matter::Refused);
            }
            (Some(Err(refusal)), _) if refusal.definite == Some(Definite::Token) => {
                self.suspicions.drop(Matter::Refused);
                let standing = self.suspicions.hear(Matter::Token, &statement(&refusal.fact), case.now);
                self.token = standing.is_confirmed();
            }
            (Some(Err(refusal)), _) if !refusal.may_pass() => {
                self.refuted = self.suspicions.is_confirmed(Matter::Token, case.now);
                let standing = self.suspicions.hear(Matter::Refused, &statement(&refusal.fact), case.now);
                self.refused = standing.is_confirmed();
            }
            _ => self.refuted = self.suspicions.is_confirmed(Matter::Token, case.now),
        }
    }

    /// Whether what is said against a token counts that may take the place of the one in use.
    fn rival(&mut self, case: &Case<'_>, which: Candidate, matter: Matter) -> bool {
        let (fingerprint, pages) = match which {
            Candidate::Seed => (case.seen.seed.fingerprint(), &case.seen.asked.seed_pages),
            Candidate::Mail => (case.seen.mail.as_deref(), &case.seen.asked.mail_pages),
        };
        let of = fingerprint.unwrap_or_default();
        let kept = matches!(case.seen.living, LivingSeen::Present { .. });
        let against = match (case.lost_with(which), pages) {
            _ if !kept => None,
            (Some(lost), _) if !lost.is_empty() => {
                if token::excludes(which, case.seen, &lost, case.now) {
                    self.suspicions.drop(matter);
                    return true;
                }
                Some(lost.join(" "))
            }
            (None, Some(Err(refusal))) if !refusal.says_nothing() => Some(refusal.fact.clone()),
            // Nothing was said: what was heard before still waits.
            (None, Some(_)) => return false,
            _ => None,
        };
        let Some(against) = against else {
            self.suspicions.drop(matter);
            return false;
        };
        self.suspicions.hear(matter, &format!("{of} {against}"), case.now).is_confirmed()
    }
}
