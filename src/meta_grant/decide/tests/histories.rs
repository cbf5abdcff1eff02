//! Random histories of what Meta answers about a grant: whatever it says, nothing is lost before that is certain.

use proptest::prelude::*;
use proptest::sample::select;

use super::passes::*;
use super::scene::*;
use crate::api::conditions::ConditionType::Valid;
use crate::graph::{Account, Definite, GranularScope, Operation, PageToken, TokenInfo};
use crate::limits::answer::Answer;

/// What the list says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum List {
    Whole,
    Empty,
    Lacks,
    WithoutTasks,
    TasksUntold,
    WithoutToken,
    Refused(u32, u32),
    Silent,
}

/// What the page says, if it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    Gives,
    GivesNone,
    Refuses,
    Silent,
    Puzzling,
}

/// What debug_token says of the token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Debug {
    Good,
    Excludes,
    Names,
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    seconds: i64,
    debug: Debug,
    list: List,
    node: Node,
    restart: bool,
    doubt: bool,
}

fn steps() -> impl Strategy<Value = Step> {
    use List::{Empty, Lacks, Refused, TasksUntold, Whole, WithoutTasks, WithoutToken};
    let codes = [(190, 493), (190, 460), (190, 0), (10, 0), (100, 0), (101, 0), (415, 0), (4242, 0), (4, 0), (1, 0)];
    let refused = select(codes.to_vec()).prop_map(|(code, subcode)| Refused(code, subcode));
    let list = prop_oneof![
        6 => select(vec![Whole, Empty, Lacks, WithoutTasks, TasksUntold, WithoutToken, List::Silent]),
        2 => refused
    ];
    let node = select(vec![Node::Gives, Node::GivesNone, Node::Refuses, Node::Silent, Node::Puzzling]);
    let debug = prop_oneof![
        12 => Just(Debug::Good), 1 => Just(Debug::Excludes), 2 => Just(Debug::Names), 1 => Just(Debug::Ended)
    ];
    let seconds = select(vec![1_i64, 20, 59, 60, 61, 600, 7200]);
    let rarely = || prop::bool::weighted(0.05);
    (seconds, debug, list, node, rarely(), rarely()).prop_map(|(seconds, debug, list, node, restart, doubt)| Step {
        seconds,
        debug,
        list,
        node,
        restart,
        doubt,
    })
}

fn info(debug: Debug) -> TokenInfo {
    let to = |page: &str| {
        let row = |scope: &&str| GranularScope { scope: (*scope).to_owned(), target_ids: Some(words(&[page, PAGE_B])) };
        SCOPES.iter().map(row).collect()
    };
    match debug {
        Debug::Good => system_user(10),
        Debug::Excludes => TokenInfo { granular_scopes: to(PAGE_B), ..system_user(10) },
        Debug::Names => TokenInfo { granular_scopes: to(PAGE_A), ..system_user(10) },
        Debug::Ended => ended(460),
    }
}

fn list(list: List) -> Answer<Vec<Account>> {
    match list {
        List::Whole => Passes::lacking(&[]),
        List::Empty => Ok(vec![]),
        List::Lacks => Passes::lacking(&[PAGE_A]),
        List::WithoutTasks => Passes::with(|row| row.tasks = Some(vec![])),
        List::TasksUntold => Passes::with(|row| row.tasks = None),
        List::WithoutToken => Passes::with(|row| row.token = None),
        List::Refused(code, subcode) => refused(code, (subcode > 0).then_some(subcode), "words"),
        List::Silent => Err(no_answer()),
    }
}

fn node(node: Node, page: &str) -> Answer<PageToken> {
    match node {
        Node::Gives => gives(page),
        Node::GivesNone => gives_none(page),
        Node::Refuses => refuses(page),
        Node::Silent => silent(page),
        Node::Puzzling => Err(fault(Operation::ReadPageToken, 4242, None, "?")),
    }
}

/// What speaks against the page, as the rules have it, kept apart from how the operator keeps it: since when the page was denied,
/// or its tasks were told to be missing, without a word to the contrary.
#[derive(Default)]
struct Against {
    denied: Option<i64>,
    tasks: Option<i64>,
    excluded: bool,
    certain: bool,
}

impl Against {
    fn hear(&mut self, at: i64, step: Step, asked: bool) {
        if step.debug == Debug::Ended || matches!(step.list, List::Refused(..) | List::Silent) {
            return;
        }
        let open = matches!(step.list, List::Empty | List::Lacks | List::WithoutToken);
        self.excluded = open && step.debug == Debug::Excludes;
        if step.list == List::WithoutTasks {
            self.denied = None;
            self.tasks.get_or_insert(at);
            self.certain = self.tasks.is_some_and(|first| at - first >= 60);
            return;
        }
        if !open {
            *self = Self::default();
            return;
        }
        match step.node {
            Node::Gives if asked => (self.denied, self.certain) = (None, self.certain && self.tasks.is_some()),
            Node::GivesNone | Node::Refuses if asked => {
                self.denied.get_or_insert(at);
                self.certain |= self.denied.is_some_and(|first| at - first >= 60);
            }
            _ => {}
        }
    }

    fn may_be_lost(&self) -> bool {
        self.excluded || self.certain
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some ten passes a history, so that tens of thousands of passes are evaluated.
    #[test]
    fn no_history_of_answers_loses_a_page_or_ends_a_grant_before_it_is_certain(
        steps in prop::collection::vec(steps(), 4..16),
    ) {
        let mut passes = Passes::listed();
        let (mut against, mut at, mut refused_since) = (Against::default(), 0_i64, None::<((u32, u32), i64)>);
        let mut sure = false;
        for step in steps {
            at += step.seconds;
            if step.restart {
                passes = passes.restart();
                (against, refused_since) = (Against::default(), None);
            }
            if step.doubt {
                passes.doubt(PAGE_A);
            } else {
                passes.scene.seen.doubted.clear();
            }
            passes.info = info(step.debug);
            let had = passes.gives_token(PAGE_A);
            let was_false = passes.is_false(Valid);
            let outcome = passes.pass(step.seconds, list(step.list), |page| node(step.node, page));
            let asked = passes.asked.iter().any(|(page, _)| page.as_str() == PAGE_A);
            prop_assert!(passes.asked.len() <= 2);
            against.hear(at, step, asked);
            let absent = passes.absence(PAGE_A).is_some();
            sure = against.may_be_lost() || sure && absent && !step.restart;
            prop_assert!(!absent || sure, "lost too early by {step:?}");
            // What was given stays in force until then.
            prop_assert!(!had || sure || passes.gives_token(PAGE_A), "taken away by {step:?}");
            // Valid: debug_token alone, or the same definite code again a minute later.
            let definite = match list(step.list) {
                Err(refusal) if refusal.definite == Some(Definite::Token) => match step.list {
                    List::Refused(code, subcode) => Some((code, subcode)),
                    _ => None,
                },
                _ => None,
            };
            match definite.filter(|_| step.debug != Debug::Ended) {
                Some(code) if refused_since.is_none_or(|(known, _)| known != code) => refused_since = Some((code, at)),
                Some(_) => {}
                None if step.debug == Debug::Ended || list(step.list).is_ok() => refused_since = None,
                None => {}
            }
            let confirmed = refused_since.is_some_and(|(_, since)| at - since >= 60) && definite.is_some();
            if passes.is_false(Valid) {
                prop_assert!(step.debug == Debug::Ended || confirmed || was_false, "ended by {step:?}: {:?}", outcome.notes());
            }
        }
    }
}
