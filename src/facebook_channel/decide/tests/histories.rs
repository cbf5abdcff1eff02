//! What no sequence of answers may do: laws of witnesses, of absence and of wishes, over random histories.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::*;
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::facebook_channel::model::{Asked, Content, Mutation, SecretSeen};
use crate::graph::{Definite, Operation, PageNode, TokenInfo};
use crate::limits::answer::{Answer, Refusal};

/// Errors of Graph of every kind: code, subcode and text.
const ERRORS: [(u32, Option<u32>, &str); 34] = [
    (1, None, "An unknown error occurred"),
    (2, None, "Service temporarily unavailable"),
    (4, None, "Application request limit reached"),
    (32, None, "Page request limit reached"),
    (3, None, "Application does not have the capability to make this API call."),
    (10, None, "pages_read_engagement"),
    (10, Some(2_018_300), "another app is controlling this thread"),
    (12, None, "is_published field is deprecated for versions v26.0 and higher"),
    (15, None, "x"),
    (21, None, "Page ID 2200000000000001 was migrated to page ID 2200000000000009"),
    (100, None, "This endpoint requires the 'pages_read_engagement' permission"),
    (100, None, "Param subscribed_fields[1] must be one of {messages} - got \"standby\""),
    (100, None, "No enough permission to subscribe"),
    (100, Some(33), "Unsupported get request."),
    (101, None, "Error validating application. Invalid application ID."),
    (102, None, "Session key invalid"),
    (190, None, "Error validating access token"),
    (190, None, "The session has been invalidated because the user changed their password"),
    (190, None, "Error validating application. Cannot get application info due to a system error."),
    (190, None, "Any of the pages_messaging permission(s) must be granted before impersonating a user's page."),
    (190, Some(458), "x"),
    (190, Some(460), "x"),
    (190, Some(463), "x"),
    (190, Some(490), "x"),
    (190, Some(492), "x"),
    (190, Some(493), "x"),
    (200, None, "API access blocked."),
    (200, None, "pages_messaging"),
    (230, None, "requires pages_messaging"),
    (368, None, "The action attempted has been deemed abusive"),
    (415, Some(2_859_009), "x"),
    (1, Some(1_929_002), "Invalid Permissions"),
    (2635, None, "You are calling a deprecated version of the API."),
    (424_242, None, "Rather not"),
];

fn refusals(operation: Operation) -> impl Strategy<Value = Refusal> {
    let errors = select(ERRORS.to_vec()).prop_map(move |(code, subcode, text)| fault(operation, code, subcode, text));
    prop_oneof![6 => errors, 1 => Just(no_answer())]
}

/// An answer of each kind: what it is when it is well, or a refusal.
fn answers<T: Clone + std::fmt::Debug>(operation: Operation, well: T) -> impl Strategy<Value = Answer<T>> {
    prop_oneof![1 => Just(Ok(well)), 2 => refusals(operation).prop_map(Err)]
}

/// Some seconds to some hours, and often about the minute after which an answer confirms another one.
fn pauses() -> impl Strategy<Value = SignedDuration> {
    select(vec![1, 30, 59, 60, 61, 300, 900, 3_599, 3_600, 7_200, 90_000]).prop_map(SignedDuration::from_secs)
}

/// What Meta answers in one pass.
#[derive(Clone, Debug)]
struct Answers {
    after: SignedDuration,
    witnessed: bool,
    token: Answer<TokenInfo>,
    page: Answer<PageNode>,
    rows: Answer<()>,
    write: Option<Answer<()>>,
}

fn passes() -> impl Strategy<Value = Answers> {
    let write = proptest::option::weighted(0.4, answers(Operation::SubscribePage, ()));
    let reads = (answers(Operation::ReadPage, page_node()), answers(Operation::ReadPageSubscriptions, ()));
    (pauses(), any::<bool>(), answers(Operation::DebugToken, token_info()), reads, write).prop_map(
        |(after, witnessed, token, (page, rows), write)| Answers { after, witnessed, token, page, rows, write },
    )
}

fn histories() -> impl Strategy<Value = Vec<Answers>> {
    prop::collection::vec(passes(), 1..10)
}

/// A connected channel that publishes its token, and what comes of a history; `check` sees every pass of it.
fn run(
    history: Vec<Answers>,
    declare: impl Fn(&mut Scene),
    held: &[&str],
    check: impl Fn(&Answers, &Outcome) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let publishing = |scene: &mut Scene| {
        scene.channel.spec.publish_token = true;
        scene.seen.publication = SecretSeen::Ours(Content::Current);
    };
    let mut before = Scene::with(|scene| {
        publishing(scene);
        scene.seen.asked.subscriptions = Some(Ok(vec![row(APP, held)]));
        scene.channel.spec.subscribed_fields = Some(words(held));
    })
    .decide();
    prop_assert_eq!(before.of(ConditionType::Ready), "True/ReconcileSucceeded");
    for answers in history {
        let mut scene = Scene::with(publishing);
        scene.channel.spec.subscribed_fields = Some(words(held));
        declare(&mut scene);
        scene.seen.asked = Asked {
            token: Some(answers.token.clone()),
            witnessed: answers.witnessed,
            page: Some(answers.page.clone()),
            subscriptions: Some(answers.rows.clone().map(|()| vec![row(APP, held)])),
            subscribed: answers.write.clone(),
            ..Asked::default()
        };
        let outcome = scene.again(&before, answers.after);
        check(&answers, &outcome)?;
        // Before a mutation was tried nothing is reported.
        let now = outcome.now;
        before = if outcome.plan.mutation.is_none() { outcome } else { before };
        before.now = now;
    }
    Ok(())
}

