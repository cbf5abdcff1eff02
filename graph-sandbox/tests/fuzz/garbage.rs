//! Requests that are almost right.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::words::*;

/// A request, and what may be expected of the answer.
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is HTTP still.
    pub(crate) is_http: bool,
    pub(crate) is_control: bool,
    pub(crate) is_dialog: bool,
    pub(crate) without_body: bool,
}

fn pick<'a>(rng: &mut SmallRng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

/// A request; the same for the same state of the generator.
pub(crate) fn request(rng: &mut SmallRng) -> Sent {
    let is_control = rng.random_bool(0.2);
    let asked = match (rng.random_bool(0.6), is_control) {
        (true, true) => control_call(rng),
        (true, false) => graph_call(rng),
        (false, _) => anything(rng, is_control),
    };
    let Asked { method, target, token, content_type, body } = asked;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n");
    if let Some(token) = token {
        head += &format!("Authorization: {token}\r\n");
    }
    for _ in 0..if rng.random_bool(0.01) { 90 } else { rng.random_range(0..3) } {
        head += &format!("X-Odd-{}: {}\r\n", rng.next_u32(), "v".repeat(rng.random_range(0..200)));
    }
    head += &format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut bytes = head.into_bytes();
    bytes.extend(body);
    let broken = rng.random_bool(0.1);
    if broken {
        break_bytes(rng, &mut bytes);
    }
    let is_dialog = target.contains("dialog/oauth");
    Sent { bytes, is_http: !broken, is_control, is_dialog, without_body: method == "HEAD" || method == "OPTIONS" }
}

/// The parts of a request that are put together.
struct Asked {
    method: &'static str,
    target: String,
    token: Option<String>,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Words in any combination.
fn anything(rng: &mut SmallRng, is_control: bool) -> Asked {
    let method = pick(rng, METHODS);
    let mut target = if is_control { format!("/_sandbox/{}", pick(rng, CONTROL)) } else { path(rng) };
    if rng.random_bool(0.6) {
        target = format!("{target}?{}", form(rng));
    }
    let (content_type, body) = body(rng, is_control);
    let scheme = pick(rng, &["Bearer", "Bearer", "bearer", "OAuth", "Basic", ""]);
    let token = rng.random_bool(0.7).then(|| format!("{scheme} {}", pick(rng, TOKENS)));
    Asked { method, target, token, content_type, body }
}

/// A right call of Graph with perhaps some of it changed.
fn graph_call(rng: &mut SmallRng) -> Asked {
    let (method, path, token, form) = CALLS[rng.random_range(0..CALLS.len())];
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    while rng.random_bool(0.4) {
        let at = rng.random_range(0..=pairs.len());
        match rng.random_range(0..3) {
            0 if at < pairs.len() => drop(pairs.remove(at)),
            1 if at < pairs.len() => pairs[at].1 = value(rng),
            _ => pairs.push((pick(rng, NAMES).to_owned(), value(rng))),
        }
    }
    let token = if rng.random_bool(0.1) { pick(rng, TOKENS) } else { token };
    let method = if rng.random_bool(0.05) { pick(rng, METHODS) } else { method };
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let (target, body) =
        if method == "GET" { (format!("{path}?{form}"), String::new()) } else { (path.to_owned(), form) };
    let token = (!token.is_empty()).then(|| format!("Bearer {token}"));
    Asked { method, target, token, content_type: "application/x-www-form-urlencoded", body: body.into_bytes() }
}

/// A right control call with perhaps some of it changed.
fn control_call(rng: &mut SmallRng) -> Asked {
    let (method, path, body) = CONTROL_CALLS[rng.random_range(0..CONTROL_CALLS.len())];
    let mut body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    if rng.random_bool(0.5) {
        change(rng, &mut body);
    }
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let target = format!("/_sandbox/{path}");
    Asked { method, target, token: None, content_type: "application/json", body: text.into_bytes() }
}

/// Changes something somewhere in it.
fn change(rng: &mut SmallRng, value: &mut Value) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.random_bool(0.8) => {
            let at = rng.random_range(0..members.len());
            if let Some(member) = members.values_mut().nth(at) {
                change(rng, member);
            }
        }
        Value::Array(items) if !items.is_empty() && rng.random_bool(0.8) => {
            let at = rng.random_range(0..items.len());
            change(rng, &mut items[at]);
        }
        other => *other = json_value(rng, 0),
    }
}

fn break_bytes(rng: &mut SmallRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..20) {
        let at = rng.random_range(0..bytes.len().max(1));
        match rng.random_range(0..3) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), rng.random()),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = rng.random();
                }
            }
        }
    }
}

fn path(rng: &mut SmallRng) -> String {
    if rng.random_bool(0.2) {
        return pick(rng, &["/", "/v25.0/", "//", "/v25.0"]).to_owned();
    }
    let mut path = String::new();
    for _ in 0..rng.random_range(1..5) {
        path.push('/');
        path += &if rng.random_bool(0.9) { pick(rng, SEGMENTS).to_owned() } else { escaped_junk(rng) };
    }
    path
}

