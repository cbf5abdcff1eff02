//! `POST /{page-id}/messages`.

use serde_json::{Value, json};

use super::attachments;
use super::call::Call;
use super::conversation::{messaging_page, recipient, refused, thread};
use crate::id::Id;
use crate::messaging::{Desk, Outcome, Refusal, message_id};
use crate::protocol::GraphError;
use crate::seed::{PermissionStatus, Reach};
use crate::switches::{LivePermission, LongText, Switches, UnknownPersona};
use crate::world::{App, DAY, Page, Thread, WEEK};

const MESSAGING_TYPES: &[&str] = &["RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"];
const SENDER_ACTIONS: &[&str] = &["TYPING_ON", "TYPING_OFF", "MARK_SEEN", "REACT", "UNREACT"];
/// The one tag that is left. CONFIRMED_EVENT_UPDATE, ACCOUNT_UPDATE and POST_PURCHASE_UPDATE are gone.
const TAGS: &[&str] = &["HUMAN_AGENT"];
const MAX_TEXT: usize = 2000;
const MAX_QUICK_REPLIES: usize = 13;

/// What is to be sent.
struct Order {
    psid: String,
    /// Nothing if it is only a sign such as "typing".
    message: Option<Value>,
    human_agent: bool,
    persona: Option<String>,
    control: Option<ControlOrder>,
}

/// What is to become of the thread after a send.
enum ControlOrder {
    Pass(Option<String>),
    Release,
}

/// Sends a message to a person.
pub(super) fn post(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let switches = world.switches.clone();
    let (page, token) = messaging_page(call, &world)?;
    let order = read(call, &switches)?;
    let desk = Desk::new(page, &switches, call.now);
    let thread = thread(&desk, &order.psid, &switches)?;
    let psid = thread.psid.clone();
    check_page(page)?;
    check_review(world.apps.get(&token.app), &thread, &world.switches)?;
    check_reach(thread.reach)?;
    desk.check_speaker(&thread, &token.app).map_err(|refusal| refused(refusal, &switches))?;
    check_window(call, &thread, order.human_agent)?;
    check_persona(page, order.persona.as_deref(), &switches)?;
    let Some(mut message) = order.message else {
        return Ok(json!({"recipient_id": psid}));
    };
    let use_of_saved = attachments::fetch(call, page, &mut message, &switches)?;
    let to_save = attachments::to_save(call, page, &message);
    let mid = message_id();
    let sent = desk.page_writes(thread, &token.app, &mid, &message);
    let outcome = after_send(&desk, sent, &token.app, order.control).map_err(|refusal| refused(refusal, &switches))?;
    let page = page.id.clone();
    let mut answer = json!({"recipient_id": psid, "message_id": mid});
    if let Some((id, _)) = &to_save {
        answer["attachment_id"] = id.as_str().into();
    }
    call.commit(&mut world, |world| {
        outcome.apply(&call.core.outbox, world, &page);
        if let Some(page) = world.pages.get_mut(&page) {
            page.messaging.attachments.extend(to_save);
            page.messaging.attachments.retain(|id, _| use_of_saved.as_ref() != Some(id));
        }
    });
    Ok(answer)
}

fn read(call: &Call, switches: &Switches) -> Result<Order, GraphError> {
    let psid = recipient(call)?;
    one_of(call, "messaging_type", MESSAGING_TYPES)?;
    one_of(call, "tag", TAGS)?;
    let human_agent = call.params.get("tag").is_some();
    if call.params.get("messaging_type") == Some("MESSAGE_TAG") && !human_agent {
        return Err(GraphError::missing_parameter("tag"));
    }
    let message = match (call.params.get("message"), call.params.get("sender_action")) {
        (Some(text), _) => Some(read_message(text, switches)?),
        (None, Some(action)) if SENDER_ACTIONS.contains(&action.to_ascii_uppercase().as_str()) => None,
        (None, Some(action)) => return Err(GraphError::not_one_of("sender_action", SENDER_ACTIONS, action)),
        (None, None) => return Err(GraphError::missing_parameter("message")),
    };
    let control = call.params.get("thread_control").map(read_control).transpose()?;
    let persona = call.params.get("persona_id").map(str::to_owned);
    Ok(Order { psid, message, human_agent, persona, control })
}

fn one_of(call: &Call, name: &str, accepted: &[&str]) -> Result<(), GraphError> {
    match call.params.get(name).filter(|given| !accepted.contains(given)) {
        None => Ok(()),
        Some(given) => Err(GraphError::not_one_of(name, accepted, given)),
    }
}

