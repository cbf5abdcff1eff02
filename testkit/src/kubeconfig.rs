//! Writing kubeconfig files.

use anyhow::Result;
use serde_json::{Value, json};

use crate::certificates::Identity;

/// How someone proves who they are.
pub(crate) enum Credentials {
    Certificate(Identity),
    Token(String),
}

/// A kubeconfig with everything in it, so that the file alone is enough.
pub(crate) fn kubeconfig(url: &str, authority: &str, user: &str, credentials: &Credentials) -> Result<String> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "test",
            "cluster": {"server": url, "certificate-authority-data": base64(authority)},
        }],
        "users": [{"name": user, "user": credentials.to_json()}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    });
    Ok(serde_yaml_ng::to_string(&config)?)
}

impl Credentials {
    fn to_json(&self) -> Value {
        match self {
            Self::Certificate(identity) => json!({
                "client-certificate-data": base64(&identity.certificate),
                "client-key-data": base64(&identity.key),
            }),
            Self::Token(token) => json!({ "token": token }),
        }
    }
}

/// Kubernetes' type for bytes is base64 in JSON.
fn base64(text: &str) -> k8s_openapi::ByteString {
    k8s_openapi::ByteString(text.as_bytes().to_vec())
}