/// Bytes of any kind, as a path may hold them.
fn escaped_junk(rng: &mut SmallRng) -> String {
    let length = if rng.random_bool(0.02) { 70_000 / 3 } else { rng.random_range(1..20) };
    let byte = |_| match rng.random_range(0..6) {
        0 => pick(rng, &["%", "%0", "%zz", "{", "|", "\"", "é"]).replace('é', "%c3%a9"),
        _ => format!("%{:02x}", rng.random::<u8>()),
    };
    (0..length).map(byte).collect()
}

fn value(rng: &mut SmallRng) -> String {
    match rng.random_range(0..12) {
        0 => pick(rng, TOKENS).to_owned(),
        1 => batch(rng, 0).to_string(),
        2 => pick(rng, SEGMENTS).to_owned(),
        3 => "[".repeat(rng.random_range(0..400)),
        4 => (0..rng.random_range(0..30)).map(|_| rng.random::<char>()).collect(),
        5 if rng.random_bool(0.1) => "a,".repeat(rng.random_range(0..30_000)),
        _ => pick(rng, VALUES).to_owned(),
    }
}

fn form(rng: &mut SmallRng) -> String {
    if rng.random_bool(0.1) {
        return escaped_junk(rng).replace('"', "%22") + "=&&=%";
    }
    let count = if rng.random_bool(0.01) { 2000 } else { rng.random_range(0..5) };
    let mut form = form_urlencoded::Serializer::new(String::new());
    for _ in 0..count {
        let value = if count > 10 { "x".to_owned() } else { value(rng) };
        form.append_pair(pick(rng, NAMES), &value);
    }
    form.finish()
}

fn json_value(rng: &mut SmallRng, depth: usize) -> Value {
    match rng.random_range(0..9) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(rng.random::<f64>() * 1e300),
        4 if depth < 6 => (0..rng.random_range(0..4)).map(|_| json_value(rng, depth + 1)).collect(),
        5 if depth < 6 => object(rng, depth + 1),
        6 => batch(rng, depth + 1),
        _ => json!(value(rng)),
    }
}

fn object(rng: &mut SmallRng, depth: usize) -> Value {
    let count = rng.random_range(0..5);
    Value::Object((0..count).map(|_| (pick(rng, NAMES).to_owned(), json_value(rng, depth))).collect())
}

fn batch(rng: &mut SmallRng, depth: usize) -> Value {
    if depth > 2 {
        return json!([]);
    }
    let count = if rng.random_bool(0.05) { 51 } else { rng.random_range(0..4) };
    (0..count).map(|_| operation(rng, depth)).collect()
}

fn operation(rng: &mut SmallRng, depth: usize) -> Value {
    if rng.random_bool(0.05) {
        return json_value(rng, depth + 3);
    }
    let query = if depth < 1 && rng.random_bool(0.5) { value(rng) } else { "fields=id".to_owned() };
    let url = format!("{}?{query}&access_token={}", path(rng), pick(rng, TOKENS));
    let mut operation = json!({"method": pick(rng, &["GET", "POST", "DELETE", "get", "BREW"]), "relative_url": url});
    for (key, values) in
        [("name", &["a", "b", ""][..]), ("depends_on", &["a", "b"]), ("body", &["x=1", "batch=[]", "%ff"])]
    {
        if rng.random_bool(0.2) {
            operation[key] = pick(rng, values).into();
        }
    }
    operation
}

fn body(rng: &mut SmallRng, is_control: bool) -> (&'static str, Vec<u8>) {
    let kind = pick(rng, TYPES);
    // Latin-1 in a header is HTTP, the same character in UTF-8 is, too.
    let json = is_control || rng.random_bool(0.3);
    let text = match rng.random_range(0..8) {
        0 => String::new(),
        1 => (0..rng.random_range(0..200)).map(|_| rng.random::<char>()).collect(),
        2 => multipart(rng),
        3 => "{\"a\":".repeat(rng.random_range(0..3000)),
        _ if json => {
            return (if is_control { kind } else { "application/json" }, object(rng, 0).to_string().into_bytes());
        }
        _ => return ("application/x-www-form-urlencoded", form(rng).into_bytes()),
    };
    let mut bytes = text.into_bytes();
    if rng.random_bool(0.2) {
        bytes.extend([0xff, 0xfe, 0x00]);
    }
    if rng.random_bool(0.002) {
        bytes.resize(1_200_000, b'a');
    }
    (kind, bytes)
}

fn multipart(rng: &mut SmallRng) -> String {
    let mut body = String::new();
    for _ in 0..rng.random_range(0..4) {
        let file = pick(rng, &["", "; filename=\"x\"", "; filename="]);
        body += &format!("--xyz\r\nContent-Disposition: form-data; name=\"{}\"{file}\r\n\r\n", pick(rng, NAMES));
        body += &value(rng);
        body += "\r\n";
    }
    body + pick(rng, &["--xyz--\r\n", "--xyz", "", "--abc--\r\n"])
}
