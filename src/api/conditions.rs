//! Conditions as values: what a decision found, and the list it becomes in a status.
//!
//! The rules are those of the Kubernetes API conventions: one entry per type, `lastTransitionTime` moves only when the
//! status flips, `observedGeneration` says which generation a value is about. The full sentence stands on the condition
//! that failed; those that follow from it refer to it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::Reason;

macro_rules! condition_types {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// The condition types, in the order in which a status lists them.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum ConditionType { $($(#[$doc])+ $name,)+ }

        impl ConditionType {
            /// All types.
            pub const ALL: &'static [ConditionType] = &[$(ConditionType::$name,)+];

            /// The type as it stands in a status.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

condition_types! {
    /// The declared state is reached and was verified.
    Ready,
    /// Authorized, page usable and subscribed.
    Connected,
    /// The authorization ended; abnormal when True.
    Expired,
    /// There is no working link.
    Disconnected,
    /// This namespace holds the page.
    Claimed,
    /// The token is of the right application, page and kind, and has the needed permissions.
    Authorized,
    /// The page is reachable, published and not restricted.
    PageUsable,
    /// Our application's row holds every declared field, here and at the application.
    Subscribed,
    /// Our application is the default app of the page's conversation routing.
    PrimaryReceiver,
    /// The endpoint is resolvable.
    EndpointReady,
    /// The page token lies in its Secret; present only where that is declared.
    TokenPublished,
    /// The application's credentials work.
    CredentialsValid,
    /// The application's webhook is subscribed as declared.
    WebhookSubscribed,
    /// Meta approved the required permissions.
    PermissionsApproved,
    /// Meta serves the version of the Graph API in use, and goes on doing so for some time.
    VersionSupported,
    /// The grant's token works and holds what the application needs.
    Valid,
    /// The grant's token is kept from ending, as far as that needs no person.
    Renewed,
    /// The token in use comes from the source token that is declared.
    SourceTokenAccepted,
    /// The operator will act again on its own; present only while True.
    Reconciling,
    /// Only a person can fix it; present only while True.
    Stalled,
}

impl ConditionType {
    /// The type in a status that 0.1.0 wrote, where that is another one.
    const fn former(self) -> Option<&'static str> {
        match self {
            Self::SourceTokenAccepted => Some("SeedAccepted"),
            _ => None,
        }
    }

    /// Whether it follows from other conditions.
    const fn sums_up(self) -> bool {
        use ConditionType::{Connected, Disconnected, Expired, Ready, Reconciling, Stalled};
        matches!(self, Ready | Connected | Expired | Disconnected | Reconciling | Stalled)
    }
}

/// The three values of a condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Status {
    /// The value as it stands in a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

/// What a decision says of one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Value of the condition.
    pub status: Status,
    /// Why, in one word.
    pub reason: Reason,
    /// What was seen, made of stable facts.
    pub seen: String,
    /// Who must do what next; empty when nothing is to be done.
    pub next_step: String,
    /// What Meta or the API server said, where that helps.
    pub words: Option<Quote>,
    /// Generation the value is about; older than the object's when the value was kept because Meta did not answer.
    pub observed_generation: i64,
}

/// What someone else said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quote {
    /// Who said it.
    pub speaker: Speaker,
    /// Its words, redacted.
    pub words: String,
    /// The `fbtrace_id` that Meta's support asks for. It is another one in each answer, so no condition shows it.
    pub trace: Option<String>,
}

/// Who is quoted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaker {
    /// Meta.
    Meta,
    /// The Kubernetes API server.
    ApiServer,
}

impl Speaker {
    const ALL: [Self; 2] = [Self::Meta, Self::ApiServer];

    /// What stands before the words in a message, which they end.
    const fn introduction(self) -> &'static str {
        match self {
            Self::Meta => " Meta said: \"",
            Self::ApiServer => " The API server said: \"",
        }
    }
}

