//! What every answer and every click has in common.

use std::sync::{Arc, LazyLock};

use axum::extract::FromRequestParts;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::Markup;
use reqwest::Url;
use sha2::{Digest, Sha256};

use super::pages;
use super::state::OAuth;

/// A page for a person: nothing in it is loaded, framed or kept, and its forms go to us or to the login dialog alone.
///
/// Browsers say with a form where it comes from only if that may be told to us (Fetch, "append a request Origin header"), and
/// some say it in no other way; to others nothing is told.
pub(super) fn page(oauth: &OAuth, status: StatusCode, content: Markup) -> Response {
    static STYLE: LazyLock<String> = LazyLock::new(|| STANDARD.encode(Sha256::digest(pages::STYLE)));
    // Browsers apply form-action also to where a form's answer leads.
    let login = oauth.login_url.origin().ascii_serialization();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {login}; frame-ancestors 'none'; base-uri 'none'",
        *STYLE
    );
    let mut response = (status, Html(content.into_string())).into_response();
    let headers = response.headers_mut();
    harden(headers, "same-origin");
    // An origin is plain ASCII, so this does not fail.
    headers.extend(HeaderValue::try_from(policy).ok().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    response
}

/// Leads to another address with GET, also after a POST.
pub(super) fn see_other(address: &str, cookies: Vec<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::try_from(address) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
    let headers = response.headers_mut();
    harden(headers, "no-referrer");
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

fn harden(headers: &mut HeaderMap, referrer: &'static str) {
    let fixed: [(HeaderName, &'static str); 6] = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, referrer),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
}

/// Where a click on one of our own pages comes from. Browsers say it, and no page can make them lie.
pub(super) enum RequestOrigin {
    /// The browser says that it comes from our own origin.
    SameOrigin,
    /// An older browser says which origin it comes from.
    Stated(HeaderValue),
}

impl RequestOrigin {
    /// Whether it comes from the origin of this address of ours.
    pub(super) fn matches(&self, ours: &Url) -> bool {
        match self {
            Self::SameOrigin => true,
            Self::Stated(origin) => *origin == *ours.origin().ascii_serialization(),
        }
    }
}

/// For a click that came from elsewhere.
pub(super) fn reject_cross_site(oauth: &OAuth, content: Markup) -> Response {
    oauth.record(None, "cross_site");
    page(oauth, StatusCode::FORBIDDEN, content)
}

impl FromRequestParts<Arc<OAuth>> for RequestOrigin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, oauth: &Arc<OAuth>) -> Result<Self, Response> {
        let all = |name: &str| parts.headers.get_all(name).into_iter().collect::<Vec<_>>();
        match (all("sec-fetch-site").as_slice(), all("origin").as_slice()) {
            ([site], _) if *site == "same-origin" => Ok(Self::SameOrigin),
            ([], [origin]) => Ok(Self::Stated((*origin).clone())),
            ([], []) => Err(reject_cross_site(oauth, pages::no_origin())),
            _ => Err(reject_cross_site(oauth, pages::cross_site())),
        }
    }
}