fn read_message(text: &str, switches: &Switches) -> Result<Value, GraphError> {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    if !message.is_object() {
        return Err(GraphError::parameter("Param message must be an object"));
    }
    let words = message.get("text").and_then(Value::as_str).filter(|words| !words.is_empty());
    let attached = message.get("attachment").is_some_and(Value::is_object)
        || message.get("attachments").is_some_and(Value::is_array);
    if words.is_none() && !attached {
        return Err(GraphError::parameter("Message cannot be empty, must provide valid attachment or text"));
    }
    let too_long = words.is_some_and(|words| words.chars().nth(MAX_TEXT).is_some());
    if too_long && switches.long_text == LongText::Refused {
        let message = format!("Length of param message[text] must be less than or equal to {MAX_TEXT}");
        return Err(GraphError::parameter(message));
    }
    let replies = message.get("quick_replies").and_then(Value::as_array).map_or(0, Vec::len);
    if replies > MAX_QUICK_REPLIES {
        return Err(GraphError::parameter(format_args!(
            "Param message[quick_replies] has too many elements: at most {MAX_QUICK_REPLIES}"
        )));
    }
    Ok(message)
}

fn read_control(text: &str) -> Result<ControlOrder, GraphError> {
    let order: Value = serde_json::from_str(text).unwrap_or_default();
    match order.get("control_type").and_then(Value::as_str) {
        Some("release") => Ok(ControlOrder::Release),
        Some("pass") => Ok(ControlOrder::Pass(match order.get("app_id") {
            Some(Value::String(app)) => Some(app.clone()),
            Some(Value::Number(app)) => Some(app.to_string()),
            _ => None,
        })),
        other => {
            Err(GraphError::not_one_of("thread_control[control_type]", &["pass", "release"], other.unwrap_or_default()))
        }
    }
}

/// Meta may bar a page from sending for a while.
fn check_page(page: &Page) -> Result<(), GraphError> {
    if page.messaging.barred_from_sending {
        let message = "(#10) This Page is temporarily restricted from sending messages";
        return Err(GraphError::new(10, message).subcode(1_893_063));
    }
    Ok(())
}

/// Whether an app may deal with this person: without review only with those who have a role on it.
pub(super) fn is_reviewed(app: Option<&App>, thread: &Thread, switches: &Switches) -> bool {
    let Some(app) = app else { return true };
    let roles_only = match app.permissions.get("pages_messaging") {
        Some(PermissionStatus::Unapproved) => true,
        Some(PermissionStatus::Live) => switches.live_permission == LivePermission::Roles,
        None => false,
    };
    !roles_only || thread.person.as_ref().is_some_and(|person| app.roles.contains_key(person))
}

fn check_review(app: Option<&App>, thread: &Thread, switches: &Switches) -> Result<(), GraphError> {
    if !is_reviewed(app, thread, switches) {
        return Err(GraphError::permission(
            "Cannot message users who are not admins, developers or testers of the app until pages_messaging \
             permission is reviewed and the app is live.",
        )
        .subcode(2_018_028));
    }
    Ok(())
}

fn check_persona(page: &Page, persona: Option<&str>, switches: &Switches) -> Result<(), GraphError> {
    let known = |persona: &str| persona.parse().is_ok_and(|id| page.messaging.personas.contains_key(&id));
    if persona.is_none_or(known) || switches.unknown_persona == UnknownPersona::Page {
        return Ok(());
    }
    Err(GraphError::parameter("Param persona_id must be the id of a persona of the Page"))
}

fn check_reach(reach: Reach) -> Result<(), GraphError> {
    let (code, subcode, message) = match reach {
        Reach::Reachable => return Ok(()),
        Reach::Unavailable => (551, 1_545_041, "This person isn't available right now."),
        Reach::NotReceiving => (
            10,
            2_018_108,
            "This Person Cannot Receive Messages: This person isn't receiving messages from you right now.",
        ),
        Reach::AutomatedFlow => (10, 2_018_321, "An automated flow is controlling this thread"),
    };
    Err(GraphError::new(code, format!("(#{code}) {message}")).subcode(subcode))
}

/// The window counts from the person's last message; a human agent has longer.
fn check_window(call: &Call, thread: &Thread, human_agent: bool) -> Result<(), GraphError> {
    let window = if human_agent { WEEK } else { DAY };
    if thread.heard_within(window, call.now) {
        return Ok(());
    }
    let message = "(#10) This message is sent outside of allowed window. Learn more about the new policy here: \
                   https://developers.facebook.com/docs/messenger-platform/policy-overview";
    Err(GraphError::new(10, message).subcode(2_018_278))
}

/// Passes or releases the thread in the same breath.
fn after_send(desk: &Desk<'_>, sent: Outcome, app: &Id, order: Option<ControlOrder>) -> Result<Outcome, Refusal> {
    let Outcome { thread, mut told } = sent;
    let Some(order) = order else {
        return Ok(Outcome { thread, told });
    };
    if desk.default_app().is_none() {
        return Err(Refusal::RoutingOff);
    }
    let after = match order {
        ControlOrder::Release => desk.release(thread, app)?,
        ControlOrder::Pass(to) => {
            let to = to.map(|to| to.parse::<Id>().map_err(|_| Refusal::UnknownApp)).transpose()?;
            desk.pass(thread, app, to.as_ref(), None)?
        }
    };
    told.extend(after.told);
    Ok(Outcome { thread: after.thread, told })
}
