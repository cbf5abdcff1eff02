//! A browser, as far as the gateway sees one: it keeps the cookies, follows nothing on its own and remembers what it was shown.

use anyhow::{Context, Result, ensure};
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use sha2::{Digest, Sha256};
use testkit::wait_for;

use crate::support::env::PATIENCE;
use crate::support::oauth_fixture::{APP_REDIRECT, SCOPES, start};

pub struct Browser {
    client: Client,
    pub base: String,
    /// Where grants say their addresses, if an operator does.
    pub cluster: Option<kube::Client>,
    /// What a proxy says of where it is.
    pub client_address: Option<String>,
    /// Each as `name=value`, as it is sent.
    pub cookies: Vec<String>,
    /// Every answer of the gateway: status, headers but for the values of cookies, and body.
    pub shown: Vec<String>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Where it leads, which must be within the gateway.
    pub fn leads_to(&self) -> Result<String> {
        ensure!(self.status == StatusCode::SEE_OTHER, "{}: {}", self.status, self.text);
        Ok(self.headers[LOCATION].to_str()?.to_owned())
    }

    /// Whether the page has this title.
    pub fn is(&self, status: StatusCode, title: &str) -> Result<()> {
        ensure!(self.status == status, "{}: {}", self.status, self.text);
        ensure!(self.text.contains(&format!("<h1>{title}</h1>")), "not {title:?}: {}", self.text);
        Ok(())
    }
}

