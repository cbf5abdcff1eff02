//! Access tokens and app secrets: checked on the way in, zeroized on the way out, never printed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::usage_headers::Meter;
use crate::base::ids::AppId;

/// Shortest and longest access token that is accepted.
const TOKEN_LENGTH: (usize, usize) = (20, 1024);
/// Shortest and longest app secret that is accepted; Meta's own have 32 characters.
const APP_SECRET_LENGTH: (usize, usize) = (16, 128);

/// What is wrong with the bytes that should hold a token or an app secret. Never contains the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenMalformed {
    /// Nothing is left after trimming.
    #[error("it is empty")]
    Empty,
    /// The bytes are not text.
    #[error("it is not UTF-8 text")]
    NotUtf8,
    /// More than one line: often two tokens, or a file with a comment.
    #[error("it contains a line break")]
    LineBreak,
    /// A blank inside: often a copied sentence, or `Bearer …`.
    #[error("it contains a space")]
    Blank,
    /// A character that no token of Meta has.
    #[error("it contains a character other than {allowed}")]
    Character {
        /// The characters that are allowed.
        allowed: &'static str,
    },
    /// Too short to be real: often a placeholder.
    #[error("it has fewer than {minimum} characters")]
    TooShort {
        /// The smallest accepted number of characters.
        minimum: usize,
    },
    /// Too long to be real.
    #[error("it has more than {maximum} characters")]
    TooLong {
        /// The largest accepted number of characters.
        maximum: usize,
    },
}

/// An access token of any kind. Printing it shows only that there is one.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// Takes a token as it lies in a Secret: blanks and line breaks around it are removed.
    ///
    /// # Errors
    /// Says what is wrong, without the text.
    pub fn parse(raw: &[u8]) -> Result<Self, TokenMalformed> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "|_.-".contains(c);
        let text = checked(raw, TOKEN_LENGTH, "A-Z a-z 0-9 | _ . -", allowed)?;
        Ok(Self(SecretString::from(text)))
    }

    /// A short name for this token that is safe to publish: equal tokens have equal names within one
    /// `context`, and names of different contexts cannot be compared.
    #[must_use]
    pub fn fingerprint(&self, context: &str) -> String {
        fingerprint(self.expose(), context)
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The secret of a Meta application. Printing it shows only that there is one.
#[derive(Clone)]
pub struct AppSecret(SecretString);

impl AppSecret {
    /// Takes an app secret as it lies in a Secret: blanks and line breaks around it are removed.
    ///
    /// # Errors
    /// Says what is wrong, without the text.
    pub fn parse(raw: &[u8]) -> Result<Self, TokenMalformed> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let text = checked(raw, APP_SECRET_LENGTH, "A-Z a-z 0-9 _ . -", allowed)?;
        Ok(Self(SecretString::from(text)))
    }

    /// As [`Token::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self, context: &str) -> String {
        fingerprint(self.expose(), context)
    }

    /// A key that follows from the secret, another one for each `context`. Whoever knows it does not know the secret.
    pub(crate) fn derived_key(&self, context: &str) -> [u8; 32] {
        hmac(self.expose(), &[b"meta-channel-operator/key/", context.as_bytes()])
    }

    /// The text itself, for proofs and webhook signatures.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppSecret(…)")
    }
}

/// What identifies a Meta application to Graph.
#[derive(Clone, Debug)]
pub struct AppCredentials {
    /// The app's id.
    pub app_id: AppId,
    /// The app's secret.
    pub secret: AppSecret,
    /// Who is told how much of the app's limits Graph says is used.
    pub meter: Meter,
}

impl AppCredentials {
    /// Credentials of an app about whose usage nobody is told.
    #[must_use]
    pub fn new(app_id: AppId, secret: AppSecret) -> Self {
        Self { app_id, secret, meter: Meter::default() }
    }

    /// The app token, `id|secret`.
    #[must_use]
    pub fn app_token(&self) -> Token {
        // Reserved in full: a growing String would leave copies of the secret behind.
        let secret = self.secret.expose();
        let mut text = String::with_capacity(self.app_id.as_str().len() + 1 + secret.len());
        text.push_str(self.app_id.as_str());
        text.push('|');
        text.push_str(secret);
        Token(SecretString::from(text))
    }

    /// The `appsecret_proof` of a token: HMAC-SHA256 keyed with the app secret, in lower-case hex.
    #[must_use]
    pub fn proof(&self, token: &Token) -> String {
        hex::encode(hmac(self.secret.expose(), &[token.expose().as_bytes()]))
    }
}

