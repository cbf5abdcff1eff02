//! One Graph request, taken apart.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::GraphError;
use super::multipart;
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
    /// The operation has none of its own: that of its batch.
    Batch,
}

/// A request to the simulated Graph.
pub(crate) struct GraphRequest {
    pub(crate) method: Method,
    /// The version in the path, if there is one.
    pub(crate) version: Option<Version>,
    /// The path behind the version.
    pub(crate) segments: Vec<String>,
    pub(crate) params: Params,
    /// Scheme, host and path, for links to further calls.
    pub(crate) url: String,
    pub(crate) token: Option<(SecretString, TokenPlace)>,
    pub(crate) proof: Option<String>,
    /// Set when the request could not be read as a whole.
    pub(crate) unreadable: Option<GraphError>,
    /// The batch it is an operation of, by its number in the ledger.
    pub(crate) batch: Option<u64>,
}

/// One operation of a batch, as it was sent.
pub(crate) struct Operation<'a> {
    pub(crate) method: Method,
    pub(crate) relative_url: &'a str,
    pub(crate) body: &'a str,
}

impl GraphRequest {
    /// Takes a request apart; what cannot be read is remembered, not refused, so that the request
    /// still gets its place in the ledger.
    pub(crate) fn read(method: Method, uri: &Uri, headers: &HeaderMap, body: Result<Bytes, GraphError>) -> Self {
        let mut params = Params::default();
        params.add_urlencoded(uri.query().unwrap_or_default().as_bytes());
        let in_query = params.take("access_token").map(|token| (token, TokenPlace::Query));
        let unreadable = body.and_then(|body| add_body(&mut params, headers, body)).err();
        let in_body = params.take("access_token").map(|token| (token, TokenPlace::Body));
        let in_header = bearer(headers).map(|token| (token, TokenPlace::Header));
        let token = in_header.or(in_query).or(in_body);
        let url = format!("http://{}{}", host(headers), uri.path());
        Self { url, ..Self::assemble(method, uri.path(), params, token, unreadable) }
    }

    /// Takes an operation of this batch apart. What it does not say itself it has from the batch.
    pub(crate) fn operation(&self, batch: u64, operation: &Operation<'_>) -> Self {
        let (path, query) = operation.relative_url.split_once('?').unwrap_or((operation.relative_url, ""));
        let mut params = Params::default();
        params.add_urlencoded(query.as_bytes());
        let in_query = params.take("access_token").map(|token| (token, TokenPlace::Query));
        params.add_urlencoded(operation.body.as_bytes());
        let in_body = params.take("access_token").map(|token| (token, TokenPlace::Body));
        let mut request = Self::assemble(operation.method.clone(), path, params, in_query.or(in_body), None);
        request.version = request.version.or(self.version);
        request.batch = Some(batch);
        let origin = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
        let version = request.version.map(|version| format!("/{version}")).unwrap_or_default();
        request.url = format!("{origin}{version}{}", request.rest());
        if request.token.is_none() {
            request.token = self.token.as_ref().map(|(token, _)| (token.clone(), TokenPlace::Batch));
            request.proof = request.proof.or_else(|| self.proof.clone());
        }
        request
    }

    fn assemble(
        method: Method,
        path: &str,
        mut params: Params,
        token: Option<(String, TokenPlace)>,
        unreadable: Option<GraphError>,
    ) -> Self {
        let mut segments: Vec<String> =
            path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let version = segments.first().and_then(|first| Version::parse(first));
        if version.is_some() {
            segments.remove(0);
        }
        let meant = match method {
            Method::POST => params.take("method").map_or(Ok(method.clone()), |name| read_method(&name)),
            _ => Ok(method.clone()),
        };
        let (method, unreadable) = match meant {
            Ok(meant) => (meant, unreadable),
            Err(error) => (method, unreadable.or(Some(error))),
        };
        Self {
            method,
            url: String::new(),
            version,
            segments,
            proof: params.take("appsecret_proof"),
            token: token.map(|(token, place)| (SecretString::from(token), place)),
            params,
            unreadable,
            batch: None,
        }
    }

    /// The path behind the version, as error texts quote it.
    pub(crate) fn rest(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }
}

/// A method written out, as in batches and in the parameter that overrides POST.
pub(crate) fn read_method(name: &str) -> Result<Method, GraphError> {
    const METHODS: [(&str, Method); 3] = [("GET", Method::GET), ("POST", Method::POST), ("DELETE", Method::DELETE)];
    let found = METHODS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let refused = || GraphError::not_one_of("method", &METHODS.each_ref().map(|(known, _)| *known), name);
    found.map(|(_, method)| method.clone()).ok_or_else(refused)
}

/// HEAD is a GET whose body stays behind.
pub(crate) fn read_as_get(method: Method) -> Method {
    if method == Method::HEAD { Method::GET } else { method }
}

fn add_body(params: &mut Params, headers: &HeaderMap, body: Bytes) -> Result<(), GraphError> {
    if body.is_empty() {
        return Ok(());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.trim_start().to_ascii_lowercase();
    if kind.starts_with("application/json") {
        return params.add_json(&body);
    }
    if kind.starts_with("multipart/form-data") {
        return multipart::add(params, content_type, body);
    }
    params.add_urlencoded(&body);
    Ok(())
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost")
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
    fn post_may_stand_for_another_method() {
        assert_eq!(read("/v25.0/1?method=delete", &[], "").method, Method::DELETE);
        let form = read("/v25.0/1", &[], "method=GET&fields=id");
        assert_eq!((form.method, form.params.get("method")), (Method::GET, None));
        assert_eq!(read("/v25.0/1?method=TRACE", &[], "").unreadable.unwrap().code, 100);
        let get =
            GraphRequest::read(Method::GET, &"/1?method=delete".parse().unwrap(), &HeaderMap::new(), Ok(Bytes::new()));
        assert_eq!(get.method, Method::GET);
    }

    #[test]
    fn of_parameters_given_twice_the_last_counts_and_the_body_over_the_query() {
        let twice = read("/v25.0/1?fields=a&fields=b&limit=1", &[], "limit=2");
        assert_eq!((twice.params.get("fields"), twice.params.get("limit")), (Some("b"), Some("2")));
    }

    #[test]
    fn operations_have_from_their_batch_what_they_do_not_say() {
        let batch = read("/v25.0/?access_token=OUTER&appsecret_proof=P", &[], "");
        let operation =
            |relative_url, body| batch.operation(7, &Operation { method: Method::POST, relative_url, body });
        let plain = operation("1/x", "a=b");
        assert_eq!((token(&plain), plain.proof.as_deref()), (Some(("OUTER", TokenPlace::Batch)), Some("P")));
        assert_eq!((plain.rest(), plain.version, plain.batch), ("/1/x".to_owned(), batch.version, Some(7)));
        let own = operation("/v24.0/1?access_token=T", "appsecret_proof=Q");
        assert_eq!((token(&own), own.proof.as_deref()), (Some(("T", TokenPlace::Query)), Some("Q")));
        assert_eq!(own.version.unwrap().to_string(), "v24.0");
        // The proof of one token is none for another.
        let own = operation("1", "access_token=T");
        assert_eq!((token(&own), own.proof.as_deref()), (Some(("T", TokenPlace::Body)), None));
    }

    #[test]
    fn an_unreadable_body_is_remembered() {
        assert!(read("/v25.0/1", &[JSON], "{").unreadable.is_some());
        assert!(read("/v25.0/1", &[], "\u{0}%%%=&&&[=]").unreadable.is_none());
    }
}
