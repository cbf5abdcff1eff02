//! The cookies, one for each reauthorization in progress: until when, which grant, and what is sealed about it.
//!
//! The prefix `__Host-` makes browsers accept them only over HTTPS, for this host alone and from no other. The name ends with
//! the id of the flow: whatever another tab brings back meanwhile, no step overwrites what it did not read. Many flows would
//! make a header that servers refuse, so when a flow starts, finished ones give way first, and then the oldest ones.

use std::str;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::flow::{Flow, ID};
use crate::base::key::Key;

const PREFIX: &str = "__Host-meta-channels-";

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Longer than any step may take, so that who comes late can be told so.
const MAX_AGE: u32 = 60 * 60;

/// The longest cookie that every browser keeps, with its attributes.
const LONGEST: usize = 4096;

/// The most flows that one browser has under way.
const MOST: usize = 8;

/// The most bytes that all of them have together: common servers take 8 KiB in one header.
const TOGETHER: usize = 6 * 1024;

/// The headers that set the cookie of a flow, and take away those that it leaves no room for; none if browsers would not keep
/// it.
pub(super) fn set(request: &HeaderMap, grant: &Key, flow: &Flow, sealed: &str) -> Vec<HeaderValue> {
    let value = format!("{}/{grant}/{sealed}", flow.rank());
    let text = format!("{PREFIX}{}={value}; {ATTRIBUTES}; Max-Age={MAX_AGE}", flow.id());
    let Some(mut set) = HeaderValue::try_from(text).ok().filter(|set| set.len() <= LONGEST) else { return Vec::new() };
    set.set_sensitive(true);
    let mut others: Vec<_> = ours(request).filter(|(id, _)| *id != flow.id()).collect();
    others.sort_by_key(|(_, value)| rank(value));
    let size = |value: &str| PREFIX.len() + ID + value.len() + "=; ".len();
    let (mut count, mut bytes) = (others.len() + 1, size(&value));
    bytes += others.iter().map(|(_, value)| size(value)).sum::<usize>();
    let mut headers = vec![set];
    for (id, value) in others {
        if count <= MOST && bytes <= TOGETHER {
            break;
        }
        (count, bytes) = (count - 1, bytes - size(value));
        headers.extend(HeaderValue::try_from(format!("{PREFIX}{id}=; {ATTRIBUTES}; Max-Age=0")));
    }
    headers
}