fn checked(
    raw: &[u8],
    (minimum, maximum): (usize, usize),
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<String, TokenMalformed> {
    let text = std::str::from_utf8(raw).map_err(|_| TokenMalformed::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(TokenMalformed::Empty);
    }
    if text.contains(['\n', '\r']) {
        return Err(TokenMalformed::LineBreak);
    }
    if text.contains(char::is_whitespace) {
        return Err(TokenMalformed::Blank);
    }
    if !text.chars().all(is_allowed) {
        return Err(TokenMalformed::Character { allowed });
    }
    match text.len() {
        n if n < minimum => Err(TokenMalformed::TooShort { minimum }),
        n if n > maximum => Err(TokenMalformed::TooLong { maximum }),
        _ => Ok(text.to_owned()),
    }
}

/// Keyed with the secret itself, so the published name tells nothing to whoever lacks the secret.
fn fingerprint(secret: &str, context: &str) -> String {
    let domain: &[u8] = b"meta-channel-operator/fingerprint/";
    let digest = hmac(secret, &[domain, context.as_bytes()]);
    hex::encode(&digest[..8])
}

fn hmac(key: &str, message: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of every length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "EAAB0123456789_abc.DEF-x";

    fn app() -> AppCredentials {
        let secret = AppSecret::parse(b"0123456789abcdef0123456789abcdef").expect("well formed");
        AppCredentials::new("1111000011110000".into(), secret)
    }

    #[test]
    fn a_token_is_trimmed() {
        for raw in [TEXT.to_owned(), format!("  {TEXT}\n"), format!("\u{feff}{TEXT}\r\n")] {
            assert_eq!(Token::parse(raw.as_bytes()).expect("well formed").expose(), TEXT);
        }
    }

    #[test]
    fn a_malformed_token_is_refused_with_the_cause() {
        let allowed = "A-Z a-z 0-9 | _ . -";
        let rows: [(&[u8], TokenMalformed); 9] = [
            (b"", TokenMalformed::Empty),
            (b" \n\t", TokenMalformed::Empty),
            (b"\xff\xfe01234567890123456789", TokenMalformed::NotUtf8),
            (b"EAAB0123456789\nEAAB0123456789", TokenMalformed::LineBreak),
            (b"Bearer EAAB0123456789ABCDEF", TokenMalformed::Blank),
            (b"EAAB0123456789ABCDEF\0", TokenMalformed::Character { allowed }),
            ("EAAB0123456789ABCDEFé".as_bytes(), TokenMalformed::Character { allowed }),
            (&[b'a'; 19], TokenMalformed::TooShort { minimum: 20 }),
            (&[b'a'; 1025], TokenMalformed::TooLong { maximum: 1024 }),
        ];
        for (raw, expected) in rows {
            assert_eq!(Token::parse(raw).err(), Some(expected), "{raw:?}");
        }
        assert!(Token::parse(&[b'a'; 20]).is_ok());
        assert!(Token::parse(&[b'a'; 1024]).is_ok());
    }

    #[test]
    fn an_app_secret_has_limits_of_its_own() {
        assert!(AppSecret::parse(&[b'a'; 16]).is_ok());
        assert!(AppSecret::parse(&[b'a'; 128]).is_ok());
        let short = AppSecret::parse(&[b'a'; 15]).expect_err("too short");
        assert_eq!(short, TokenMalformed::TooShort { minimum: 16 });
        let pipe = AppSecret::parse(b"1111000011110000|0123456789abcdef").expect_err("an app token");
        assert_eq!(pipe, TokenMalformed::Character { allowed: "A-Z a-z 0-9 _ . -" });
    }

    #[test]
    fn the_app_token_is_id_and_secret() {
        let token = app().app_token();
        assert_eq!(token.expose(), "1111000011110000|0123456789abcdef0123456789abcdef");
        assert!(Token::parse(token.expose().as_bytes()).is_ok());
    }

    /// The expected value comes from `openssl dgst -sha256 -hmac`.
    #[test]
    fn the_proof_is_the_hmac_of_the_token() {
        let token = Token::parse(TEXT.as_bytes()).expect("well formed");
        assert_eq!(app().proof(&token), "0d665a3d8009a24a526538006dcc5da7e3d1f1d70886f7ea90f073d8c96ec0de");
    }

    #[test]
    fn fingerprints_are_short_stable_and_separated_by_context() {
        let one = Token::parse(TEXT.as_bytes()).expect("well formed");
        let other = Token::parse(b"EAAB0123456789_abc.DEF-y").expect("well formed");
        assert_eq!(one.fingerprint("page"), one.clone().fingerprint("page"));
        assert_ne!(one.fingerprint("page"), other.fingerprint("page"));
        assert_ne!(one.fingerprint("page"), one.fingerprint("grant"));
        assert_eq!(one.fingerprint("page").len(), 16);
        assert_eq!(one.fingerprint("page"), "172b320207e60717");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let app = app();
        let shown = format!("{:?} {:?} {:#?}", app.app_token(), app.secret, app);
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        assert_eq!(format!("{:?}", app.app_token()), "Token(…)");
    }
}
