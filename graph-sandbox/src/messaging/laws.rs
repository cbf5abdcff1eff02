//! Laws of routing that hold after any sequence of events, and the payloads of single acts.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Desk, Outcome, Refusal, Sight};
use crate::id::Id;
use crate::seed::Seed;
use crate::webhooks::{Occurrence, Place};
use crate::world::{Page, Thread, WEEK, World};

const PAGE: &str = "2200000000000001";
const ACME: &str = "1111000011110000";
const OTHER: &str = "9999000099990000";
const INBOX: &str = "263902037430900";
const PSID: &str = "7700000000000001";

const SEED: &str = "
apps:
  - {id: 1111000011110000, name: Acme, secret: a}
  - {id: 9999000099990000, name: Other, secret: b}
pages:
  - id: 2200000000000001
    name: Shop
    subscriptions:
      - {app: 1111000011110000, fields: []}
      - {app: 9999000099990000, fields: []}
      - {app: 263902037430900, fields: []}
";

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

/// A world with one page, perhaps with a default app, where every app may take threads.
struct Stage {
    world: World,
    now: Timestamp,
}

impl Stage {
    fn new(default_app: Option<&str>) -> Self {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut world = World::new(Seed::from_yaml(SEED).unwrap(), now).unwrap();
        let page = world.pages.get_mut(&id(PAGE)).unwrap();
        page.messaging.default_app = default_app.map(id);
        page.messaging.take_control = [ACME, OTHER].map(id).into();
        Self { world, now }
    }

    fn page(&self) -> &Page {
        &self.world.pages[&id(PAGE)]
    }

    fn desk(&self) -> Desk<'_> {
        Desk::new(self.page(), &self.world.switches, self.now)
    }

    fn thread(&self, psid: &str) -> Thread {
        self.desk().thread(&id(psid)).unwrap_or_else(|_| Thread::new(id(psid), "Casey".into(), self.now))
    }

    fn owner(&self) -> Option<Id> {
        self.thread(PSID).owner(self.now).cloned()
    }

    /// Keeps the thread; what is told comes back.
    fn keep(&mut self, outcome: Outcome) -> Vec<Occurrence> {
        let threads = &mut self.world.pages.get_mut(&id(PAGE)).unwrap().messaging.threads;
        threads.insert(outcome.thread.psid.clone(), outcome.thread);
        outcome.told
    }

    fn message(&mut self, psid: &str) -> Vec<Occurrence> {
        let outcome = self.desk().customer_writes(self.thread(psid), "m_1", "hi");
        self.keep(outcome)
    }

    fn pass(&mut self, from: &str, to: Option<&str>) -> Result<Vec<Occurrence>, Refusal> {
        let outcome = self.desk().pass(self.thread(PSID), &id(from), to.map(id).as_ref(), Some("why"))?;
        Ok(self.keep(outcome))
    }

    fn take(&mut self, app: &str) -> Result<Vec<Occurrence>, Refusal> {
        let outcome = self.desk().take(self.thread(PSID), &id(app), Some("why"))?;
        Ok(self.keep(outcome))
    }

    fn release(&mut self, app: &str) -> Result<Vec<Occurrence>, Refusal> {
        let outcome = self.desk().release(self.thread(PSID), &id(app))?;
        Ok(self.keep(outcome))
    }
}