impl Browser {
    pub fn new(base: &str) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let base = base.to_owned();
        Self { client, base, cluster: None, client_address: None, cookies: Vec::new(), shown: Vec::new() }
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = self.client.get(format!("{}{path}", self.base)).header("sec-fetch-site", "cross-site");
        self.send(request).await
    }

    /// A click on a button of one of the gateway's pages.
    pub async fn click(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Answer> {
        self.post(path, form, Some("same-origin")).await
    }

    /// A POST that comes from somewhere.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)], site: Option<&str>) -> Result<Answer> {
        let site: Vec<_> = site.into_iter().map(|site| ("sec-fetch-site", site)).collect();
        self.post_with(path, form, &site).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let sent = Some(self.cookies.join("; ")).filter(|cookies| !cookies.is_empty());
        // Browsers send other bytes than ASCII too.
        let sent = sent.map(|cookies| HeaderValue::from_bytes(cookies.as_bytes())).transpose()?;
        let request = sent.into_iter().fold(request, |it, cookies| it.header("cookie", cookies));
        let request = self.client_address.iter().fold(request, |it, address| it.header("x-forwarded-for", address));
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        for set in headers.get_all(SET_COOKIE) {
            self.keep(set.to_str()?)?;
        }
        let text = response.text().await?;
        // The address of the dialog holds the state, which is no secret of ours to hide from this browser.
        let plain = headers.iter().filter(|(name, _)| ![SET_COOKIE, LOCATION].contains(*name));
        self.shown.push(format!("{status} {plain:?} {text}", plain = plain.collect::<Vec<_>>()));
        Ok(Answer { status, headers, text })
    }

    /// Keeps a cookie in the place of one of the same name, or none if it says so.
    fn keep(&mut self, set: &str) -> Result<()> {
        let (cookie, attributes) = set.split_once("; ").context("attributes")?;
        let (name, _) = cookie.split_once('=').context("a name")?;
        let place = self.cookies.iter().position(|it| it.split('=').next() == Some(name));
        match (place, attributes.ends_with("Max-Age=0")) {
            (Some(place), true) => drop(self.cookies.remove(place)),
            (Some(place), false) => cookie.clone_into(&mut self.cookies[place]),
            (None, true) => {}
            (None, false) => self.cookies.push(cookie.to_owned()),
        }
        Ok(())
    }

    /// A POST whose headers say so.
    pub async fn post_with(&mut self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<Answer> {
        let request = self.client.post(format!("{}{path}", self.base)).form(form);
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        self.send(request).await
    }

    /// Begins at the start page of a grant: the address of the login dialog.
    pub async fn begin(&mut self, grant: &str) -> Result<Url> {
        if self.cluster.is_none() {
            return Ok(self.click(&start(grant), &[]).await?.leads_to()?.parse()?);
        }
        wait_for("the gateway to know the address", PATIENCE, async || {
            let path = self.start(grant).await?;
            Ok(self.click(&path, &[]).await?.leads_to()?.parse()?)
        })
        .await
    }

    /// The path of the start page of a grant, as its status has it.
    pub async fn start(&self, grant: &str) -> Result<String> {
        let Some(client) = &self.cluster else { return Ok(start(grant)) };
        let (namespace, name) = grant.split_once('/').context("a namespace")?;
        let grants: Api<MetaGrant> = Api::namespaced(client.clone(), namespace);
        let status = grants.get(name).await?.status.context("no status")?;
        let url: Url = status.reauthorize_url.context("no address")?.parse()?;
        Ok(url.path().to_owned())
    }

    /// Decides at the login dialog: where the browser is sent, as path and query.
    pub async fn decide(&self, dialog: &Url, more: &[(&str, &str)]) -> Result<String> {
        let mut form: Vec<(String, String)> = dialog.query_pairs().into_owned().collect();
        form.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut base = dialog.clone();
        base.set_query(None);
        let response = self.client.post(base).form(&form).send().await?;
        ensure!(response.status() == 302, "{}: {}", response.status(), response.text().await?);
        let to: Url = response.headers()[LOCATION].to_str()?.parse()?;
        Ok(format!("{}?{}", to.path(), to.query().unwrap_or_default()))
    }

    /// Logs in and agrees; without pages, to all.
    pub async fn log_in(&self, dialog: &Url, person: &str, pages: &[&str]) -> Result<String> {
        let chosen = pages.iter().map(|page| ("pages[]", *page));
        let more: Vec<_> = [("decision", "continue"), ("person", person)].into_iter().chain(chosen).collect();
        self.decide(dialog, &more).await
    }

    /// Goes where Meta sends it, and on to the page that says what became of it.
    pub async fn return_with(&mut self, callback: &str) -> Result<Answer> {
        let path = self.get(callback).await?.leads_to()?;
        self.get(&path).await
    }

    /// All of it up to the page that asks for agreement.
    pub async fn up_to_the_offer(&mut self, grant: &str, person: &str, pages: &[&str]) -> Result<Answer> {
        let dialog = self.begin(grant).await?;
        let callback = self.log_in(&dialog, person, pages).await?;
        self.return_with(&callback).await
    }

    /// Agrees, or not, to what a page offers: the page that follows.
    pub async fn answer(&mut self, offer: &Answer, decision: &str) -> Result<Answer> {
        let path = self.click("/oauth/confirm", &[("flow", flow(offer)?), ("decision", decision)]).await?.leads_to()?;
        self.get(&path).await
    }

    /// A code of the dialog of another application, for its own redirect URI.
    pub async fn code_of_another_app(&self, dialog: &Url, person: &str) -> Result<String> {
        let mut other = dialog.clone();
        let query = [("client_id", "9999000099990000"), ("redirect_uri", APP_REDIRECT), ("scope", SCOPES)];
        other.query_pairs_mut().clear().extend_pairs(query);
        let callback = self.log_in(&other, person, &[]).await?;
        parameter(&callback, "code")
    }
}

/// Where it is said what became of a flow that was begun with this address of the login dialog.
pub fn outcome(dialog: &Url) -> Result<String> {
    let digest = hex::encode(Sha256::digest(parameter(dialog.as_str(), "state")?));
    Ok(format!("/oauth/confirm?flow={}", &digest[..32]))
}

/// Which reauthorization a page is about, as its form says.
pub fn flow(offer: &Answer) -> Result<&str> {
    let (_, rest) = offer.text.split_once("name=\"flow\" value=\"").with_context(|| offer.text.clone())?;
    rest.split('"').next().context("a value")
}

/// A parameter of a path with a query.
pub fn parameter(path: &str, name: &str) -> Result<String> {
    let url = Url::parse("http://localhost")?.join(path)?;
    let value = url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    value.with_context(|| format!("no {name}"))
}
