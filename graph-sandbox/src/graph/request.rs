//! One Graph request, taken apart.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::GraphError;
use super::params::Params;
use super::version::Version;

/// Where in the request a token stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    Header,
    /// Query parameter `access_token`.
    Query,
    /// Form or JSON field `access_token`.
    Body,
}

/// A request to the simulated Graph.
pub(crate) struct GraphRequest {
    pub(crate) method: Method,
    /// The version in the path, if there is one.
    pub(crate) version: Option<Version>,
    /// The path behind the version.
    pub(crate) segments: Vec<String>,
    pub(crate) params: Params,
    pub(crate) token: Option<(SecretString, TokenPlace)>,
    pub(crate) proof: Option<String>,
    /// Scheme and host the client used, for links back.
    pub(crate) base: Option<String>,
    /// Set when the request could not be read as a whole.
    pub(crate) unreadable: Option<GraphError>,
}

impl GraphRequest {
    /// Takes a request apart; what cannot be read is remembered, not refused, so that the request
    /// still gets its place in the ledger.
    pub(crate) fn read(method: Method, uri: &Uri, headers: &HeaderMap, body: Result<Bytes, GraphError>) -> Self {
        let mut segments: Vec<String> =
            uri.path().split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let version = segments.first().and_then(|first| Version::parse(first));
        if version.is_some() {
            segments.remove(0);
        }
        let mut params = Params::default();
        params.add_urlencoded(uri.query().unwrap_or_default().as_bytes());
        let in_query = params.take("access_token").map(|token| (token, TokenPlace::Query));
        let unreadable = body.and_then(|body| add_body(&mut params, headers, &body)).err();
        let in_body = params.take("access_token").map(|token| (token, TokenPlace::Body));
        let in_header = bearer(headers).map(|token| (token, TokenPlace::Header));
        let token = in_header.or(in_query).or(in_body);
        Self {
            method,
            version,
            segments,
            proof: params.take("appsecret_proof"),
            token: token.map(|(token, place)| (SecretString::from(token), place)),
            params,
            base: host(headers),
            unreadable,
        }
    }

    /// The path behind the version, as error texts quote it.
    pub(crate) fn rest(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }
}

fn add_body(params: &mut Params, headers: &HeaderMap, body: &[u8]) -> Result<(), GraphError> {
    if body.is_empty() {
        return Ok(());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("application/json") {
        return params.add_json(body);
    }
    params.add_urlencoded(body);
    Ok(())
}

fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some(format!("http://{host}"))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::AUTHORIZATION)?.as_bytes()).into_owned();
    let (scheme, token) = value.trim().split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    let token = token.trim();
    (known && !token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(uri: &str, headers: &[(&'static str, &str)], body: &'static str) -> GraphRequest {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        GraphRequest::read(Method::POST, &uri.parse().unwrap(), &map, Ok(Bytes::from_static(body.as_bytes())))
    }

    fn token(request: &GraphRequest) -> Option<(&str, TokenPlace)> {
        request.token.as_ref().map(|(token, place)| (token.expose_secret(), *place))
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

    #[test]
    fn the_token_may_stand_in_three_places() {
        let bearer = ("authorization", "bearer T");
        assert_eq!(token(&read("/v25.0/1", &[bearer], "")), Some(("T", TokenPlace::Header)));
        assert_eq!(token(&read("/v25.0/1?access_token=T", &[], "")), Some(("T", TokenPlace::Query)));
        assert_eq!(token(&read("/v25.0/1", &[], "access_token=T")), Some(("T", TokenPlace::Body)));
        assert_eq!(token(&read("/v25.0/1", &[JSON], r#"{"access_token":"T"}"#)), Some(("T", TokenPlace::Body)));
        assert_eq!(token(&read("/v25.0/1?access_token=", &[("authorization", "Basic T")], "")), None);
    }

    #[test]
    fn secrets_do_not_stay_among_the_parameters() {
        let request = read("/v25.0/1?access_token=T&appsecret_proof=P", &[], "access_token=U&fields=id");
        assert_eq!(request.proof.as_deref(), Some("P"));
        assert_eq!(request.params.iter().collect::<Vec<_>>(), [("fields", "id")]);
    }

    #[test]
    fn a_version_is_optional() {
        assert_eq!(read("/v25.0/1/x", &[], "").segments, ["1", "x"]);
        let bare = read("/1//x/", &[], "");
        assert!(bare.version.is_none());
        assert_eq!(bare.rest(), "/1/x");
        assert!(read("/", &[], "").segments.is_empty());
    }

    #[test]
    fn an_unreadable_body_is_remembered() {
        assert!(read("/v25.0/1", &[JSON], "{").unreadable.is_some());
        assert!(read("/v25.0/1", &[], "\u{0}%%%=&&&[=]").unreadable.is_none());
    }
}
