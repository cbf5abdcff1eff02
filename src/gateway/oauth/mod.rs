//! Reauthorising in the browser: a long user token cannot be renewed without its person.
//!
//! 1. `start`: a constant page without secrets says what is asked for. Only a click begins: it mints a state, keeps it
//!    in the browser's cookie and sends the person to Meta's login dialog.
//! 2. `callback`: where Meta sends the person back to. It checks the state, reads what Meta says (`answer`), exchanges the
//!    code, looks at what was granted (`candidate`), and leads away at once, so that neither code nor state stays in address
//!    bar or history.
//! 3. `confirm`: says what became of it. Only when the person agrees there, the token is put into the mailbox (`mailbox`),
//!    from which the operator takes it. What does not do ends in `endings`.
//!
//! What lies between the steps is kept by the browser, in a cookie for each flow (`cookie`) that is sealed with a key derived from the app secret
//! (`seal`). So any replica can go on where another one began, a click leaves nothing in a cluster that the whole Internet
//! could fill, and the gateway needs no right to read what it stored. What a cookie cannot do is to forget: that a state
//! is used once is ensured by creating an object named by its hash, since only one of many can create it.

mod answer;
mod callback;
mod candidate;
mod confirm;
mod cookie;
mod endings;
mod flow;
mod grants;
mod http;
mod mailbox;
mod pages;
mod redeem;
mod returning;
mod seal;
mod start;
mod strays;
mod verifier;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use kube::{Api, Client};
use reqwest::Url;
use tokio::sync::Semaphore;

use super::keyring::{AppKeys, Keyring};
use crate::api::MetaApp;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::graph::{AppCredentials, AppSecret, GraphClient, Version};
use crate::meta_app;
use crate::metrics::Metrics;
use flow::Flow;
use grants::Grant;
pub(super) use grants::Grants;
use mailbox::Mailbox;
use returning::Returning;
use seal::Sealer;
use strays::Strays;

/// Logins that Meta is asked about at once: who comes back from it waits for some answers.
const LOGINS: usize = 8;

/// The largest form that is read: ours has two short fields.
const LARGEST_FORM: usize = 1024;

/// The permission without which Meta does not list pages that belong to a business.
const BUSINESS_PAGES: &str = "business_management";

/// What every request shares.
pub(super) struct OAuth {
    clock: Clock,
    graph: GraphClient,
    grants: Arc<Grants>,
    keyring: Arc<Keyring>,
    login_url: Url,
    logins: Semaphore,
    mailbox: Mailbox,
    metrics: Metrics,
    /// Whether Meta refused a proof of a code.
    proof_was_refused: AtomicBool,
    returning: Returning,
    strays: Strays,
}

/// What the application of a grant brings to a login.
struct App {
    name: String,
    credentials: AppCredentials,
    version: Version,
    redirect_uri: Url,
    /// The permissions without which nothing works.
    required: Vec<String>,
    /// The configuration of Facebook Login for Business that says what is asked for, if there is one.
    config_id: Option<String>,
}

impl App {
    /// The application, if people can log in to it now.
    fn of(keys: &AppKeys) -> Option<Self> {
        let app = &keys.app;
        let status = app.status.as_ref()?;
        let redirect_uri = Url::parse(status.oauth_redirect_uri.as_deref()?).ok()?;
        Some(App {
            name: status.app_name.clone().unwrap_or_else(|| app.spec.app_id.clone()),
            credentials: AppCredentials::new(&app.spec.app_id, keys.current_secret()?),
            version: meta_app::facts::version(app),
            redirect_uri,
            required: app.spec.required_permissions.clone(),
            config_id: config_id(app),
        })
    }
}

fn config_id(app: &MetaApp) -> Option<String> {
    app.spec.login.as_ref().and_then(|login| login.config_id.clone())
}

/// What the browser knows of a reauthorisation that it began.
struct Visit {
    grant: Arc<Grant>,
    app: App,
    flow: Flow,
    /// The app secret that it was begun with.
    secret: AppSecret,
}

/// Where people log in, and what comes of it.
pub(super) struct Login {
    /// Base URL of the login dialog.
    pub(super) url: Url,
    /// Namespace of the mailbox.
    pub(super) mailbox_namespace: String,
    /// Proxies of ours that a request passes.
    pub(super) proxies: u8,
    /// The one clock.
    pub(super) clock: Clock,
}

