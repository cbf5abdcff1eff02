//! Points in time as seeds write them: absolute, relative to the start, or never.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A point in time in a seed or a control request.
///
/// Written as RFC 3339 (`2026-11-22T10:00:00Z`), as unix seconds, relative to the sandbox's
/// clock (`-2d`, `+60d`, `1h30m`), or as `never` (also `0`, as Graph prints it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// No such moment.
    #[default]
    Never,
    /// This moment.
    At(Timestamp),
    /// This far from the moment the value is loaded.
    Relative(SignedDuration),
}

/// The text is no point in time.
#[derive(Debug, thiserror::Error)]
#[error("expected an RFC 3339 time, unix seconds, `never`, or a span such as `-2d`")]
pub struct BadWhen;

impl When {
    /// The moment, in whole seconds as Graph counts; `None` is never.
    pub fn resolve(self, now: Timestamp) -> Result<Option<Timestamp>, BadWhen> {
        let moment = match self {
            Self::Never => return Ok(None),
            Self::At(moment) => moment,
            Self::Relative(span) => now.checked_add(span).map_err(|_| BadWhen)?,
        };
        Timestamp::from_second(moment.as_second()).map(Some).map_err(|_| BadWhen)
    }

    fn from_unix(seconds: i64) -> Result<Self, BadWhen> {
        match seconds {
            0 => Ok(Self::Never),
            _ => Timestamp::from_second(seconds).map(Self::At).map_err(|_| BadWhen),
        }
    }
}

/// Reads a span such as `15m` or `-2d`; a day has 24 hours.
pub(crate) fn parse_span(text: &str) -> Result<SignedDuration, BadWhen> {
    text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours())).map_err(|_| BadWhen)
}

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        let text = text.trim();
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(seconds) = text.parse::<i64>() {
            return Self::from_unix(seconds);
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self::At(moment));
        }
        parse_span(text).map(Self::Relative)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WhenVisitor;

        impl Visitor<'_> for WhenVisitor {
            type Value = When;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time, unix seconds, `never`, or a span such as `-2d`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<When, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<When, E> {
                When::from_unix(seconds).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<When, E> {
                i64::try_from(seconds).map_err(E::custom).and_then(|seconds| self.visit_i64(seconds))
            }
        }

        deserializer.deserialize_any(WhenVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00.75Z".parse().unwrap()
    }

    #[test]
    fn relative_times_count_from_now_in_whole_seconds() {
        for (text, expected) in
            [("-2d", "2026-11-20T10:00:00Z"), ("+60d", "2027-01-21T10:00:00Z"), ("90m", "2026-11-22T11:30:00Z")]
        {
            let when: When = text.parse().unwrap();
            assert_eq!(when.resolve(now()).unwrap(), Some(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn absolute_times_and_never() {
        let at = Some("2026-12-01T00:00:00Z".parse::<Timestamp>().unwrap());
        for text in ["2026-12-01T00:00:00Z", "1796083200"] {
            assert_eq!(text.parse::<When>().unwrap().resolve(now()).unwrap(), at, "{text}");
        }
        assert_eq!("never".parse::<When>().unwrap(), When::Never);
        assert_eq!(serde_yaml_ng::from_str::<When>("0").unwrap(), When::Never);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "2026-13-01T00:00:00Z", "99999999999999999999"] {
            assert!(text.parse::<When>().is_err(), "{text} was taken for a time");
        }
        let far: When = "+300000000h".parse().unwrap();
        assert!(far.resolve(now()).is_err());
    }
}
