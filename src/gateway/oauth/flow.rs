//! One reauthorization in progress, as the browser keeps it from step to step.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::api::inbox::AppTrouble;
use crate::base::clock::Moment;
use crate::graph::Token;

/// How long a person may take at Meta, and then again for the confirmation.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Letters of an id.
pub(super) const ID: usize = 32;

/// A reauthorization that a browser began.
#[derive(Deserialize, Serialize)]
pub(super) struct Flow {
    /// Digest of the state that Meta repeats, in hex. The state itself is kept by nobody.
    state: String,
    /// The part of the grant's address that cannot be guessed, as it was when this was begun: whoever knows it no more learns no
    /// newer one.
    address: String,
    /// When this step is too late.
    until: Timestamp,
    /// How far it is.
    pub(super) step: Step,
}

/// How far a reauthorization is.
#[derive(Deserialize, Serialize)]
pub(super) enum Step {
    /// The person was sent to Meta.
    Begun {
        /// Whether Meta was given the challenge that goes with the code.
        challenge: bool,
    },
    /// The person came back with what is wanted, and has to agree.
    Offered(Offer),
    /// It ended without effect.
    Refused(Refusal),
    /// It was handed to the operator.
    Done {
        /// Id of the person, who has to be accepted first.
        waits: Option<String>,
    },
}

/// An authorization that would do.
#[derive(Deserialize, Serialize)]
pub(super) struct Offer {
    /// Its token.
    #[serde(serialize_with = "plain", deserialize_with = "parsed")]
    pub(super) token: Token,
    /// Whether it lives for an hour or two only, so that another one has to be stored in the end.
    pub(super) is_short: bool,
    /// Id of the person or system user at Meta.
    pub(super) grantor: String,
    /// Name of the person.
    pub(super) person: Option<String>,
    /// Ids of pages in use that stay uncovered, as they were before.
    pub(super) uncovered: Vec<String>,
    /// Ids of pages in use that were not covered, or of which that was not known, and are covered now; and how many more.
    pub(super) regained: (Vec<String>, usize),
    /// Names of pages that are covered and not in use.
    pub(super) others: Vec<String>,
    /// How many more are covered.
    pub(super) more: usize,
}

/// Why a reauthorization ended without effect.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Refusal {
    /// The person said no at Meta.
    Declined,
    /// The person said no to what came of it.
    Cancelled,
    /// The step came too late.
    Expired,
    /// The state was used before.
    Used,
    /// Meta did not accept the code, or its token is none.
    NotAccepted,
    /// The token is another application's.
    WrongApp,
    /// These permissions are missing.
    ScopesMissing(Vec<String>),
    /// These pages in use are not covered, and so many more.
    PagesMissing(Vec<String>, usize),
    /// The person must clear something up about the account first.
    AccountTrouble,
    /// The token is a person's, and the one in use a system user's.
    NotOfSystemUser,
    /// Meta sent the person back without saying why.
    Empty,
    /// Meta did not answer in time.
    TimedOut,
    /// Meta gave no answer that can be used.
    NoAnswer,
    /// Meta limits how often it is asked.
    Throttled,
    /// Too many people log in at once.
    Busy,
    /// This client came back too often.
    TooOften,
    /// Our own API server did not answer.
    Unreachable,
    /// Nobody can authorize before someone mends the application.
    App(AppFailure),
}

/// What is wrong with the application.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct AppFailure {
    /// What it is.
    pub(super) trouble: AppTrouble,
    /// How Meta names it.
    pub(super) fact: String,
    /// What Meta said, redacted. It is for the maintainer of the application and not kept in the browser.
    #[serde(skip)]
    pub(super) words: String,
}

impl Refusal {
    /// The refusal as it stands in metrics and logs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Cancelled => "canceled",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::NotAccepted => "not_accepted",
            Self::WrongApp => "wrong_app",
            Self::ScopesMissing(_) => "scopes_missing",
            Self::PagesMissing(..) => "pages_missing",
            Self::AccountTrouble => "account_trouble",
            Self::NotOfSystemUser => "not_of_system_user",
            Self::Empty => "empty",
            Self::TimedOut => "timed_out",
            Self::NoAnswer => "no_answer",
            Self::Throttled => "throttled",
            Self::Busy => "busy",
            Self::TooOften => "too_many",
            Self::Unreachable => "unreachable",
            Self::App(failure) => match failure.trouble {
                AppTrouble::DialogUnavailable => "dialog_unavailable",
                AppTrouble::DialogFailed => "dialog_failed",
                AppTrouble::RedirectUriBlocked | AppTrouble::RedirectUriRefused => "redirect_uri_refused",
                AppTrouble::ConfigurationNarrow => "configuration_narrow",
                AppTrouble::RefusedByMeta => "refused_by_meta",
                AppTrouble::CredentialsRejected | AppTrouble::AppBlocked | AppTrouble::NotLive => "app_broken",
            },
        }
    }

    /// Whether the same step may succeed in a minute.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::TimedOut | Self::NoAnswer | Self::Throttled | Self::Busy | Self::TooOften | Self::Unreachable
        )
    }
}

