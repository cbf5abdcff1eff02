//! The Secret with the token that a grant uses. It belongs to the operator, because the source token is usually synced from a
//! vault and would be restored. It has no owner: a restore or a prune must not collect the only living token. So it is
//! recognized by its name, its type and the purpose in its label.

use std::collections::BTreeMap;

use jiff::Unit;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;

use super::model::{Over, PreviousToken, TokenSecret};
use super::state::MetaGrants;
use crate::api::PURPOSE_LABEL;
use crate::api::references::{GRANT_TOKEN_KEY, Purpose};
use crate::base::key::Key;
use crate::cluster::error::Failure;
pub use crate::cluster::secrets::KIND;
use crate::cluster::secrets::Released;
use crate::graph::Token;

/// Type of the Secret.
const TYPE: &str = "metachannels.io/grant-token";
/// Key of the token that was in use before, kept until it is revoked or another one takes its place.
const PREVIOUS_KEY: &str = "previous-token";
/// Fingerprint of the source token that the token comes from.
const SOURCE_TOKEN: &str = "metachannels.io/source-token-fingerprint";
/// The same in a Secret that 0.1.0 wrote. It goes when the Secret is written again.
const SEED: &str = "metachannels.io/seed-fingerprint";
/// Whether we obtained the token from Meta; else it is a copy of the source token.
const MINTED: &str = "metachannels.io/token-minted";
/// The same of the token before.
const PREVIOUS_MINTED: &str = "metachannels.io/previous-token-minted";
/// When the token took the place of the one before.
const REPLACED_AT: &str = "metachannels.io/previous-token-replaced-at";

/// What lies under the name of the Secret.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A Secret that is not ours; neither read nor changed.
    Taken,
    /// Ours, but it holds no token, for this reason; it may be written over.
    Malformed(String, Over),
    Ours(TokenSecret, Over),
}

/// The context of the fingerprints of a grant's tokens. It is no UID: the Secret outlives the object.
pub fn context(grant: &Key) -> String {
    format!("MetaGrant/{grant}")
}

/// Name of the Secret.
pub fn name(grant_name: &str) -> String {
    format!("metagrant-{grant_name}-token")
}

/// Where the Secret lies.
pub fn key(grant: &Key) -> Key {
    Key::new(&grant.namespace, name(&grant.name))
}

/// Reads what lies under the name of the Secret.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn read(grants: &MetaGrants, grant: &Key) -> Result<Found, Failure> {
    let key = key(grant);
    let Ok(released) = grants.ctx.read(grants.ctx.cluster.secrets.get(&key, Purpose::LivingToken)).await?? else {
        let exists = grants.ctx.read(grants.ctx.cluster.secrets.metadata(&key)).await??.is_some();
        return Ok(if exists { Found::Taken } else { Found::Missing });
    };
    if released.type_() != TYPE {
        return Ok(Found::Taken);
    }
    Ok(match parse(&released) {
        Ok(token_secret) => Found::Ours(token_secret, released),
        Err(why) => Found::Malformed(why, released),
    })
}

fn parse(released: &Released) -> Result<TokenSecret, String> {
    let token = |key: &str| released.value(key).map(Token::parse);
    let Some(in_use) = token(GRANT_TOKEN_KEY) else { return Err(released.why_missing(GRANT_TOKEN_KEY)) };
    let in_use = in_use.map_err(|why| format!("its key {GRANT_TOKEN_KEY} cannot be used: {why}"))?;
    let source_token = released.annotation(SOURCE_TOKEN).or_else(|| released.annotation(SEED));
    let said = |name: &str| released.annotation(name) == Some("true");
    let replaced_at = released.annotation(REPLACED_AT).and_then(|at| at.parse().ok());
    let previous = token(PREVIOUS_KEY).and_then(Result::ok).zip(replaced_at);
    Ok(TokenSecret {
        token: in_use,
        minted: said(MINTED),
        source_token: source_token.unwrap_or_default().to_owned(),
        previous: previous.map(|(token, replaced_at)| PreviousToken {
            token,
            minted: said(PREVIOUS_MINTED),
            replaced_at,
        }),
    })
}

/// Creates the Secret, or writes over the very version of it that was read.
///
/// # Errors
/// When someone else was faster, or the Kubernetes API refuses or does not answer.
pub async fn write(
    grants: &MetaGrants,
    grant: &Key,
    token_secret: &TokenSecret,
    over: Option<&Released>,
) -> Result<(), Failure> {
    grants.ctx.cluster.secrets.write(&key(grant), &secret(grant, token_secret), over, false).await
}

