//! Requests to the gateway, as Meta or anybody on the Internet makes them.

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use reqwest::StatusCode;
use sha2::Sha256;

use crate::support::env::*;

pub const BODY: &str = r#"{"object":"page","entry":[{"id":"2200000000000001","messaging":[{"text":"\u00e4"}]}]}"#;

pub fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Someone on the Internet.
pub struct Caller {
    client: reqwest::Client,
    base: String,
}

impl Caller {
    pub fn new(env: &Env) -> Self {
        Self::at(env.sandbox.resolve()["hooks.example.com"].clone())
    }

    /// Of the gateway that listens there.
    pub fn at(base: String) -> Self {
        Self { client: reqwest::Client::builder().no_proxy().build().unwrap(), base }
    }

    pub async fn get(&self, path: &str) -> Result<(StatusCode, String)> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// The status that a request of another method is answered with.
    pub async fn status(&self, method: &str, path: &str) -> Result<StatusCode> {
        let request = self.client.request(method.parse()?, format!("{}{path}", self.base));
        Ok(request.send().await?.status())
    }

    pub async fn post(&self, path: &str, signature: Option<&str>) -> Result<StatusCode> {
        self.post_body(path, BODY, signature).await
    }

    pub async fn post_body(&self, path: &str, body: &str, signature: Option<&str>) -> Result<StatusCode> {
        let request = self.client.post(format!("{}{path}", self.base)).body(body.to_owned());
        let request = signature.into_iter().fold(request, |it, value| it.header("x-hub-signature-256", value));
        Ok(request.send().await?.status())
    }
}

pub fn counter(env: &Env, name: &str) -> u64 {
    let name = format!("meta_channel_operator_{name}");
    let text = env.gateway_metrics().text();
    let line = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Signatures that were made with this entry of the Secret of a MetaApp, or with none.
pub fn signatures(env: &Env, app: &str, entry: &str) -> u64 {
    let result = if entry == "none" { "invalid" } else { "valid" };
    let (namespace, labels) = (&env.platform, format!("entry=\"{entry}\",result=\"{result}\""));
    counter(env, &format!("webhook_signatures_total{{namespace=\"{namespace}\",name=\"{app}\",{labels}}}"))
}

pub async fn verify_token(env: &Env) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    let secret = secrets.get("metaapp-acme-verify-token").await?;
    let token = secret.data.and_then(|mut data| data.remove("verify-token")).context("no key verify-token")?;
    Ok(String::from_utf8(token.0)?)
}