impl Flow {
    /// Begins one at the address of a grant. The state is for Meta to repeat: that it ends with the id of the application says
    /// which one a code is for that comes to another browser.
    pub(super) fn begin(app_id: &str, address: &str, challenge: bool, now: Timestamp) -> (Self, String) {
        let random: [u8; 32] = rand::rng().random();
        let state = format!("{}.{app_id}", URL_SAFE_NO_PAD.encode(random));
        let (digest, until) = (digest(&state), now.later(PATIENCE));
        (Self { state: digest, address: address.to_owned(), until, step: Step::Begun { challenge } }, state)
    }

    /// Id of the application that a state names.
    pub(super) fn app_of(state: &str) -> Option<&str> {
        state.split_once('.').map(|(_, app_id)| app_id)
    }

    /// The part of the grant's address that cannot be guessed, as it was when this was begun.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whether this is the state that it was begun with. Digests are compared, so that the time taken tells nothing.
    pub(super) fn began_with(&self, state: &str) -> bool {
        digest(state) == self.state
    }

    /// A name that is as unique as the state, and tells nothing about it.
    pub(super) fn id(&self) -> &str {
        self.state.get(..ID).unwrap_or_default()
    }

    /// The id of the flow that this state began.
    pub(super) fn id_of(state: &str) -> String {
        let mut digest = digest(state);
        digest.truncate(ID);
        digest
    }

    /// Which flow gives way first to a newer one: what is over, and then what was begun first.
    pub(super) fn rank(&self) -> i64 {
        match self.step {
            Step::Begun { .. } | Step::Offered(_) => self.until.as_second(),
            Step::Refused(_) | Step::Done { .. } => 0,
        }
    }

    /// Whether the step comes too late.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// The next step: the person has to agree, for which there is time again.
    pub(super) fn offered(self, offer: Offer, now: Timestamp) -> Self {
        Self { step: Step::Offered(offer), until: now.later(PATIENCE), ..self }
    }

    /// The last step.
    pub(super) fn ended(self, step: Step) -> Self {
        Self { step, ..self }
    }
}

fn digest(state: &str) -> String {
    hex::encode(Sha256::digest(state))
}

fn plain<S: Serializer>(token: &Token, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(token.expose())
}

fn parsed<'de, D: Deserializer<'de>>(from: D) -> Result<Token, D::Error> {
    let text = secrecy::SecretString::deserialize(from)?;
    Token::parse(secrecy::ExposeSecret::expose_secret(&text).as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{APP, at};

    fn begin(now: Timestamp) -> (Flow, String) {
        Flow::begin(APP, "address", true, now)
    }

    #[test]
    fn a_state_is_long_random_and_recognised() {
        let ((flow, state), (other, other_state)) = (begin(at(0)), begin(at(0)));
        assert_eq!((state.len(), Flow::app_of(&state)), (43 + 1 + APP.len(), Some(APP)));
        assert_ne!(state, other_state);
        assert!(flow.began_with(&state) && other.began_with(&other_state));
        for wrong in [&other_state, "", &state[..42], &format!("{state}A"), &state.to_lowercase(), flow.id()] {
            assert!(!flow.began_with(wrong), "{wrong}");
        }
        assert_ne!(flow.id(), other.id());
        assert_eq!((flow.id().len(), flow.id()), (ID, Flow::id_of(&state).as_str()));
        assert!(!serde_json::to_string(&flow).unwrap().contains(&state), "the state is kept by nobody");
    }

    #[test]
    fn each_step_has_ten_minutes() {
        let (flow, _) = begin(at(1_000));
        assert!(!flow.is_over(at(1_599)) && flow.is_over(at(1_600)));
        let token = Token::parse(b"EAAB0123456789_abc.DEF-x").unwrap();
        let flow = flow.offered(
            Offer {
                token,
                is_short: true,
                uncovered: vec![],
                regained: (vec![], 0),
                grantor: "66".to_owned(),
                person: None,
                others: vec![],
                more: 0,
            },
            at(1_500),
        );
        assert!(!flow.is_over(at(2_099)) && flow.is_over(at(2_100)));
    }
}
