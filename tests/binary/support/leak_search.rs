//! Finds secrets in a text, in every form in which they leak in practice.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use meta_channel_operator::graph::{AppCredentials, AppSecret, Token};

use crate::support::canary_secrets::*;
use crate::support::env::APP_ID;

/// So much of a secret is a leak, too.
const PART: usize = 14;

pub struct Needles(Vec<(String, String)>);

impl Needles {
    /// All secrets of the story, what is derived from them, and their forms.
    pub fn new(verify_token: &str) -> Self {
        let mut needles = Self(Vec::new());
        for secret in ALL.iter().copied().chain([verify_token]) {
            // The beginning says only what it is; a whole token has been told long before it.
            for start in (4..=secret.len() - PART).step_by(2) {
                needles.add(format!("a part of {secret}"), &secret[start..start + PART]);
            }
            needles.add(secret.to_owned(), secret);
        }
        for app_secret in [APP_SECRET, WRONG_APP_SECRET] {
            let secret = AppSecret::parse(app_secret.as_bytes()).unwrap();
            let app = AppCredentials::new(APP_ID.into(), secret);
            let app_token = format!("{APP_ID}|{app_secret}");
            for token in ALL.iter().copied().chain([app_token.as_str()]) {
                let proof = app.proof(&Token::parse(token.as_bytes()).unwrap());
                needles.add(format!("the proof of {token} with {app_secret}"), &proof);
                needles.add(format!("half the proof of {token} with {app_secret}"), &proof[16..48]);
            }
            needles.add(app_token.clone(), &app_token);
        }
        needles
    }

    fn add(&mut self, name: String, secret: &str) {
        self.0.push((name.clone(), secret.to_owned()));
        self.0.push((format!("{name}, percent-encoded"), secret.replace('|', "%7C")));
        // Inside a longer text, base64 begins at one of three offsets; what it shares with its neighbors is left out.
        for before in 0..3_usize {
            let padded = [&[0_u8; 2][..before], secret.as_bytes()].concat();
            let inner = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                self.0.push((format!("{name}, in base64"), engine.encode(&padded)[inner.clone()].to_owned()));
            }
        }
    }

    pub fn none_in(&self, where_: &str, text: &str) -> Result<()> {
        for (name, needle) in &self.0 {
            if let Some(line) = text.lines().find(|line| line.contains(needle)) {
                let line: String = line.chars().take(1000).collect();
                bail!("{name} is in {where_}: {line}");
            }
        }
        Ok(())
    }
}

#[test]
fn every_form_of_a_secret_is_found_and_nothing_else() {
    let needles = Needles::new("verifyTokenMb4xQe7nZk2rTj9wYc5uHs8fLd3gVa6p");
    let base64 = |text: &str| STANDARD_NO_PAD.encode(text);
    let app = AppCredentials::new(APP_ID.into(), AppSecret::parse(APP_SECRET.as_bytes()).unwrap());
    for leak in [
        format!("token={PAGE_A_TOKEN}"),
        format!("…{}…", &PAGE_A_TOKEN[10..30]),
        "hub.verify_token=verifyTokenMb4xQe7nZk2rTj9wYc5uHs8fLd3gVa6p&".to_owned(),
        base64(APP_SECRET),
        base64(&format!("x{PAGE_B_TOKEN}x")),
        base64(&format!("xy{SECOND_LINE}")),
        format!("input_token={APP_ID}%7C{APP_SECRET}"),
        app.proof(&Token::parse(PAGE_A_TOKEN.as_bytes()).unwrap()),
        app.proof(&app.app_token()),
    ] {
        let told = format!("a line\nanother {leak}\n");
        assert!(needles.none_in("a text", &told).is_err(), "{told}");
    }
    let harmless = "page 2200000000000001 of app 1111000011110000: [redacted], EAAcanary, fingerprint 0123456789abcdef";
    needles.none_in("a text", harmless).unwrap();
}