/// The grant that the browser reauthorizes in the flow with this id, as it says, and what is sealed.
pub(super) fn read<'a>(headers: &'a HeaderMap, id: &str) -> Option<(Key, &'a str)> {
    let mut found = ours(headers).filter(|(other, _)| *other == id);
    let (_, value) = found.next()?;
    let mut parts = value.splitn(4, '/').skip(1);
    let (namespace, name, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    // A browser has one of the name; two were put together by someone.
    found.next().is_none().then(|| (Key::new(namespace, name), sealed))
}

/// Whether the browser has anything of ours under way.
pub(super) fn has_any(headers: &HeaderMap) -> bool {
    ours(headers).next().is_some()
}

/// Our cookies, by the ids of their flows; of more than any browser has, the first. The header is read as bytes, since those of
/// other sites on the host are none of our business: they may hold anything.
fn ours(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let all = headers.get_all(COOKIE).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let ours = all.filter_map(|pair| pair.trim_ascii().strip_prefix(PREFIX.as_bytes()));
    let texts = ours.filter_map(|pair| str::from_utf8(pair).ok()?.split_once('='));
    texts.filter(|(id, _)| is_id(id)).take(2 * MOST)
}

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What gives way first has the lowest.
fn rank(value: &str) -> i64 {
    value.split('/').next().and_then(|rank| rank.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::super::flow::{Refusal, Step};
    use super::*;
    use crate::testing::grant;

    fn sent(cookies: &[Vec<u8>]) -> HeaderMap {
        cookies.iter().map(|bytes| (COOKIE, HeaderValue::from_bytes(bytes).unwrap())).collect()
    }

    fn begun(second: i64) -> Flow {
        Flow::begin("1111000011110000", "address", true, Timestamp::from_second(second).unwrap()).0
    }

    /// A browser that keeps what it is told to keep.
    #[derive(Default)]
    struct Jar(Vec<(String, String)>);

    impl Jar {
        fn request(&self) -> HeaderMap {
            let all: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            sent(&[all.join("; ").into_bytes()])
        }

        fn take(&mut self, flow: &Flow, sealed: &str) {
            for header in set(&self.request(), &grant(), flow, sealed) {
                let (cookie, attributes) = header.to_str().unwrap().split_once("; ").unwrap();
                let (name, value) = cookie.split_once('=').unwrap();
                self.0.retain(|(other, _)| other != name);
                if !attributes.ends_with("Max-Age=0") {
                    self.0.push((name.to_owned(), value.to_owned()));
                }
            }
        }

        fn has(&self, flow: &Flow) -> bool {
            read(&self.request(), flow.id()).is_some()
        }
    }

    #[test]
    fn what_is_set_is_read_whatever_else_the_browser_sends() {
        let flow = begun(0);
        let set = set(&HeaderMap::new(), &grant(), &flow, "c2VhbGVk-_");
        assert!(set.len() == 1 && set[0].is_sensitive());
        let (cookie, attributes) = set[0].to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600");
        let cookie = cookie.as_bytes();
        let foreign: [&[u8]; 8] = [
            b"a=b",
            b"name=caf\xc3\xa9",
            b"x=\xff\xfe",
            b"=",
            b";;",
            b"no-value",
            b"q=\"a b\"",
            b"__Host-meta-channels=x",
        ];
        for other in foreign {
            let beside = [vec![[other, b"; ", cookie].concat()], vec![[cookie, b";", other].concat()]];
            for sent_ in beside.into_iter().chain([vec![other.to_vec(), cookie.to_vec()]]) {
                let headers = sent(&sent_);
                assert_eq!(read(&headers, flow.id()), Some((grant(), "c2VhbGVk-_")), "{sent_:?}");
            }
        }
    }

    #[test]
    fn what_is_no_cookie_of_the_flow_is_not_read() {
        let (flow, other) = (begun(0), begun(0));
        let name = format!("{PREFIX}{}", flow.id());
        for text in [
            String::new(),
            "a=b".to_owned(),
            format!("x{name}=0/a/b/c"),
            format!("{name}x=0/a/b/c"),
            format!("{}=0/a/b/c", name.to_uppercase()),
            format!("{name}=0/a/b"),
            format!("{name}=0/a/b/c; {name}=0/a/b/c"),
            format!("{PREFIX}{}=0/a/b/c", other.id()),
        ] {
            assert_eq!(read(&sent(&[text.clone().into_bytes()]), flow.id()), None, "{text}");
        }
    }

    #[test]
    fn several_are_under_way_and_the_first_gives_way_to_one_too_many() {
        let (mut jar, flows): (_, Vec<_>) = (Jar::default(), (0..9).map(begun).collect());
        for flow in &flows[..8] {
            jar.take(flow, "x");
        }
        assert!(flows[..8].iter().all(|flow| jar.has(flow)));
        // A step of one that is there needs no room.
        jar.take(&flows[0], "y");
        assert!(flows[..8].iter().all(|flow| jar.has(flow)));
        jar.take(&flows[8], "x");
        let kept: Vec<_> = flows.iter().map(|flow| jar.has(flow)).collect();
        assert_eq!((kept[0], kept[1..].iter().all(|kept| *kept)), (false, true), "{kept:?}");
    }

    #[test]
    fn what_is_over_gives_way_before_what_is_under_way() {
        let (mut jar, mut flows): (_, Vec<_>) = (Jar::default(), (0..9).map(begun).collect());
        for flow in &flows[..8] {
            jar.take(flow, "x");
        }
        let over = flows.remove(5).ended(Step::Refused(Refusal::Declined));
        jar.take(&over, "x");
        jar.take(&flows[7], "x");
        assert!(!jar.has(&over) && flows.iter().all(|flow| jar.has(flow)));
    }

    #[test]
    fn all_of_them_fit_into_a_header_that_servers_take() {
        let mut jar = Jar::default();
        for second in 0..20 {
            jar.take(&begun(second), &"x".repeat(1 + 150 * usize::try_from(second).unwrap()));
            let header = jar.request()[COOKIE].len();
            assert!(header <= 6 * 1024, "{header}");
        }
        assert!(!jar.0.is_empty());
    }

    #[test]
    fn a_cookie_that_browsers_would_drop_is_not_set() {
        let length = |sealed: usize| set(&HeaderMap::new(), &grant(), &begun(0), &"x".repeat(sealed)).len();
        assert_eq!([3800, 4090].map(length), [1, 0]);
    }

    #[test]
    fn of_what_no_browser_sends_little_is_read() {
        let many: Vec<_> = (0..1_000).map(|number| format!("{PREFIX}{number:032x}=0/a/b/c")).collect();
        let headers = sent(&[many.join("; ").into_bytes()]);
        assert_eq!(ours(&headers).count(), 2 * MOST);
        assert!(set(&headers, &grant(), &begun(0), "x").len() <= 2 * MOST + 1);
    }
}