/// Asks whether the Secret would be let in now. What is offered holds what was read, or no token.
///
/// # Errors
/// When someone else was faster, or the Kubernetes API refuses or does not answer.
pub async fn try_out(
    grants: &MetaGrants,
    grant: &Key,
    token_secret: Option<&TokenSecret>,
    over: Option<&Released>,
) -> Result<(), Failure> {
    let offered = token_secret.map_or_else(|| bare(grant), |token_secret| secret(grant, token_secret));
    grants.ctx.cluster.secrets.write(&key(grant), &offered, over, true).await
}

fn secret(grant: &Key, token_secret: &TokenSecret) -> Secret {
    let flag = |flag: bool| flag.to_string();
    let mut annotations = BTreeMap::from([
        (SOURCE_TOKEN.to_owned(), token_secret.source_token.clone()),
        (MINTED.to_owned(), flag(token_secret.minted)),
    ]);
    let mut data = BTreeMap::from([(GRANT_TOKEN_KEY.to_owned(), bytes(&token_secret.token))]);
    if let Some(previous) = &token_secret.previous {
        let replaced_at = previous.replaced_at.round(Unit::Second).unwrap_or(previous.replaced_at);
        annotations.insert(PREVIOUS_MINTED.to_owned(), flag(previous.minted));
        annotations.insert(REPLACED_AT.to_owned(), replaced_at.to_string());
        data.insert(PREVIOUS_KEY.to_owned(), bytes(&previous.token));
    }
    let mut secret = bare(grant);
    secret.metadata.annotations = Some(annotations);
    Secret { data: Some(data), ..secret }
}

/// The Secret without its content.
fn bare(grant: &Key) -> Secret {
    let key = key(grant);
    Secret {
        metadata: ObjectMeta {
            name: Some(key.name),
            namespace: Some(key.namespace),
            labels: Some(BTreeMap::from([(PURPOSE_LABEL.to_owned(), Purpose::LivingToken.as_str().to_owned())])),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    }
}

fn bytes(token: &Token) -> ByteString {
    ByteString(token.expose().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::*;
    use crate::testing::token;

    fn released(secret: Secret) -> Released {
        Released::read(secret).expect("it carries the label")
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let grant = Key::new("tenant-a", "acme");
        let previous = PreviousToken { token: token("old"), minted: true, replaced_at: Timestamp::UNIX_EPOCH };
        for (minted, previous) in [(true, Some(previous)), (false, None)] {
            let token_secret = TokenSecret { token: token("new"), minted, source_token: "f00".into(), previous };
            let secret = secret(&grant, &token_secret);
            assert_eq!(secret.metadata.owner_references, None, "no restore or prune may collect it");
            assert_eq!(secret.metadata.name.as_deref(), Some("metagrant-acme-token"));
            let shown = parse(&released(secret)).unwrap();
            assert_eq!(format!("{shown:?}"), format!("{token_secret:?}"));
            assert_eq!(shown.token.expose(), token_secret.token.expose());
        }
    }

    #[test]
    fn the_source_token_of_a_secret_that_0_1_0_wrote_is_read_unless_today_s_annotation_says_another() {
        let read = |annotations: &[(&str, &str)]| {
            let token_secret =
                TokenSecret { token: token("new"), minted: true, source_token: String::new(), previous: None };
            let mut secret = secret(&Key::new("tenant-a", "acme"), &token_secret);
            secret.metadata.annotations =
                Some(annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            parse(&released(secret)).unwrap().source_token
        };
        let old = ("metachannels.io/seed-fingerprint", "f00");
        assert_eq!(read(&[old]), "f00");
        assert_eq!(read(&[old, ("metachannels.io/source-token-fingerprint", "ba4")]), "ba4");
    }

    #[test]
    fn a_secret_of_ours_without_a_token_says_why_without_its_content() {
        let secret = |data: &[(&str, &str)]| Secret {
            metadata: ObjectMeta {
                labels: Some(BTreeMap::from([(PURPOSE_LABEL.to_owned(), "living-token".to_owned())])),
                ..ObjectMeta::default()
            },
            data: Some(
                data.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().into()))).collect(),
            ),
            ..Secret::default()
        };
        assert_eq!(parse(&released(secret(&[]))).unwrap_err(), "it has no key token");
        let why = parse(&released(secret(&[("token", "two words, and secret ones")]))).unwrap_err();
        assert_eq!(why, "its key token cannot be used: it contains a space");
    }
}