/// Panics if a page's conversations contradict themselves. For any world, after anything.
pub(crate) fn uphold(world: &World, now: Timestamp) {
    for page in world.pages.values() {
        let desk = Desk::new(page, &world.switches, now);
        let default = page.messaging.default_app.as_ref();
        let apps: Vec<&Id> = world.apps.keys().chain(page.subscriptions.keys()).chain(default).collect();
        for (psid, thread) in &page.messaging.threads {
            assert_eq!(psid, &thread.psid);
            let owner = thread.owner(now);
            assert!(thread.control(now).is_none_or(|control| control.until > now), "an owner whose time is over");
            for app in &apps {
                let named = matches!(desk.sight(thread, app), Sight::Owner(..));
                assert_eq!(named, owner.is_some() && (owner == Some(*app) || default == Some(*app)), "{app}");
                let may_write = desk.check_speaker(thread, app).is_ok();
                assert_eq!(may_write, default.is_none_or(|default| owner.unwrap_or(default) == *app), "{app}");
                if default.is_none() {
                    assert_eq!(desk.take(thread.clone(), app, None).err(), Some(Refusal::RoutingOff));
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Message(usize),
    Pass { from: usize, to: usize },
    Take(usize),
    Release(usize),
    Extend(usize, i64),
    Reply(usize),
    Default(Option<usize>),
    Clock(i64),
}

/// In the order of their ids as text.
const APPS: [&str; 3] = [ACME, INBOX, OTHER];

fn step() -> impl Strategy<Value = Step> {
    let app = 0..APPS.len();
    prop_oneof![
        3 => (0..2_usize).prop_map(Step::Message),
        2 => (app.clone(), app.clone()).prop_map(|(from, to)| Step::Pass { from, to }),
        2 => app.clone().prop_map(Step::Take),
        1 => app.clone().prop_map(Step::Release),
        1 => (app.clone(), 1..WEEK.as_secs()).prop_map(|(app, span)| Step::Extend(app, span)),
        1 => app.clone().prop_map(Step::Reply),
        1 => proptest::option::of(app).prop_map(Step::Default),
        2 => (-100_000..200_000_i64).prop_map(Step::Clock),
    ]
}

/// Every app hears a person's message once; while routing is on one alone in `messaging[]`.
fn check_heard(stage: &Stage, psid: &str, before: Option<Id>, told: &[Occurrence]) {
    let hearers =
        |place| -> Vec<&str> { told.iter().filter(|told| told.place == place).map(|told| told.app.as_str()).collect() };
    let mut all: Vec<&str> = told.iter().map(|told| told.app.as_str()).collect();
    all.sort_unstable();
    assert_eq!(all, APPS);
    match &stage.page().messaging.default_app {
        None => assert_eq!(hearers(Place::Messaging).len(), APPS.len()),
        Some(default) => {
            let expected = before.unwrap_or_else(|| default.clone());
            assert_eq!(hearers(Place::Messaging), [expected.as_str()]);
            assert_eq!(stage.thread(psid).owner(stage.now), Some(&expected));
        }
    }
    for told in told {
        assert_eq!(told.field, if told.place == Place::Standby { "standby" } else { "messages" });
    }
}

fn carry_out(stage: &mut Stage, step: &Step) {
    match step {
        Step::Message(person) => {
            let psid = [PSID, "7700000000000002"][*person];
            let before = stage.thread(psid).owner(stage.now).cloned();
            let told = stage.message(psid);
            check_heard(stage, psid, before, &told);
        }
        Step::Pass { from, to } => {
            let owner = stage.owner();
            let passed = stage.pass(APPS[*from], Some(APPS[*to])).is_ok();
            assert_eq!(passed, owner.is_none_or(|owner| owner == APPS[*from]));
        }
        Step::Take(app) => {
            let owner = stage.owner();
            if let Ok(told) = stage.take(APPS[*app]) {
                assert_eq!(stage.owner().unwrap(), APPS[*app]);
                assert_eq!(told.len(), usize::from(owner.is_some_and(|owner| owner != APPS[*app])));
            }
        }
        Step::Release(app) => {
            let owner = stage.owner();
            let released = stage.release(APPS[*app]).is_ok();
            assert_eq!(released, owner.is_some_and(|owner| owner == APPS[*app]));
            assert!(!released || stage.owner().is_none());
        }
        Step::Extend(app, seconds) => {
            let before = stage.thread(PSID).control(stage.now).cloned();
            let span = SignedDuration::from_secs(*seconds);
            if let Ok(outcome) = stage.desk().extend(stage.thread(PSID), &id(APPS[*app]), span) {
                stage.keep(outcome);
                let after = stage.thread(PSID).control(stage.now).cloned().unwrap();
                assert!(after.until >= before.unwrap().until, "control became shorter");
            }
        }
        Step::Reply(app) => {
            let thread = stage.thread(PSID);
            let may = stage.desk().check_speaker(&thread, &id(APPS[*app])).is_ok();
            let owner = stage.owner();
            if may {
                let outcome = stage.desk().page_writes(thread, &id(APPS[*app]), "m_2", &json!({"text": "yes"}));
                stage.keep(outcome);
            }
            assert_eq!(stage.owner(), owner, "an answer changes no owner");
        }
        Step::Default(app) => {
            let page = stage.world.pages.get_mut(&id(PAGE)).unwrap();
            page.messaging.default_app = app.map(|app| id(APPS[app]));
        }
        Step::Clock(seconds) => stage.now = stage.now.checked_add(SignedDuration::from_secs(*seconds)).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_of_routing_survive_any_sequence(steps in proptest::collection::vec(step(), 1..60)) {
        let mut stage = Stage::new(Some(ACME));
        for step in &steps {
            carry_out(&mut stage, step);
            uphold(&stage.world, stage.now);
        }
    }
}

fn items(told: &[Occurrence]) -> Vec<(&str, &str, Value)> {
    told.iter().map(|told| (told.app.as_str(), told.field, told.item.clone())).collect()
}

/// An item from the person to the page at the stage's moment.
fn item(kind: &str, content: &Value) -> Value {
    json!({"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": 1_795_341_600_000_u64, kind: content})
}

#[test]
fn a_message_goes_to_the_default_app_and_beside_it_to_the_others() {
    let mut stage = Stage::new(Some(ACME));
    let expected = item("message", &json!({"mid": "m_1", "text": "hi"}));
    let told = stage.message(PSID);
    let places: Vec<Place> = told.iter().map(|told| told.place).collect();
    assert_eq!(places, [Place::Messaging, Place::Standby, Place::Standby]);
    assert_eq!(
        items(&told),
        [(ACME, "messages", expected.clone()), (INBOX, "standby", expected.clone()), (OTHER, "standby", expected)]
    );
}

#[test]
fn a_change_of_hands_is_told_to_the_one_it_concerns() {
    let mut stage = Stage::new(Some(ACME));
    let handed = |previous: Value, new: &str| json!({"previous_owner_app_id": previous, "new_owner_app_id": new, "metadata": "why"});
    let passed = stage.pass(ACME, Some(OTHER)).unwrap();
    let item_of_pass = item("pass_thread_control", &handed(Value::Null, OTHER));
    assert_eq!(items(&passed), [(OTHER, "messaging_handovers", item_of_pass)]);
    let taken = stage.take(ACME).unwrap();
    let item_of_take = item("take_thread_control", &handed(OTHER.into(), ACME));
    assert_eq!(items(&taken), [(OTHER, "messaging_handovers", item_of_take)]);
    assert!(stage.release(ACME).unwrap().is_empty());
    assert!(stage.take(OTHER).unwrap().is_empty(), "taken from idle");
    // Without a target the default app gets it; numbers where the switch says so.
    stage.world.switches.set("event_app_ids", "numbers").unwrap();
    let back = stage.pass(OTHER, None).unwrap();
    let expected = json!({
        "previous_owner_app_id": 9_999_000_099_990_000_u64, "new_owner_app_id": 1_111_000_011_110_000_u64,
        "metadata": "why",
    });
    assert_eq!(items(&back), [(ACME, "messaging_handovers", item("pass_thread_control", &expected))]);
}

#[test]
fn a_request_reaches_the_owner_else_every_other_app() {
    let mut stage = Stage::new(None);
    let expected = item("request_thread_control", &json!({"requested_owner_app_id": ACME}));
    let request = |stage: &Stage| stage.desk().request(stage.thread(PSID), &id(ACME), None).unwrap().told;
    let hearers: Vec<String> = request(&stage).iter().map(|told| told.app.to_string()).collect();
    assert_eq!(hearers, [INBOX, OTHER]);
    stage.pass(INBOX, Some(OTHER)).unwrap();
    assert_eq!(items(&request(&stage)), [(OTHER, "messaging_handovers", expected)]);
}

#[test]
fn an_echo_names_the_sender_and_swaps_the_parties() {
    let mut stage = Stage::new(Some(ACME));
    stage.message(PSID);
    let message = json!({"text": "yes", "metadata": "ours", "quick_replies": []});
    let echo = |stage: &Stage| stage.desk().page_writes(stage.thread(PSID), &id(ACME), "m_2", &message).told;
    let expected = json!({
        "sender": {"id": PAGE}, "recipient": {"id": PSID}, "timestamp": 1_795_341_600_000_u64,
        "message": {"mid": "m_2", "is_echo": true, "app_id": ACME, "text": "yes", "metadata": "ours"},
    });
    let told = echo(&stage);
    assert_eq!(items(&told), [ACME, INBOX, OTHER].map(|app| (app, "message_echoes", expected.clone())));
    stage.world.switches.set("echo_place", "standby").unwrap();
    let told = echo(&stage);
    let fields: Vec<&str> = told.iter().map(|told| told.field).collect();
    assert_eq!(fields, ["message_echoes", "standby", "standby"]);
}

#[test]
fn a_reply_by_staff_takes_the_thread_first() {
    let mut stage = Stage::new(Some(ACME));
    stage.message(PSID);
    let outcome = stage.desk().staff_writes(stage.thread(PSID), &id(INBOX), "m_2", &json!({"text": "yes"}));
    let told = stage.keep(outcome.unwrap());
    let fields: Vec<&str> = told.iter().map(|told| told.field).collect();
    assert_eq!(fields, ["messaging_handovers", "message_echoes", "message_echoes", "message_echoes"]);
    assert_eq!(stage.owner().unwrap(), INBOX);
}

#[test]
fn a_role_is_told_without_a_sender() {
    let mut stage = Stage::new(Some(ACME));
    let role = |stage: &Stage| stage.desk().role(&id(ACME), "primary_receiver").item;
    let of = |recipient: &str| {
        json!({"recipient": {"id": recipient}, "timestamp": 1_795_341_600_000_u64,
            "app_roles": {ACME: ["primary_receiver"]}})
    };
    assert_eq!(role(&stage), of(PAGE));
    stage.message(PSID);
    stage.world.switches.set("app_roles_recipient", "psid").unwrap();
    assert_eq!(role(&stage), of(PSID));
}

#[test]
fn a_change_of_the_default_app_may_be_told_to_both() {
    let mut stage = Stage::new(Some(ACME));
    let told = |stage: &Stage, new: Option<&str>| -> Vec<(String, Value)> {
        let told = stage.desk().default_app_changes(new.map(id).as_ref());
        told.into_iter().map(|told| (told.app.to_string(), told.item["app_roles"].clone())).collect()
    };
    assert!(told(&stage, Some(OTHER)).is_empty());
    stage.world.switches.set("default_app_event", "told").unwrap();
    assert!(told(&stage, Some(ACME)).is_empty());
    let fallen = (ACME.to_owned(), json!({ACME: ["secondary_receiver"]}));
    assert_eq!(told(&stage, Some(OTHER)), [(OTHER.to_owned(), json!({OTHER: ["primary_receiver"]})), fallen.clone()]);
    assert_eq!(told(&stage, None), [fallen]);
}
