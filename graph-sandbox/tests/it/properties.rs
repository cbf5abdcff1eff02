//! Whatever people, apps and the clock do, the state stays possible.

use std::collections::BTreeMap;

use graph_sandbox::{AppChange, Invalidation, Options, PageChange, Sandbox, Seed, StateView, Task};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use crate::invariants;
use crate::support::*;

const SCOPES: &[&str] = &["pages_show_list", "pages_messaging", "pages_manage_metadata", "business_management"];
const PAGES: &[&str] = &[PAGE_A, PAGE_B, PAGE_C];
const ALIASES: &[&str] = &["long", "short", "robot", "admin", "page-a", "page-b", "page-a-robot"];
const PAGE_ALIASES: &[&str] = &["page-a", "page-a-robot"];
const TALKS: &[&str] = &["message", "reply", "pass", "take", "release"];
const TALKERS: &[&str] = &[APP, OTHER_APP, "263902037430900"];
const ACTS: &[&str] = &["pass", "take", "release", "extend", "request"];
const PSID: &str = "7700000000000001";
const ROBOT: &str = "6600000000000009";

#[derive(Clone, Debug)]
enum Step {
    /// `me/accounts` or one page's token, with the nth known user or system-user token.
    Derive {
        token: usize,
        page: Option<usize>,
    },
    Exchange {
        token: usize,
    },
    Login {
        scopes: Vec<usize>,
        pages: Option<Vec<usize>>,
    },
    /// Exchanges the nth code that was issued.
    Spend {
        code: usize,
    },
    Regrant {
        robot: bool,
        scopes: Option<Vec<usize>>,
        pages: Option<Vec<usize>>,
    },
    RemoveApp {
        robot: bool,
    },
    Withdraw {
        scope: usize,
    },
    Person {
        key: usize,
        on: bool,
    },
    Revoke {
        token: usize,
    },
    Invalidate {
        alias: usize,
    },
    Restore {
        alias: usize,
    },
    SystemUserToken {
        sixty_days: bool,
    },
    EndSystemUserTokens,
    /// A token is put there that was granted these scopes.
    Put {
        scopes: Vec<usize>,
    },
    Role {
        robot: bool,
        page: usize,
        held: bool,
    },
    Reread {
        new: bool,
    },
    Secret,
    /// Something happens in a conversation, by a control call.
    Talk {
        act: usize,
        app: usize,
    },
    Routing {
        default_app: Option<usize>,
    },
    /// An app acts in the conversation with a page token, which may be dead.
    Act {
        alias: usize,
        act: usize,
    },
    Clock {
        hours: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let some = |most: usize| prop::collection::vec(0..most, 0..most);
    prop_oneof![
        4 => (0..9_usize, prop::option::of(0..3_usize)).prop_map(|(token, page)| Step::Derive { token, page }),
        2 => (0..9_usize).prop_map(|token| Step::Exchange { token }),
        2 => (some(4), prop::option::of(some(3))).prop_map(|(scopes, pages)| Step::Login { scopes, pages }),
        3 => (0..4_usize).prop_map(|code| Step::Spend { code }),
        2 => (any::<bool>(), prop::option::of(some(4)), prop::option::of(some(3)))
            .prop_map(|(robot, scopes, pages)| Step::Regrant { robot, scopes, pages }),
        1 => any::<bool>().prop_map(|robot| Step::RemoveApp { robot }),
        1 => (0..4_usize).prop_map(|scope| Step::Withdraw { scope }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(key, on)| Step::Person { key, on }),
        1 => (0..9_usize).prop_map(|token| Step::Revoke { token }),
        1 => (0..ALIASES.len()).prop_map(|alias| Step::Invalidate { alias }),
        2 => (0..ALIASES.len()).prop_map(|alias| Step::Restore { alias }),
        1 => any::<bool>().prop_map(|sixty_days| Step::SystemUserToken { sixty_days }),
        1 => Just(Step::EndSystemUserTokens),
        2 => some(4).prop_map(|scopes| Step::Put { scopes }),
        2 => (any::<bool>(), 0..3_usize, any::<bool>()).prop_map(|(robot, page, held)| Step::Role { robot, page, held }),
        1 => any::<bool>().prop_map(|new| Step::Reread { new }),
        1 => Just(Step::Secret),
        3 => (0..TALKS.len(), 0..TALKERS.len()).prop_map(|(act, app)| Step::Talk { act, app }),
        1 => prop::option::of(0..TALKERS.len()).prop_map(|default_app| Step::Routing { default_app }),
        3 => (0..PAGE_ALIASES.len(), 0..ACTS.len()).prop_map(|(alias, act)| Step::Act { alias, act }),
        2 => prop_oneof![Just(1_i64), Just(-1), Just(24 * 30), Just(24 * 61)].prop_map(|hours| Step::Clock { hours }),
    ]
}

/// A sandbox with what a client of it has collected.
struct Play {
    api: Api,
    tokens: Vec<String>,
    codes: Vec<String>,
    /// How often each code was exchanged.
    spent: BTreeMap<String, u32>,
    secret: String,
    /// What a step itself found wrong.
    problem: Option<String>,
}

fn names(from: &[&'static str], indices: &[usize]) -> Vec<&'static str> {
    indices.iter().map(|index| from[*index]).collect()
}

impl Play {
    fn new(api: Api) -> Self {
        let tokens = ["long", "short", "robot", "admin"].map(person_token).to_vec();
        Self { api, tokens, codes: vec![], spent: BTreeMap::new(), secret: SECRET.to_owned(), problem: None }
    }

    fn token(&self, index: usize) -> String {
        self.tokens[index % self.tokens.len()].clone()
    }

    fn keep(&mut self, answer: &Answer) -> bool {
        let token = answer.body["access_token"].as_str();
        self.tokens.extend(token.map(str::to_owned));
        token.is_some()
    }

    async fn oauth(&self, path: &str, token: &str, query: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", APP), ("client_secret", self.secret.as_str())];
        all.extend_from_slice(query);
        self.api.get(token, &format!("/v25.0/oauth/{path}"), &all).await
    }

    async fn change(&self, robot: bool, change: serde_json::Value) -> Answer {
        let id = if robot { ROBOT } else { PERSON };
        self.api.post_control(&format!("people/{id}"), change).await
    }

    async fn take(&mut self, step: Step) {
        let sandbox = &self.api.sandbox;
        match step {
            Step::Derive { token, page } => {
                let path = page.map_or("/v25.0/me/accounts".to_owned(), |page| format!("/v25.0/{}", PAGES[page]));
                self.api.get(&self.token(token), &path, &[("fields", "access_token")]).await;
            }
            Step::Exchange { token } => {
                let token = self.token(token);
                let query = [
                    ("grant_type", "fb_exchange_token"),
                    ("fb_exchange_token", &token),
                    ("set_token_expires_in_60_days", "true"),
                ];
                let answer = self.oauth("access_token", "", &query).await;
                self.keep(&answer);
            }
            Step::Login { scopes, pages } => {
                let login = json!({"app": APP, "redirect_uri": REDIRECT, "scopes": names(SCOPES, &scopes),
                    "pages": pages.map(|pages| names(PAGES, &pages))});
                let answer = self.change(false, json!({"authorize": login})).await;
                self.codes.push(answer.body["code"].as_str().unwrap().to_owned());
            }
            Step::Spend { code } => {
                if let Some(code) = self.codes.get(code).cloned() {
                    let answer = self.oauth("access_token", "", &[("redirect_uri", REDIRECT), ("code", &code)]).await;
                    if self.keep(&answer) {
                        *self.spent.entry(code).or_default() += 1;
                    }
                }
            }
            Step::Regrant { robot, scopes, pages } => {
                let regrant = json!({"app": APP, "scopes": scopes.map(|scopes| names(SCOPES, &scopes)),
                    "pages": pages.map(|pages| names(PAGES, &pages))});
                self.change(robot, json!({"regrant": regrant})).await.ok();
            }
            Step::RemoveApp { robot } => {
                self.change(robot, json!({"removed_app": APP})).await.ok();
            }
            Step::Withdraw { scope } => {
                let path = format!("/v25.0/{PERSON}/permissions/{}", SCOPES[scope]);
                self.api.delete(&format!("{APP}|{}", self.secret), &path, &[]).await;
            }
            Step::Person { key, on } => {
                let key = ["password_changed", "logged_out", "checkpoint", "unconfirmed"][key];
                self.change(false, json!({key: on})).await.ok();
            }
            Step::Revoke { token } => {
                let app = format!("{APP}|{}", self.secret);
                self.oauth("revoke", &app, &[("revoke_token", &self.token(token))]).await;
            }
            Step::Invalidate { alias } => {
                let why = Invalidation { subcode: Some(466), message: None };
                sandbox.invalidate_token(ALIASES[alias], why).unwrap();
            }
            Step::Restore { alias } => sandbox.restore_token(ALIASES[alias]).unwrap(),
            Step::SystemUserToken { sixty_days } => {
                let mut query = vec![("business_app", APP), ("scope", "pages_show_list,pages_messaging")];
                query.extend(sixty_days.then_some(("set_token_expires_in_60_days", "true")));
                let path = format!("/v25.0/{ROBOT}/access_tokens");
                let answer = self.api.post(&person_token("admin"), &path, &query).await;
                self.keep(&answer);
            }
            Step::EndSystemUserTokens => {
                self.api.delete(&person_token("admin"), &format!("/v25.0/{ROBOT}/access_tokens"), &[]).await;
            }
            Step::Put { scopes } => {
                let row = json!({"alias": "put", "token": "EAAput", "kind": "user", "app": APP, "user": PERSON,
                    "scopes": names(SCOPES, &scopes)});
                self.api.post_control("tokens", row).await.ok();
            }
            Step::Role { robot, page, held } => {
                let tasks = if held { vec![Task::Moderate] } else { vec![] };
                let tasks = [(if robot { ROBOT } else { PERSON }.parse().unwrap(), tasks)].into();
                sandbox.change_page(PAGES[page], PageChange { tasks, ..PageChange::default() }).unwrap();
            }
            Step::Reread { new } => {
                sandbox.set_switch("page_token_reread", if new { "new" } else { "same" }).unwrap();
            }
            Step::Secret => {
                self.secret.push('x');
                let previous_secret_for = Some("1h".to_owned());
                let secret = Some(self.secret.clone().into());
                sandbox.change_app(APP, AppChange { secret, previous_secret_for, ..AppChange::default() }).unwrap();
            }
            Step::Talk { act, app } => {
                let mut body = json!({"psid": PSID});
                match TALKS[act] {
                    "message" => body["text"] = "hi".into(),
                    "reply" => body = json!({"psid": PSID, "text": "yes", "app": TALKERS[app]}),
                    "pass" => body = json!({"psid": PSID, "app": TALKERS[app], "to": TALKERS[(app + 1) % 3]}),
                    _ => body["app"] = TALKERS[app].into(),
                }
                self.api.post_control(&format!("pages/{PAGE_A}/{}", TALKS[act]), body).await;
            }
            Step::Routing { default_app } => {
                let routing = json!({"default_app": default_app.map(|app| TALKERS[app]), "take_control": [APP]});
                self.api.post_control(&format!("pages/{PAGE_A}/routing"), routing).await.ok();
            }
            Step::Act { alias, act } => self.act(PAGE_ALIASES[alias], ACTS[act]).await,
            Step::Clock { hours } => {
                sandbox.advance_clock(SignedDuration::from_hours(hours)).unwrap();
            }
        }
    }

    /// Calls Graph with a page token; a dead one must change nothing.
    async fn act(&mut self, alias: &str, act: &str) {
        let before = self.api.sandbox.state();
        let recipient = json!({"id": PSID}).to_string();
        let query = [("recipient", recipient.as_str()), ("target_app_id", OTHER_APP), ("duration", "3600")];
        let answer = self.api.post(&person_token(alias), &format!("/v25.0/me/{act}_thread_control"), &query).await;
        let after = self.api.sandbox.state();
        let owner = |state: &StateView| state.pages[PAGE_A].threads.get(PSID).and_then(|thread| thread.owner.clone());
        let changed = owner(&before) != owner(&after);
        if !before.tokens[alias].valid && (answer.status == 200 || changed) {
            self.problem = Some(format!("{alias} is dead, and may still {act}: {}", answer.text));
        }
        if changed && act == "take" && owner(&after).as_deref() != Some(APP) {
            self.problem = Some(format!("{act} made {:?} the owner", owner(&after)));
        }
    }

    /// A good token holds all it was issued with that its grant still has.
    fn check_issued(&self) -> Result<(), String> {
        let grants = self.api.sandbox.grants();
        let Some(grant) = grants.iter().find(|grant| grant.app == APP && grant.user == PERSON) else {
            return Ok(());
        };
        let state = self.api.sandbox.state();
        for alias in ["long", "short", "page-a", "page-b"] {
            let Some(token) = state.tokens.get(alias).filter(|token| token.valid) else { continue };
            for scope in ["pages_show_list", "pages_manage_metadata", "pages_messaging"] {
                if grant.scopes.contains_key(scope) && !token.scopes.iter().any(|held| held == scope) {
                    return Err(format!("{alias} did not get {scope} back"));
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        invariants::check(&self.api.sandbox)?;
        self.check_issued()?;
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        match self.spent.values().find(|count| **count > 1) {
            None => Ok(()),
            Some(count) => Err(format!("a code was exchanged {count} times")),
        }
    }
}

/// Takes the steps one after the other, and looks whether the state is possible after each.
async fn play(seed: Seed, client: reqwest::Client, steps: Vec<Step>) -> Result<(), String> {
    let sandbox = Sandbox::start(seed, Options::default()).await.unwrap();
    let mut play = Play::new(Api { sandbox, client });
    for step in steps {
        let taken = format!("{step:?}");
        play.take(step).await;
        play.check().map_err(|problem| format!("after {taken}: {problem}"))?;
    }
    play.api.sandbox.stop().await;
    Ok(())
}

#[test]
fn no_sequence_of_calls_and_events_makes_the_state_impossible() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 200, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..25);
    // Reading the seed and making a client take longer than a case.
    let (seed, client) = (Seed::from_yaml(PEOPLE).unwrap(), client());
    let outcome = TestRunner::new(config)
        .run(&steps, |steps| runtime.block_on(play(seed.clone(), client.clone(), steps)).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[tokio::test]
async fn a_token_that_is_good_again_holds_no_more_than_was_granted_since() {
    let steps = vec![Step::RemoveApp { robot: false }, Step::Put { scopes: vec![] }, Step::Restore { alias: 0 }];
    play(Seed::from_yaml(PEOPLE).unwrap(), client(), steps).await.unwrap();
}
