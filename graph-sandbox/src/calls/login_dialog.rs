//! `/dialog/oauth`: a stand-in for the login dialog of www.facebook.com.
//!
//! A browser gets a page with a chooser and two buttons; a test may post the form right away.

mod page;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use url::{Host, Url};

use super::oauth::find_app;
use crate::auth::check_app;
use crate::callback;
use crate::core::Core;
use crate::id::{Id, Ids};
use crate::protocol::{GraphError, GraphRequest, Params, Reply, Version};
use crate::seed::SeedLoginConfiguration;
use crate::switches::{LoginPkce, RefusedLoginCode};
use crate::world::{App, World};

/// What an app asks a person for.
struct Request<'w> {
    app: &'w App,
    redirect_uri: &'w str,
    scopes: Vec<String>,
    /// The system user whose token the code gives, if it is none of the person's.
    system_user: Option<Id>,
}

/// A refusal, as a page for the person.
struct Refusal {
    title: &'static str,
    text: String,
}

fn refuse(title: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { title, text: text.into() }
}

/// Shows the dialog, or carries the person's decision out.
pub(crate) fn serve(
    core: &Arc<Core>,
    request: GraphRequest,
    version: Version,
    without_effect: bool,
    now: Timestamp,
) -> Reply {
    if let Some(error) = request.unreadable {
        return Reply::error(error, Some(version));
    }
    let params = &request.params;
    let mut world = core.world.lock();
    let reply = match request.method.as_str() {
        "GET" | "POST" if refuses_challenge(&world, params) => {
            let error = [("error", "invalid_request"), ("error_description", "code_challenge is not supported")];
            read(&world, params).and_then(|asked| back(&world, asked.redirect_uri, &error, params.get("state")))
        }
        "GET" => read(&world, params).map(|asked| Reply::page(200, &page::chooser(&world, &asked, params))),
        "POST" => decide(&mut world, params, without_effect, now),
        _ => return Reply::error(GraphError::unsupported(request.method.as_str(), "dialog"), Some(version)),
    };
    reply.unwrap_or_else(|Refusal { title, text }| Reply::page(400, &page::error(title, &text)))
}

fn refuses_challenge(world: &World, params: &Params) -> bool {
    world.switches.login_pkce == LoginPkce::Refused && params.get("code_challenge").is_some()
}

/// Sends the browser back without a decision, with parameters of someone's choice.
pub(crate) fn send_back(core: &Core, request: &GraphRequest, parameters: &BTreeMap<String, String>) -> Reply {
    let world = core.world.lock();
    let query: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let params = &request.params;
    let reply = read(&world, params).and_then(|asked| back(&world, asked.redirect_uri, &query, params.get("state")));
    reply.unwrap_or_else(|Refusal { title, text }| Reply::page(400, &page::error(title, &text)))
}

/// Reads what the app asks for; everything wrong is told to the person, never to the redirect URI.
fn read<'w>(world: &'w World, params: &'w Params) -> Result<Request<'w>, Refusal> {
    let app = find_app(world, params.get("client_id").unwrap_or_default());
    let app = app.map_err(|_| refuse("Invalid App ID", "The provided app ID does not look like a valid app ID."))?;
    check_app(app).map_err(|error| refuse("App not active", error.message))?;
    let redirect_uri = params.get("redirect_uri").filter(|uri| app.redirect_uris.contains(*uri)).ok_or_else(|| {
        refuse(
            "URL Blocked",
            "This redirect failed because the redirect URI is not whitelisted in the app's Client OAuth Settings. \
             Make sure Client and Web OAuth Login are on and add all your app domains as Valid OAuth Redirect URIs.",
        )
    })?;
    if params.get("response_type").is_some_and(|kind| kind != "code") {
        return Err(refuse("Invalid response_type", "The only response_type here is code."));
    }
    if params.get("code_challenge").is_some() && params.get("code_challenge_method") != Some("S256") {
        return Err(refuse("Invalid code_challenge_method", "The only code_challenge_method here is S256."));
    }
    let (scopes, system_user) = asked_for(app, params)?;
    Ok(Request { app, redirect_uri, scopes, system_user })
}

