//! The one cookie: which grant, and what is sealed about it.
//!
//! The prefix `__Host-` makes browsers take it only over HTTPS, for this host alone and from no other. One browser has one
//! reauthorisation under way; a newer one takes the place of the older.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::engine::Key;

const NAME: &str = "__Host-meta-channels";

/// Longer than any step may take, so that who comes late can be told so.
const MAX_AGE: u32 = 60 * 60;

/// The longest cookie that every browser keeps, with its attributes.
const LONGEST: usize = 4096;

/// The header that sets the cookie; `None` if browsers would not keep it.
pub(super) fn set(grant: &Key, sealed: &str) -> Option<HeaderValue> {
    let text = format!("{NAME}={grant}/{sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE}");
    let mut value = HeaderValue::try_from(text).ok().filter(|value| value.len() <= LONGEST)?;
    value.set_sensitive(true);
    Some(value)
}

/// The grant that the browser reauthorises, as it says, and what is sealed.
pub(super) fn read(headers: &HeaderMap) -> Option<(Key, &str)> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut ours =
        all.flat_map(|value| value.split("; ")).filter_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('='));
    let value = ours.next()?;
    let mut parts = value.splitn(3, '/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    // A browser has one of the name; two were put together by somebody.
    let alone = ours.next().is_none();
    parts.next().filter(|_| alone).map(|sealed| (Key::new(namespace, name), sealed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    #[test]
    fn what_is_set_is_read() {
        let set = set(&Key::new("tenant-a", "acme"), "c2VhbGVk-_").unwrap();
        assert!(set.is_sensitive());
        let (cookie, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600");
        for sent in [vec![cookie], vec!["a=b", cookie], vec![&format!("a=b; {cookie}; c=d")]] {
            assert_eq!(read(&headers(&sent)), Some((Key::new("tenant-a", "acme"), "c2VhbGVk-_")), "{sent:?}");
        }
    }

    #[test]
    fn what_is_no_cookie_of_ours_is_not_read() {
        let name = "__Host-meta-channels";
        for sent in [
            String::new(),
            "a=b".to_owned(),
            format!("x{name}=a/b/c"),
            format!("{name}x=a/b/c"),
            format!("{name}=a/b"),
            format!("{name}=a/b/c; {name}=a/b/c"),
        ] {
            assert_eq!(read(&headers(&[&sent])), None, "{sent}");
        }
    }

    #[test]
    fn a_cookie_that_browsers_would_drop_is_not_set() {
        assert!(set(&Key::new("a", "b"), &"x".repeat(3900)).is_some());
        assert!(set(&Key::new("a", "b"), &"x".repeat(4090)).is_none());
    }
}