fn is_false(outcome: &Outcome, type_: ConditionType) -> bool {
    status_of(&outcome.status().conditions, type_) == Some(Status::False)
}

/// Warnings that send people somewhere.
fn warns(outcome: &Outcome) -> bool {
    outcome.plan.report.notes.iter().any(|note| note.warning)
}

/// Whether a refusal is about the token by its code: the one thing besides debug_token that may end an authorization.
fn is_definite(answer: Option<&Refusal>) -> bool {
    answer.is_some_and(|refusal| refusal.definite == Some(Definite::Token))
}

fn definite_calls(answers: &Answers) -> bool {
    let write = answers.write.as_ref().and_then(|it| it.as_ref().err());
    is_definite(answers.page.as_ref().err()) || is_definite(answers.rows.as_ref().err()) || is_definite(write)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever page, rows and write answer, as long as no code is about the token and debug_token is not against it.
    #[test]
    fn nothing_but_its_witnesses_ends_an_authorization(history in histories()) {
        let history: Vec<_> = history
            .into_iter()
            .filter(|answers| !definite_calls(answers))
            .map(|answers| match &answers.token {
                // Of another application's token debug_token itself says so.
                Err(refusal) if refusal.says_nothing() => answers,
                _ => Answers { token: Ok(token_info()), ..answers },
            })
            .collect();
        run(history, |_| (), &FIELDS, |answers, outcome| {
            prop_assert!(!is_false(outcome, ConditionType::Authorized), "{answers:?}\n{:#?}", outcome.status());
            prop_assert_ne!(&outcome.plan.mutation, &Some(Mutation::Withdraw));
            Ok(())
        })?;
    }

    /// Whatever token, rows and write answer, as long as the page says that it is well, or nothing.
    #[test]
    fn nothing_but_the_page_itself_makes_it_unusable(history in histories()) {
        let history = history.into_iter().map(|answers| {
            let page = answers.page.clone().or_else(|refusal| if refusal.says_nothing() { Err(refusal) } else { Ok(page_node()) });
            Answers { page, ..answers }
        });
        run(history.collect(), |_| (), &FIELDS, |answers, outcome| {
            prop_assert!(!is_false(outcome, ConditionType::PageUsable), "{answers:?}\n{:#?}", outcome.status());
            Ok(())
        })?;
    }

    /// Whatever token, page and write answer: our row holds everything, or is not shown.
    #[test]
    fn nothing_but_the_rows_ends_a_subscription(history in histories()) {
        run(history, |_| (), &FIELDS, |answers, outcome| {
            prop_assert!(!is_false(outcome, ConditionType::Subscribed), "{answers:?}\n{:#?}", outcome.status());
            Ok(())
        })?;
    }

    /// Between two passes in which everything is well, one in which anything is refused disturbs nobody.
    #[test]
    fn no_deed_that_follows_from_a_fault_rests_on_one_answer(history in histories()) {
        let well = Answers {
            after: SignedDuration::from_secs(60),
            witnessed: true,
            token: Ok(token_info()),
            page: Ok(page_node()),
            rows: Ok(()),
            write: None,
        };
        let history = history.into_iter().flat_map(|answers| {
            let witness = answers.token.clone().or_else(|refusal| if refusal.says_nothing() { Err(refusal) } else { Ok(token_info()) });
            // What the page says of itself in definite words needs no second answer.
            let definite = answers.page.as_ref().err().is_some_and(|it| it.definite == Some(Definite::Object));
            let page = if definite { Ok(page_node()) } else { answers.page.clone() };
            [Answers { token: witness, page, ..answers }, well.clone()]
        });
        run(history.collect(), |_| (), &FIELDS, |answers, outcome| {
            prop_assert!(!warns(outcome), "{answers:?}\n{:#?}", outcome.plan.report.notes);
            prop_assert!(!is_false(outcome, ConditionType::Connected), "{answers:?}\n{:#?}", outcome.status());
            prop_assert_ne!(&outcome.plan.mutation, &Some(Mutation::Withdraw));
            Ok(())
        })?;
    }

    /// A newly declared field that is refused, whatever the refusal says, and whatever else is answered.
    #[test]
    fn a_refused_write_never_turns_a_verified_condition_false(
        history in histories(),
        wish in select(vec!["standby", "mesage_reads"]),
    ) {
        let declare = |scene: &mut Scene| {
            scene.channel.metadata.generation = Some(2);
            scene.channel.spec.subscribed_fields = Some(words(&[FIELDS[0], FIELDS[1], wish]));
            scene.seen.app = app(Ok(()), crate::meta_app::facts::WebhookVerdict::NotManaged);
        };
        let history = history.into_iter().map(|answers| {
            let write = answers.write.clone().filter(Result::is_err);
            Answers { token: Ok(token_info()), witnessed: true, page: Ok(page_node()), rows: Ok(()), write, ..answers }
        });
        let history: Vec<_> = history.filter(|answers| !definite_calls(answers)).collect();
        run(history, declare, &FIELDS, |answers, outcome| {
            if outcome.plan.mutation.is_none() {
                for type_ in [ConditionType::Subscribed, ConditionType::Connected, ConditionType::Authorized] {
                    prop_assert!(!is_false(outcome, type_), "{type_:?} {answers:?}\n{:#?}", outcome.status());
                }
            }
            Ok(())
        })?;
    }
}