impl Finding {
    /// What was found about this generation, in nobody else's words.
    pub fn new(
        status: Status,
        reason: Reason,
        seen: impl Into<String>,
        next_step: impl Into<String>,
        observed_generation: i64,
    ) -> Self {
        Self { status, reason, seen: seen.into(), next_step: next_step.into(), words: None, observed_generation }
    }

    /// The message of the condition: what was seen, the next step, and last what someone else said of it.
    pub fn message(&self) -> String {
        let own = self.own_text();
        match &self.words {
            Some(Quote { speaker, words, .. }) => format!("{own}{}{words}\"", speaker.introduction()),
            None => own,
        }
    }

    /// The message without others' words, which change from call to call.
    fn own_text(&self) -> String {
        if self.next_step.is_empty() { self.seen.clone() } else { format!("{} {}", self.seen, self.next_step) }
    }

    /// The same finding with what Meta or the API server said.
    #[must_use]
    pub fn quoting(self, words: Option<Quote>) -> Self {
        Self { words, ..self }
    }

    /// What an Event tells of it: what was seen and what Meta said. The next step stands in the status, where it is kept
    /// up to date.
    pub fn news(&self) -> String {
        let step = if self.next_step.is_empty() { "" } else { " See status.nextStep for what to do." };
        let Some(Quote { speaker, words, trace }) = &self.words else { return format!("{}{step}", self.seen) };
        let trace = trace.as_ref().map(|id| format!(" (fbtrace_id {id})")).unwrap_or_default();
        format!("{}{step}{}{words}\"{trace}", self.seen, speaker.introduction())
    }

    /// The finding that a condition in a status came from. Its message is taken apart again if it ends with the next
    /// step that the status names, else it is taken whole.
    pub fn from_condition(condition: &Condition, next_step: Option<&str>) -> Option<Self> {
        let (message, words) = without_quote(&condition.message);
        let apart = next_step.and_then(|step| Some((message.strip_suffix(step)?.strip_suffix(' ')?, step)));
        let (seen, next_step) = apart.unwrap_or((message, ""));
        Some(Self {
            status: Status::parse(&condition.status),
            reason: Reason::parse(&condition.reason)?,
            seen: seen.to_owned(),
            next_step: next_step.to_owned(),
            words: words.map(|(speaker, words)| Quote { speaker, words: words.to_owned(), trace: None }),
            observed_generation: condition.observed_generation.unwrap_or_default(),
        })
    }

    /// The same finding with another value.
    pub fn with_status(&self, status: Status) -> Self {
        Self { status, ..self.clone() }
    }
}

/// What stands behind the type of a condition in the message of another one that refers to it.
const REFERS: &str = " is ";

/// The message that says why Ready is what it is: its own, or that of the condition that it refers to.
pub fn sentence(conditions: &[Condition]) -> Option<&str> {
    let ready = find(conditions, ConditionType::Ready)?.message.as_str();
    let named = ready.split_once(REFERS).map(|(type_, _)| type_);
    let told_by = named.and_then(|type_| conditions.iter().find(|condition| condition.type_ == type_));
    Some(told_by.map_or(ready, |condition| &condition.message))
}

/// A message without others' words, and these.
fn without_quote(message: &str) -> (&str, Option<(Speaker, &str)>) {
    let quotes = |speaker: Speaker| message.split_once(speaker.introduction()).map(|parts| (speaker, parts));
    // Words may quote words: those that begin first are all.
    let first = Speaker::ALL.into_iter().filter_map(quotes).min_by_key(|(_, (own, _))| own.len());
    match first {
        Some((speaker, (own, words))) => (own, Some((speaker, words.strip_suffix('"').unwrap_or(words)))),
        None => (message, None),
    }
}

/// Finds a condition in a list, also under the type that 0.1.0 gave it.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    let named = |name: &str| conditions.iter().find(|condition| condition.type_ == name);
    named(type_.as_str()).or_else(|| type_.former().and_then(named))
}