impl OAuth {
    pub(super) fn new(
        client: Client,
        graph: GraphClient,
        login: Login,
        grants: Arc<Grants>,
        keyring: Arc<Keyring>,
        metrics: Metrics,
    ) -> Self {
        let Login { url: login_url, mailbox_namespace, proxies, clock } = login;
        let mailbox = Mailbox(Api::namespaced(client, &mailbox_namespace));
        let (logins, returning) = (Semaphore::new(LOGINS), Returning::new(proxies));
        let strays = Strays::new(proxies);
        let proof_was_refused = AtomicBool::new(false);
        Self {
            clock,
            graph,
            grants,
            keyring,
            login_url,
            logins,
            mailbox,
            metrics,
            proof_was_refused,
            returning,
            strays,
        }
    }

    /// The application of a grant, if people can log in to it now. Why they cannot is no business of the public.
    fn app(&self, grant: &Grant) -> Option<App> {
        let keys = self.keyring.app(&grant.app())?;
        let app = &keys.app;
        // Labels of namespaces are read by the operator alone, which says in the grant what it found.
        let allowed = meta_app::allowed::allows(app, &grant.key().namespace, None);
        // Only a configuration gives a token that may take the place of a system user's.
        let no_person_can = grant.is_of_system_user() && config_id(app).is_none();
        if !allowed.unwrap_or_else(|| grant.found_its_app()) || no_person_can {
            return None;
        }
        App::of(&keys)
    }

    /// Whether people are asked by a configuration of Facebook Login for Business.
    fn has_configuration(&self, grant: &Grant) -> bool {
        self.keyring.app(&grant.app()).is_some_and(|keys| config_id(&keys.app).is_some())
    }

    /// What the browser began with this id, if it is something of ours.
    fn visit(&self, headers: &HeaderMap, id: &str) -> Option<Visit> {
        let (key, sealed) = cookie::read(headers, id)?;
        let grant = self.grants.get(&key)?;
        let app = self.app(&grant)?;
        // Whoever began before the app secret was rotated may end all the same.
        let secrets = self.keyring.app(&grant.app())?;
        let open = |(_, secret)| Some((Sealer::new(&secret, grant.uid())?.open(sealed)?, secret));
        let (flow, secret) = secrets.secrets().find_map(open)?;
        (flow.id() == id).then_some(Visit { grant, app, flow, secret })
    }

    /// The page for a browser that brought nothing of ours: it may be too early to say so.
    fn no_visit(&self, headers: &HeaderMap, id: &str) -> Response {
        if self.may_know_later(headers, id) {
            return http::page(self, StatusCode::SERVICE_UNAVAILABLE, pages::not_yet());
        }
        http::page(self, StatusCode::FORBIDDEN, pages::other_browser())
    }

    /// Whether what the browser brought with this id is about something that is not known yet.
    fn may_know_later(&self, headers: &HeaderMap, id: &str) -> bool {
        let Some((key, _)) = cookie::read(headers, id) else { return false };
        let Some(grant) = self.grants.get(&key) else { return !self.grants.are_known(&key.namespace) };
        let app = grant.app();
        self.keyring.app(&app).map_or_else(|| !self.keyring.knows_apps(&app), |keys| !keys.app_secret_is_known)
    }

    /// Counts and logs how a step ended. What anybody may cause at any rate fills no log.
    fn tell(&self, grant: Option<&Key>, outcome: &'static str) {
        self.metrics.gateway().reauthorisation(outcome);
        match grant {
            Some(grant) => tracing::info!(%grant, outcome, "reauthorisation in the browser"),
            None => tracing::debug!(outcome, "reauthorisation in the browser"),
        }
    }
}

/// The routes, for the public listener.
pub(super) fn routes(oauth: Arc<OAuth>) -> Router {
    Router::new()
        .route("/oauth/{namespace}/{grant}/{address}/start", get(start::show).post(start::begin))
        .route("/oauth/callback", get(callback::callback))
        .route("/oauth/confirm", get(confirm::show).post(confirm::decide).layer(DefaultBodyLimit::max(LARGEST_FORM)))
        .route("/oauth/other-browser", get(confirm::other_browser))
        .with_state(oauth)
}
