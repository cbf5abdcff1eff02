//! Authorization codes, between the login dialog and their exchange.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::tokens::{Issued, random_text};
use crate::id::Id;

/// How long a code can be exchanged.
const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What a code stands for.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) app: Id,
    pub(crate) grantor: Id,
    pub(crate) redirect_uri: String,
    pub(crate) issued: Issued,
    /// The challenge that the dialog was given.
    challenge: Option<String>,
    issued_at: Timestamp,
    used: bool,
}

impl Code {
    /// Whether it is brought by whoever asked for it: with the verifier of its challenge, or with none if it has none.
    pub(crate) fn is_proven_by(&self, verifier: Option<&str>) -> bool {
        self.challenge == verifier.map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)))
    }
}

/// Why a code cannot be exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// There is none of this text for this app.
    Unknown,
    Used,
    Expired,
    /// It was issued for another redirect URI.
    OtherRedirect,
}

/// All codes, used ones too: Graph tells a second use from nonsense.
#[derive(Default)]
pub(crate) struct Codes(HashMap<String, Code>);

impl Codes {
    /// Issues a code.
    pub(crate) fn issue(
        &mut self,
        app: Id,
        grantor: Id,
        redirect_uri: String,
        issued: Issued,
        challenge: Option<String>,
        now: Timestamp,
    ) -> String {
        let text = random_text("AQ", 64);
        self.0
            .insert(text.clone(), Code { app, grantor, redirect_uri, issued, challenge, issued_at: now, used: false });
        text
    }

    /// The code, if it can be exchanged now.
    pub(crate) fn check(&self, text: &str, app: &Id, redirect_uri: &str, now: Timestamp) -> Result<&Code, Misuse> {
        let code = self.0.get(text).filter(|code| code.app == *app).ok_or(Misuse::Unknown)?;
        if code.used {
            return Err(Misuse::Used);
        }
        if now.duration_since(code.issued_at) >= LIFE {
            return Err(Misuse::Expired);
        }
        if code.redirect_uri == redirect_uri { Ok(code) } else { Err(Misuse::OtherRedirect) }
    }

    /// Uses a code up.
    pub(crate) fn spend(&mut self, text: &str) {
        if let Some(code) = self.0.get_mut(text) {
            code.used = true;
        }
    }
}
