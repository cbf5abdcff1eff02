//! The deauthorize callback: Meta tells an app that a person has removed it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::error::ControlError;
use crate::callback::{exchange, stand_in};
use crate::core::Core;
use crate::id::Id;
use crate::ledger::plain_url;
use crate::webhooks::hmac_sha256;

/// How a deauthorize callback took the news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deauthorization {
    /// The URL, without query.
    pub callback: String,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Core {
    /// Sends the `signed_request` to the app's `deauthorize_url`, once.
    pub(crate) async fn deauthorize(&self, app: &Id, user: &Id) -> Result<Deauthorization, ControlError> {
        let (url, target, signed) = {
            let (world, now) = self.world_now();
            let app = world.apps.get(app).ok_or_else(|| ControlError::NotFound("such app".into()))?;
            let url = app.deauthorize_url.clone();
            let url = url.ok_or_else(|| ControlError::Refused("the app has no deauthorize_url".into()))?;
            let target = stand_in(&world.resolve, &url);
            (url, target, signed_request(&app.secret, user, now))
        };
        let answer = match target {
            Ok(target) => {
                let request = self.client.post(target).header("user-agent", "facebookexternalua");
                exchange(request.form(&[("signed_request", signed)]), self.callback_limit).await
            }
            Err(failure) => Err(failure),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let failure = answer.and_then(|answer| answer.success()).err().map(|failure| failure.to_string());
        Ok(Deauthorization { callback: plain_url(url.as_str()), status, failure })
    }
}

/// `base64url(signature).base64url(payload)`; the signature is over the encoded payload.
fn signed_request(secret: &SecretString, user: &Id, now: Timestamp) -> String {
    let payload = json!({"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": now.as_second()});
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let signature = hmac_sha256(secret.expose_secret().as_bytes(), payload.as_bytes());
    format!("{}.{payload}", URL_SAFE_NO_PAD.encode(signature))
}
