//! The one door through which foreign text reaches a status, an Event or a log.
//!
//! Graph echoes tokens in its error texts, callbacks answer with whatever they like, and page names are
//! written by strangers. Characters that hide others are removed first; then the text is cut and masked until
//! neither finds anything more, so no cut can put a secret together again.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::{Captures, Regex};
use serde_json::Value;

/// What stands where a secret was.
const MASK: &str = "[redacted]";
/// The longest text that comes out, in characters.
const MAX_CHARS: usize = 200;
/// So much of a longer text is quoted, from its begin and from its end; with what stands between, as much as fits.
const QUOTED_FIRST: usize = 118;
const QUOTED_LAST: usize = 80;
/// How often a text is gone over until nothing changes any more; two or three times are usual.
const MAX_PASSES: usize = 8;
/// Shorter strings are not secrets of ours; one that fits into the mask could never be masked.
const MIN_SECRET: usize = MASK.len() + 1;

/// Makes foreign text fit to be shown: control and bidi characters are removed, blanks run together, URLs
/// cut to scheme, host and path, the given `secrets` (plain, percent-encoded, base64 or hex, in any case)
/// and everything shaped like a secret masked, and the rest cut to 200 characters.
///
/// Applying it twice changes nothing.
#[must_use]
pub fn redact(text: &str, secrets: &[&str]) -> String {
    cleaned(text, secrets, shorten)
}

/// As [`redact`], but of a longer text the begin and the end: Meta's texts name what they are about last.
pub(crate) fn quote(text: &str, secrets: &[&str]) -> String {
    cleaned(text, secrets, |text| {
        let length = text.chars().count();
        if length <= MAX_CHARS {
            return text;
        }
        let first: String = text.chars().take(QUOTED_FIRST).collect();
        let last: String = text.chars().skip(length - QUOTED_LAST).collect();
        // The cut may have put something together that has to be masked.
        redact(&format!("{first}… {last}"), secrets)
    })
}

fn cleaned(text: &str, secrets: &[&str], shorten: impl Fn(String) -> String) -> String {
    let needles = needles(secrets);
    let mut text = one_clean_line(text);
    // A mask can turn what surrounds it into something to cut or mask.
    for _ in 0..MAX_PASSES {
        let next = masked(&text, &needles);
        if next == text {
            return shorten(text);
        }
        text = next;
    }
    // Text that is still not settled was made to confuse, not to be read.
    MASK.to_owned()
}

fn masked(text: &str, needles: &[Vec<u8>]) -> String {
    let text = URL.replace_all(text, |url: &Captures<'_>| cut_url(&url[0]));
    let mut text = mask(&text, needles);
    for (pattern, replacement) in SHAPES.iter() {
        text = pattern.replace_all(&text, *replacement).into_owned();
    }
    text
}

/// A name made of letters, digits and `_ . -` (a field, a scope, an object) passes as it is; anything else
/// is foreign text.
pub(crate) fn identifier(text: String) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    // Forty characters is where the shape of an opaque secret begins.
    if text.len() < 40 && text.bytes().all(plain) && !text.starts_with("EAA") { text } else { redact(&text, &[]) }
}

fn one_clean_line(text: &str) -> String {
    let visible: String =
        text.chars().map(|c| if is_break(c) { ' ' } else { c }).filter(|c| !is_invisible(*c)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    words.join(" ")
}

fn is_break(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, and format characters that reorder or hide what a person reads.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

static URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)[a-z][a-z0-9+.-]*://[^\s"'<>]*"#));

/// Scheme, host and path. A port that is not a number is the beginning of a password; a URL within the path
/// may hold one too.
fn cut_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let shown = match host.split_once(':') {
        Some((name, port)) if !host.starts_with('[') && !is_number(port) => name.to_owned(),
        _ => format!("{host}{path}"),
    };
    let outer = shown.split("://").next().unwrap_or_default();
    format!("{scheme}://{outer}")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether nothing but a secret of the call itself stood here.
pub(crate) fn is_masked(text: &str) -> bool {
    text == MASK
}

/// Masks the secrets of a call wherever they stand in its answer.
pub(crate) fn scrub(answer: &mut Value, secrets: &[&str]) {
    fn walk(value: &mut Value, needles: &[Vec<u8>]) {
        match value {
            Value::String(text) if text.len() >= MIN_SECRET => *text = mask(text, needles),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, needles)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, needles)),
            _ => {}
        }
    }
    walk(answer, &needles(secrets));
}

