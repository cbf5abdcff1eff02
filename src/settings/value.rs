//! What flags may hold. Each refusal says what is allowed; clap adds the flag and the value.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use crate::graph::plain_url;

/// The longest time that any flag may hold: thirty days.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many characters a name of an instance may have: as many as an Event may have in `reportingInstance`.
const LONGEST_INSTANCE: usize = 128;

/// Names of namespaces, each once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Namespaces(pub(super) Vec<String>);

/// Names of namespaces between commas. An empty text holds none.
pub(super) fn namespaces(text: &str) -> Result<Namespaces, String> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        let name = namespace(name).map_err(|allowed| match name {
            "" => "a name is missing before or after a comma".to_owned(),
            _ => format!("{name:?} {allowed}"),
        })?;
        if names.contains(&name) {
            return Err(format!("{name:?} is there twice"));
        }
        names.push(name);
    }
    Ok(Namespaces(names))
}

/// The name of a namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    Err("must be the name of a namespace: at most 63 lower-case letters, digits and '-', with a letter or digit at both ends".to_owned())
}

/// The name of a Lease or a Secret.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err("must be the name of an object: at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part between dots".to_owned())
}

/// A label of DNS, as Kubernetes wants the names of namespaces to be (RFC 1123).
fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| allowed(*byte));
    let bytes = text.as_bytes();
    bytes.len() <= 63 && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|it| allowed(*it) || *it == b'-')
}

/// The name of an instance; empty if there is none.
pub(super) fn instance(text: &str) -> Result<String, String> {
    if text.len() <= LONGEST_INSTANCE && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!("must have at most {LONGEST_INSTANCE} printable ASCII characters, none of them a space"))
}

/// A time from `least` to `most`, both in whole seconds.
pub(super) fn time(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let span: Option<SignedDuration> = text.parse().ok();
        let span = span.ok_or("must be a duration such as 10s or 15m")?;
        let span = Duration::try_from(span).ok().filter(|span| (least..=most).contains(span));
        span.ok_or_else(|| format!("must be at least {} and at most {}", shown(least), shown(most)))
    }
}

/// A time as it is written in a flag.
pub(super) fn shown(time: Duration) -> String {
    SignedDuration::try_from(time).map_or_else(|_| format!("{time:?}"), |time| format!("{time:#}"))
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port from 0 to 65535, such as 0.0.0.0:8080".to_owned())
}

/// A filter for logs.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let refused = |why| format!("must be a filter such as info or meta_channel_operator=debug ({why})");
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(refused)
}

/// The URL of a server in the flag of this name. What clap refuses it shows, and a URL may hold a password: so it is checked here.
///
/// # Errors
/// When it is none, or holds what is none of a server's.
pub(super) fn server_url(flag: &str, url: &str) -> anyhow::Result<Url> {
    plain_url(url).map_err(|why| {
        let value = if url.contains('@') { String::new() } else { format!(" ({url:?})") };
        anyhow::anyhow!(
            "{flag}{value} must be the URL of a server, such as https://host.example, without credentials, query and fragment: {why}"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn namespaces_are_labels_of_dns_each_once() {
        let read = |text: &str| namespaces(text).map(|it| it.0.join(" "));
        assert_eq!(read("").as_deref(), Ok(""));
        assert_eq!(read("b, a").as_deref(), Ok("b a"));
        assert_eq!(read(&"x".repeat(63)).unwrap().len(), 63);
        let nothing = "a name is missing before or after a comma";
        for (text, said) in [
            ("Foo_Bar,,x", "\"Foo_Bar\" must be the name of a namespace"),
            ("a,,x", nothing),
            ("a,", nothing),
            (",", nothing),
            (" ", nothing),
            ("a,b,a", "\"a\" is there twice"),
            ("-a", "\"-a\" must be"),
            ("a-", "\"a-\" must be"),
            ("a.b", "\"a.b\" must be"),
            ("\u{e9}", "must be the name of a namespace"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(said) || refused.contains(said), "{text:?}: {refused}");
        }
        assert!(read(&"x".repeat(64)).is_err());
    }

    #[test]
    fn names_of_objects_may_have_dots_and_those_of_instances_any_printable_character() {
        for good in ["a", "a.b-c.1"] {
            assert_eq!(object_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a..b", "a.", "A", "a_b", "a/b"] {
            assert!(object_name(bad).is_err(), "{bad:?}");
        }
        for good in ["", "Host_1.local-7"] {
            assert_eq!(instance(good).as_deref(), Ok(good));
        }
        for bad in ["a b", "a\n", "\u{e9}", &"x".repeat(129)] {
            assert!(instance(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_have_a_unit_and_bounds() {
        let read = time(Duration::from_secs(1), Duration::from_secs(90 * 60));
        assert_eq!(read("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(read("1h30m"), Ok(Duration::from_secs(90 * 60)));
        for bad in ["0s", "999ms", "-5s", "91m", "1000000h"] {
            assert_eq!(read(bad).unwrap_err(), "must be at least 1s and at most 1h 30m", "{bad}");
        }
        for none in ["", "10", "soon", "1 fortnight"] {
            assert_eq!(read(none).unwrap_err(), "must be a duration such as 10s or 15m", "{none}");
        }
    }

    #[test]
    fn a_url_is_shown_unless_it_may_hold_a_password() {
        assert_eq!(server_url("--x", "https://graph.example/").unwrap().as_str(), "https://graph.example/");
        let refused = |url: &str| server_url("--x", url).unwrap_err().to_string();
        assert!(
            refused("ftp://graph.example").starts_with("--x (\"ftp://graph.example\") must be the URL of a server")
        );
        for url in ["https://me:hunter2@graph.example", "hunter2@", "ftp://me:hunter2@x"] {
            let refused = refused(url);
            assert!(refused.starts_with("--x must be") && !refused.contains("hunter2"), "{refused}");
        }
        for url in ["", "graph.example", "https://", "https://graph.example?a=b", "https://graph.example#a"] {
            assert!(refused(url).contains(&format!("{url:?}")), "{url}");
        }
    }
}
