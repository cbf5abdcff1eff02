//! What one answer says that does not count until it is repeated: that the token is refused when its pages are listed, and that
//! another token does not cover what is in use.

use jiff::SignedDuration;

use super::case::{Case, Heard};
use super::token::{self, Candidate, TokenVerdict};
use crate::controller::evidence::Matter;
use crate::graph::Definite;
use crate::limits::answer::Refusal;
use crate::meta_grant::model::TokenSecretSeen;

/// How long a grant that was never verified waits for an answer before a person has to look into it.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Heard {
    pub(super) fn of(case: &Case<'_>) -> Self {
        let mut heard = Self { suspicions: case.seen.suspicions.clone(), ..Self::default() };
        heard.list(case);
        heard.source_token = heard.rival(case, Candidate::SourceToken, Matter::SourceToken);
        heard.message = heard.rival(case, Candidate::Message, Matter::Message);
        heard
    }

    fn list(&mut self, case: &Case<'_>) {
        let statement = |fact: &str| format!("{} {fact}", case.seen.in_use.as_deref().unwrap_or_default());
        match (&case.seen.asked.pages, token::in_use(case.seen, case.now)) {
            // What debug_token says of the token needs no list.
            (Some(Ok(_)), _) | (_, TokenVerdict::Flawed(..)) => {
                self.suspicions.drop(Matter::Token);
                self.suspicions.drop(Matter::Refused);
            }
            // Nothing was listed then: it is debug_token that is refused.
            (None, TokenVerdict::Refused(refusal)) if !refusal.may_pass() => {
                self.refuted = self.suspicions.is_confirmed(Matter::Token, case.now);
                let standing = self.suspicions.hear(Matter::Refused, &statement(&refusal.fact), case.now);
                self.refused_for_long = standing.lasts(DAY);
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
                self.refused_for_long = standing.lasts(DAY);
            }
            _ => self.refuted = self.suspicions.is_confirmed(Matter::Token, case.now),
        }
    }

    /// Whether what is said against a token counts that may take the place of the one in use.
    fn rival(&mut self, case: &Case<'_>, which: Candidate, matter: Matter) -> bool {
        let fingerprint = match which {
            Candidate::SourceToken => case.seen.source_token.fingerprint(),
            Candidate::Message => case.seen.message.as_deref(),
        };
        let of = fingerprint.unwrap_or_default();
        let said = Said::of(case, which);
        self.open |= matches!(said, Said::Nothing | Said::Refused(_));
        match said {
            Said::Well | Said::Definite => {
                self.suspicions.drop(matter);
                said == Said::Definite
            }
            Said::Against(why) | Said::Refused(why) => {
                self.suspicions.hear(matter, &format!("{of} {why}"), case.now).is_confirmed()
            }
            // What was heard before still waits. Where nothing was, it is asked again as soon as it could be confirmed.
            Said::Nothing => {
                if !self.suspicions.knows(matter) {
                    self.suspicions.hear(matter, of, case.now);
                }
                false
            }
        }
    }
}

/// What was said in this pass of a token that may take the place of the one in use.
#[derive(Debug, Eq, PartialEq)]
enum Said {
    /// Nothing against it, or there is none.
    Well,
    /// Nothing that tells.
    Nothing,
    /// That it does not cover these pages.
    Against(String),
    /// Meta refused to say what it is or covers, so.
    Refused(String),
    /// That it does not cover all that is in use, for certain.
    Definite,
}

impl Said {
    fn of(case: &Case<'_>, which: Candidate) -> Self {
        if !matches!(case.seen.token_secret, TokenSecretSeen::Present { .. }) {
            return Self::Well;
        }
        let pages = match which {
            Candidate::SourceToken => &case.seen.asked.source_token_pages,
            Candidate::Message => &case.seen.asked.message_pages,
        };
        match (token::candidate(which, case.seen, case.now), pages) {
            (TokenVerdict::Refused(refusal), _) => Self::by(&refusal),
            (TokenVerdict::Unasked | TokenVerdict::Flawed(..), _) | (_, None) => Self::Well,
            (_, Some(Err(refusal))) => Self::by(refusal),
            (_, Some(Ok(_))) => match case.lost_with(which) {
                Some(lost) if lost.is_empty() => Self::Well,
                Some(lost) if token::excludes(which, case.seen, &lost, case.now) => Self::Definite,
                Some(lost) => Self::Against(lost.join(" ")),
                None => Self::Nothing,
            },
        }
    }

    fn by(refusal: &Refusal) -> Self {
        if refusal.says_nothing() { Self::Nothing } else { Self::Refused(refusal.fact.clone()) }
    }
}
