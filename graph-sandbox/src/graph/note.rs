//! What the ledger notes of a request when it arrives.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::auth::{Known, proof_matches, recognize};
use crate::calls::USUAL_ROWS;
use crate::faults::Subject;
use crate::id::Id;
use crate::ledger::{LedgerEntry, ProofUse, TokenUse, is_plain_word, plain_url, plain_word};
use crate::protocol::{GraphRequest, Node, Route, TokenPlace, fields};
use crate::seed::TokenKind;
use crate::world::World;

/// Parameters whose values are noted; whatever else a client sends might be a secret.
const PLAIN_PARAMETERS: &[&str] = &["object", "status", "permission", "include_values", "limit", "include_headers"];
/// Parameters that hold a token the call is about.
const INSPECTED: &[&str] = &["input_token", "fb_exchange_token", "revoke_token"];
const HIDDEN: &str = "<hidden>";
const GRANT_TYPES: &[&str] = &["authorization_code", "fb_exchange_token", "client_credentials"];

/// Notes a request; also what the fault rules see of it.
pub(super) fn note(
    world: &World,
    now: Timestamp,
    request: &GraphRequest,
    destination: Option<&(Route, Node)>,
) -> (LedgerEntry, Subject) {
    let token = request.token.as_ref().map(|(text, place)| token_use(world, text.expose_secret(), Some(*place)));
    let inspected = INSPECTED.iter().find_map(|name| request.params.get(name));
    let inspected = inspected.map(|text| token_use(world, text, None));
    let template = destination.map(|(route, _)| route.template());
    let mut entry = LedgerEntry {
        time: now,
        batch: request.batch,
        method: request.method.to_string(),
        path: plain_path(request),
        template: template.map(str::to_owned),
        version: request.version.map(|version| version.to_string()),
        proof: proof_use(world, request),
        ..LedgerEntry::default()
    };
    note_params(&mut entry, request);
    let mut subject = subject(&entry, request, template);
    if let Some((_, node)) = destination {
        entry.node = node.id().map(str::to_owned);
        subject.pages.extend(node.page().cloned());
        match node {
            Node::App(id) => subject.apps.push(id.clone()),
            Node::Actor(id) => subject.users.push(id.clone()),
            _ => {}
        }
    }
    subject.apps.extend(request.params.get("client_id").and_then(|id| id.parse::<Id>().ok()));
    if destination.is_some_and(|(route, _)| *route == Route::Ids) {
        note_ids(world, request, &mut entry, &mut subject);
    }
    for token in token.iter().chain(&inspected) {
        let id = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Id>().ok());
        subject.apps.extend(id(&token.app));
        subject.pages.extend(id(&token.page));
        subject.users.extend(id(&token.user));
        subject.aliases.extend(token.alias.clone());
    }
    entry.token = token;
    entry.inspected = inspected;
    (entry, subject)
}

/// What the fault rules see of a request beside its token and its node.
fn subject(entry: &LedgerEntry, request: &GraphRequest, template: Option<&'static str>) -> Subject {
    Subject {
        method: entry.method.clone(),
        template,
        version: entry.version.clone(),
        fields: [&entry.fields[..], &entry.subscribed_fields[..]].concat(),
        parameters: request.params.iter().map(|(name, _)| name.to_owned()).collect(),
        limit: request.params.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(USUAL_ROWS),
        time: entry.time,
        batched: request.batch.is_some(),
        ..Subject::default()
    }
}

/// A read of several ids is about all of them.
fn note_ids(world: &World, request: &GraphRequest, entry: &mut LedgerEntry, subject: &mut Subject) {
    let ids: Vec<Id> =
        request.params.list("ids").ok().flatten().unwrap_or_default().iter().flat_map(|id| id.parse()).collect();
    entry.params.insert("ids".to_owned(), ids.iter().map(Id::as_str).collect::<Vec<_>>().join(","));
    subject.apps.extend(ids.iter().filter(|id| world.apps.contains_key(id)).cloned());
    subject.pages.extend(ids.into_iter().filter(|id| world.pages.contains_key(id)));
}

fn note_params(entry: &mut LedgerEntry, request: &GraphRequest) {
    let selected = request.params.get("fields").and_then(|text| fields::parse(text).ok()).unwrap_or_default();
    entry.fields = selected.iter().map(|field| plain_word(&field.name)).collect();
    let subscribed = request.params.list("subscribed_fields").ok().flatten().unwrap_or_default();
    entry.subscribed_fields = subscribed.iter().map(|name| plain_word(name)).collect();
    for (name, value) in request.params.iter() {
        if name == "fields" || name == "subscribed_fields" || !is_plain_word(name) {
            continue;
        }
        let value = match name {
            "callback_url" | "redirect_uri" => plain_url(value),
            // Someone might put a secret there by mistake, but no secret is an id or one of these words.
            "client_id" if value.parse::<Id>().is_ok() => value.to_owned(),
            "grant_type" if GRANT_TYPES.contains(&value) => value.to_owned(),
            _ if PLAIN_PARAMETERS.contains(&name) => plain_word(value),
            _ => HIDDEN.to_owned(),
        };
        entry.params.insert(name.to_owned(), value);
    }
}

fn token_use(world: &World, text: &str, place: Option<TokenPlace>) -> TokenUse {
    let nothing = TokenUse { kind: None, app: None, page: None, user: None, alias: None, place };
    match recognize(world, text) {
        Ok(Known::App(app)) => TokenUse { kind: Some(TokenKind::App), app: Some(app.id.to_string()), ..nothing },
        Ok(Known::Issued(token)) => TokenUse {
            kind: Some(token.kind),
            app: Some(token.app.to_string()),
            page: token.page.as_ref().map(Id::to_string),
            user: token.user.as_ref().map(Id::to_string),
            alias: token.alias.clone(),
            ..nothing
        },
        Err(_) => nothing,
    }
}

fn proof_use(world: &World, request: &GraphRequest) -> ProofUse {
    let Some(proof) = &request.proof else {
        return ProofUse::Absent;
    };
    let right = request.token.as_ref().is_some_and(|(text, _)| {
        let text = text.expose_secret();
        let known = recognize(world, text).ok();
        let app = known.and_then(|known| world.apps.get(known.app_id()));
        app.is_some_and(|app| proof_matches(app, text, proof))
    });
    if right { ProofUse::Valid } else { ProofUse::Invalid }
}

fn plain_path(request: &GraphRequest) -> String {
    let version = request.version.map(|version| version.to_string());
    let rest = request.segments.iter().map(|segment| plain_word(segment));
    version.into_iter().chain(rest).fold(String::new(), |path, segment| path + "/" + &segment)
}