fn needles(secrets: &[&str]) -> Vec<Vec<u8>> {
    secrets.iter().filter(|secret| secret.len() >= MIN_SECRET).flat_map(|secret| forms(secret)).collect()
}

fn mask(text: &str, needles: &[Vec<u8>]) -> String {
    if needles.is_empty() {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for from in 0..bytes.len() {
        found.extend(needles.iter().filter_map(|needle| Some((from, end_of(needle, bytes, from)?))));
    }
    found.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (from, to) in found {
        if from >= end {
            out.push_str(&text[end..from]);
            out.push_str(MASK);
        }
        end = end.max(to);
    }
    out.push_str(&text[end..]);
    out
}

/// Where the needle ends that begins here, if one does: each byte plain or percent-encoded, in any case.
fn end_of(needle: &[u8], text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for wanted in needle {
        let byte = *text.get(at)?;
        let escaped = if byte == b'%' { unescaped(text.get(at + 1..at + 3)) } else { None };
        at += match escaped {
            Some(byte) if byte.eq_ignore_ascii_case(wanted) => 3,
            _ if byte.eq_ignore_ascii_case(wanted) => 1,
            _ => return None,
        };
    }
    Some(at)
}

fn unescaped(digits: Option<&[u8]>) -> Option<u8> {
    let mut byte = [0_u8; 1];
    hex::decode_to_slice(digits?, &mut byte).ok()?;
    Some(byte[0])
}

/// The ways in which a secret may be written.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_owned(), hex::encode(secret)];
    // Inside a longer base64 text a secret starts at one of three bit offsets; the characters it
    // shares with its neighbors are left out.
    for before in 0..3_usize {
        let padded = [&[0_u8; 2][..before], secret.as_bytes()].concat();
        let inner = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        forms.push(STANDARD_NO_PAD.encode(&padded)[inner.clone()].to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(&padded)[inner].to_owned());
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

static SHAPES: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
    [
        // access_token=…, "appsecret_proof":"…", hub.verify_token=…, client_secret%3D…
        (
            pattern(
                r#"(?i)((?:token|secret|proof|password|signature|signed_request)(?:["']?\s*:\s*["']|["']?:|\s*=\s*["']?|%3d|%3a))[^\s"'&<>,;]+"#,
            ),
            "${1}[redacted]",
        ),
        (pattern(r"(?i)(sha(?:1|256)=)[0-9a-z]+"), "${1}[redacted]"),
        (pattern(r"(?i)(bearer )[a-z0-9|_.~+/=%-]{20,}"), "${1}[redacted]"),
        // Tokens of Facebook and Instagram begin like this.
        (pattern(r"(?:EAA|IGAA|IGQ[VW])[A-Za-z0-9|_.%-]{8,}"), MASK),
        // An app token.
        (pattern(r"[0-9]{4,20}(?:\||%7[cC])[A-Za-z0-9_.-]{6,}"), MASK),
        // Anything long and opaque.
        (pattern(r"[A-Za-z0-9_+-]{40,}={0,2}"), MASK),
    ]
});

/// Never ends inside a mask: half a mask would be taken for a secret the next time.
fn shorten(text: String) -> String {
    let Some((limit, _)) = text.char_indices().nth(MAX_CHARS) else {
        return text;
    };
    let masked = text.match_indices(MASK).map(|(from, mask)| (from, from + mask.len()));
    let end = masked.filter(|(from, to)| *from < limit && limit < *to).map(|(from, _)| from).next();
    text[..end.unwrap_or(limit)].trim_end().to_owned()
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern, compiled in tests")
}

/// Whether it can be the id of an object. Such are remembered, and shown to people.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests;
