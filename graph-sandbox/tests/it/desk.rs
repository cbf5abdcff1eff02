//! A sandbox with conversations, and short ways to act in them.

use graph_sandbox::{Options, Seed};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

pub(crate) const INBOX: &str = "263902037430900";
pub(crate) const IDLE: &str = "7700000000000001";
pub(crate) const OURS: &str = "7700000000000002";
pub(crate) const THEIRS: &str = "7700000000000003";
pub(crate) const LAPSED: &str = "7700000000000004";

/// The seed's tokens are `EAA`, the alias without the dash, and zeros.
pub(crate) fn bearer(alias: &str) -> String {
    let seed: Value = serde_yaml_ng::from_str(include_str!("messaging.yaml")).unwrap();
    let tokens = seed["tokens"].as_array().unwrap();
    tokens.iter().find(|token| token["alias"] == alias).unwrap()["token"].as_str().unwrap().to_owned()
}

pub(crate) async fn start() -> Api {
    Api::of(Seed::from_yaml(include_str!("messaging.yaml")).unwrap(), Options::default()).await
}

/// A sandbox with conversations and one switch in another position.
pub(crate) async fn start_with(name: &str, value: &str) -> Api {
    let api = start().await;
    api.sandbox.set_switch(name, value).unwrap();
    api
}

pub(crate) fn recipient(psid: &str) -> String {
    json!({"id": psid}).to_string()
}

impl Api {
    /// A `*_thread_control` call for the page of the token.
    pub(crate) async fn thread(&self, alias: &str, act: &str, psid: &str, more: &[(&str, &str)]) -> Answer {
        let recipient = recipient(psid);
        let mut query = vec![("recipient", recipient.as_str())];
        query.extend(more);
        self.post(&bearer(alias), &format!("/v25.0/me/{act}_thread_control"), &query).await
    }

    /// `thread_owner` for the page of the token.
    pub(crate) async fn owner(&self, alias: &str, psid: &str) -> Value {
        let answer = self.get(&bearer(alias), "/v25.0/me/thread_owner", &[("recipient", psid)]).await.ok();
        answer["data"][0]["thread_owner"].clone()
    }

    /// Sends a text, with further parameters, as a JSON body.
    pub(crate) async fn send(&self, alias: &str, psid: &str, more: Value) -> Answer {
        let mut body = json!({"recipient": {"id": psid}, "message": {"text": "hello"}});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let url = format!("{}/v25.0/me/messages", self.sandbox.url());
        let request = self.client.request(Method::POST, url).json(&body).bearer_auth(bearer(alias));
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) fn owner_of(&self, page: &str, psid: &str) -> Option<String> {
        self.sandbox.state().pages[page].threads[psid].owner.clone()
    }

    pub(crate) fn hours(&self, hours: i64) {
        self.sandbox.advance_clock(SignedDuration::from_hours(hours)).unwrap();
    }
}