/// The scopes, and the system user who is to have them.
fn asked_for(app: &App, params: &Params) -> Result<(Vec<String>, Option<Id>), Refusal> {
    let Some(id) = params.get("config_id") else { return Ok((asked_scopes(params)?, None)) };
    match id.parse::<Id>().ok().and_then(|id| app.login_configurations.get(&id)) {
        Some(SeedLoginConfiguration::Scopes(scopes)) => Ok((scopes.clone(), None)),
        Some(SeedLoginConfiguration::SystemUser { scopes, system_user }) => {
            Ok((scopes.clone(), Some(system_user.clone())))
        }
        None => Err(refuse("Invalid config_id", "The app has no such login configuration.")),
    }
}

fn asked_scopes(params: &Params) -> Result<Vec<String>, Refusal> {
    let scopes = params.list("scope").map_err(|error| refuse("Invalid Scopes", error.message))?.unwrap_or_default();
    let is_word = |scope: &String| scope.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match scopes.iter().find(|scope| !is_word(scope)) {
        None => Ok(scopes),
        Some(bad) => Err(refuse("Invalid Scopes", format!("Invalid Scopes: {bad}."))),
    }
}

fn decide(world: &mut World, params: &Params, without_effect: bool, now: Timestamp) -> Result<Reply, Refusal> {
    let asked = read(world, params)?;
    let (app, redirect_uri, scopes) = (asked.app.id.clone(), asked.redirect_uri.to_owned(), asked.scopes);
    let system_user = asked.system_user;
    let state = params.get("state");
    if params.get("decision") != Some("continue") {
        let mut denied = vec![("error", "access_denied")];
        if world.switches.refused_login_code == RefusedLoginCode::Present {
            denied.push(("error_code", "200"));
        }
        denied.extend([("error_description", "Permissions error"), ("error_reason", "user_denied")]);
        return back(world, &redirect_uri, &denied, state);
    }
    let person = params.get("person").and_then(|id| id.parse::<Id>().ok());
    let person = person.filter(|id| world.is_person(id));
    let person = person.ok_or_else(|| refuse("Log in", "Choose one of the people of the sandbox."))?;
    let pages = chosen_pages(params)?;
    if without_effect {
        return back(world, &redirect_uri, &[("code", "without-effect")], state);
    }
    let grantor = system_user.unwrap_or(person);
    let issued = world.consent(&app, &grantor, &scopes, pages, now);
    let challenge = params.get("code_challenge").map(str::to_owned);
    let code = world.codes.issue(app, grantor, redirect_uri.clone(), issued, challenge, now);
    back(world, &redirect_uri, &[("code", &code)], state)
}

/// The pages the person opted in to; nothing: all, also those to come.
fn chosen_pages(params: &Params) -> Result<Option<Ids>, Refusal> {
    let bad = || refuse("Invalid pages", "A page is named by its id.");
    let listed = params.list("pages").map_err(|_| bad())?;
    let all = match params.get("opt_in") {
        // Boxes ticked before this was chosen do not count.
        Some("all") => true,
        Some("selected") => false,
        _ => listed.is_none(),
    };
    if all {
        return Ok(None);
    }
    let ids = listed.iter().flatten().map(|id| id.parse::<Id>());
    ids.collect::<Result<_, _>>().map(Some).map_err(|_| bad())
}

/// Sends the browser back to the app, or to what stands in for its host.
fn back(world: &World, redirect_uri: &str, query: &[(&str, &str)], state: Option<&str>) -> Result<Reply, Refusal> {
    let real = Url::parse(redirect_uri).map_err(|error| refuse("URL Blocked", error.to_string()))?;
    // A browser finds its own machine, and needs no stand-in that lacks TLS: it would not send its cookies there.
    let stand_in = callback::stand_in(&world.resolve, &real).ok().filter(|_| !is_this_machine(&real));
    let mut to = stand_in.unwrap_or(real);
    to.query_pairs_mut().extend_pairs(query).extend_pairs(state.map(|state| ("state", state)));
    Ok(Reply::redirect(to.as_str()))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
