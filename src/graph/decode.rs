//! Lenient readers: Graph writes booleans as words, numbers as strings and ids as numbers.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A whole number, also as text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A boolean, also as a word.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An id of Graph: text or number, of digits and underscores.
pub(crate) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    (plain && (1..=64).contains(&text.len())).then_some(text)
}

/// For `deserialize_with`: a flag that must be there.
pub(crate) fn lenient_flag<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    flag(&Value::deserialize(source)?).ok_or_else(|| de::Error::custom("not a flag"))
}

/// For `deserialize_with`: a flag that may be absent or null.
pub(crate) fn optional_flag<'de, D: Deserializer<'de>>(source: D) -> Result<Option<bool>, D::Error> {
    optional(source, flag, "not a flag")
}

/// For `deserialize_with`: an id that must be there.
pub(crate) fn lenient_id<'de, D: Deserializer<'de>, T: From<String>>(source: D) -> Result<T, D::Error> {
    id(&Value::deserialize(source)?).map(T::from).ok_or_else(|| de::Error::custom("not an id"))
}

/// For `deserialize_with`: an id that may be absent or null.
pub(crate) fn optional_id<'de, D: Deserializer<'de>, T: From<String>>(source: D) -> Result<Option<T>, D::Error> {
    Ok(optional(source, id, "not an id")?.map(T::from))
}

/// For `deserialize_with`: a list of ids that may be absent or null.
pub(crate) fn optional_ids<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<String>>, D::Error> {
    optional(source, |value| value.as_array()?.iter().map(id).collect(), "not a list of ids")
}

/// The first second after the clocks that Meta may set: 2100-01-01. What lies outside of 1970 to then is no time, and an answer
/// with it is none.
const END_OF_CLOCKS: i64 = 4_102_444_800;

/// For `deserialize_with`: seconds since 1970; 0, like absence, means *never*.
pub(crate) fn optional_time<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Timestamp>, D::Error> {
    let clock = |value: &Value| integer(value).filter(|seconds| (0..END_OF_CLOCKS).contains(seconds));
    let seconds = optional(source, clock, "not a time")?.filter(|seconds| *seconds != 0);
    seconds.map(Timestamp::from_second).transpose().map_err(|_| de::Error::custom("not a time"))
}

fn optional<'de, D: Deserializer<'de>, T>(
    source: D,
    read: impl Fn(&Value) -> Option<T>,
    complaint: &'static str,
) -> Result<Option<T>, D::Error> {
    match Value::deserialize(source)? {
        Value::Null => Ok(None),
        value => read(&value).map(Some).ok_or_else(|| de::Error::custom(complaint)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_flags_and_ids_come_in_several_spellings() {
        assert_eq!(
            [json!(5), json!("5"), json!(" 5 "), json!(true), json!("x"), json!(1.5)].each_ref().map(integer),
            [Some(5), Some(5), Some(5), None, None, None]
        );
        assert_eq!(
            [json!(true), json!("TRUE"), json!("false"), json!(1), json!("yes")].each_ref().map(flag),
            [Some(true), Some(true), Some(false), None, None]
        );
        let ids = [
            json!(2_200_000_000_000_001_u64),
            json!("2200000000000001"),
            json!("1_2"),
            json!(-1),
            json!(""),
            json!("../me"),
            json!(null),
        ];
        let read = ids.each_ref().map(id);
        assert_eq!(read[0], read[1]);
        assert_eq!(read[2].as_deref(), Some("1_2"));
        assert!(read[3..].iter().all(Option::is_none), "{read:?}");
    }

    #[derive(Deserialize)]
    struct Clock {
        #[serde(default, deserialize_with = "optional_time")]
        at: Option<Timestamp>,
    }

    #[test]
    fn zero_and_absence_mean_never() {
        let read = |json: Value| serde_json::from_value::<Clock>(json).map(|clock| clock.at);
        for never in [json!({"at": 0}), json!({"at": "0"}), json!({"at": null}), json!({})] {
            assert_eq!(read(never).expect("a clock"), None);
        }
        let expected = Timestamp::from_second(1_790_000_000).expect("in range");
        assert_eq!(read(json!({"at": 1_790_000_000})).expect("a clock"), Some(expected));
        assert_eq!(read(json!({"at": "1790000000"})).expect("a clock"), Some(expected));
        assert!(read(json!({"at": "soon"})).is_err());
        for absurd in [-377_705_023_201, -1, 253_402_207_200, END_OF_CLOCKS, i64::MAX] {
            assert!(read(json!({"at": absurd})).is_err(), "{absurd}");
        }
        assert!(read(json!({"at": END_OF_CLOCKS - 1})).is_ok());
    }
}