/// Whether a condition in a status has this reason, also under the name that 0.1.0 gave it.
pub fn has_reason(condition: &Condition, reason: Reason) -> bool {
    Reason::parse(&condition.reason) == Some(reason)
}

/// The value of a condition in a list, if it is there.
pub fn status_of(conditions: &[Condition], type_: ConditionType) -> Option<Status> {
    find(conditions, type_).map(|condition| Status::parse(&condition.status))
}

/// The longest text that may stand in more than one condition, in characters.
const SHORT: usize = 80;

/// The findings with each sentence once: on the condition that failed, to which those that follow from it refer. A
/// condition that may be kept when others are not refers to none.
fn once(findings: &[(ConditionType, Finding)]) -> Vec<(ConditionType, Finding)> {
    let texts: Vec<_> = findings.iter().map(|(_, finding)| finding.own_text()).collect();
    // Of those with the same text one that failed on its own tells it, before one that follows from it.
    let teller = |text: &String| {
        let same = findings.iter().zip(&texts).filter(|(_, other)| *other == text).map(|(it, _)| it);
        same.min_by_key(|(type_, _)| (type_.sums_up(), *type_))
    };
    let refer = |((type_, finding), text): (&(ConditionType, Finding), &String)| {
        let refers = type_.sums_up() && text.chars().count() > SHORT;
        let teller = teller(text).filter(|(first, _)| refers && first != type_);
        let Some((first, told)) = teller else { return (*type_, finding.clone()) };
        let seen = format!("{}{REFERS}{}: its message says why.", first.as_str(), told.status.as_str());
        (*type_, Finding { seen, next_step: String::new(), words: None, ..finding.clone() })
    };
    findings.iter().zip(&texts).map(refer).collect()
}

/// Builds the list of conditions of a status from what was found, keeping transition times of values that did not flip.
pub fn assemble(previous: &[Condition], findings: &[(ConditionType, Finding)], now: Timestamp) -> Vec<Condition> {
    once(findings)
        .iter()
        .map(|(type_, finding)| {
            let same = find(previous, *type_).filter(|old| old.status == finding.status.as_str());
            // The words of the first answer stay until there is something else to say: those of the next one differ in
            // nothing that matters, and would rewrite every status.
            let quoted = same.filter(|old| has_reason(old, finding.reason) && finding.words.is_some());
            let quoted = quoted.filter(|old| {
                let (own, words) = without_quote(&old.message);
                words.is_some() && own == finding.own_text()
            });
            Condition {
                type_: type_.as_str().to_owned(),
                status: finding.status.as_str().to_owned(),
                reason: finding.reason.as_str().to_owned(),
                message: quoted.map_or_else(|| finding.message(), |old| old.message.clone()),
                observed_generation: Some(finding.observed_generation),
                last_transition_time: same.map_or(Time(now), |old| old.last_transition_time.clone()),
            }
        })
        .collect()
}

/// Schema of a list of conditions: a map keyed by type, so that writers of different conditions do not clash.
pub(super) fn conditions_schema(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<Condition>();
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": item,
    })
}

/// Schema of a point in time.
pub(super) fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_0_1_0_wrote_keeps_its_time_and_metas_first_words_under_the_names_of_today() {
        let quote = Quote { speaker: Speaker::Meta, words: "second".to_owned(), trace: None };
        let finding = Finding::new(Status::False, Reason::UnrecognizedError, "It was refused.", "", 1);
        let known = finding.clone().quoting(Some(Quote { words: "first".to_owned(), ..quote.clone() }));
        let was = [(ConditionType::SourceTokenAccepted, known)];
        let mut previous = assemble(&[], &was, Timestamp::UNIX_EPOCH);
        let expected = previous.clone();
        (previous[0].type_, previous[0].reason) = ("SeedAccepted".to_owned(), "NotUnderstood".to_owned());
        let found = [(ConditionType::SourceTokenAccepted, finding.quoting(Some(quote)))];
        assert_eq!(assemble(&previous, &found, Timestamp::MAX), expected);
    }
}
