use proptest::prelude::*;

use super::*;

const TOKEN: &str = "ZZtoken_0123.456-789|abc";

#[test]
fn known_secrets_are_masked_in_every_form() {
    let percent = "ZZtoken_0123.456-789%7Cabc";
    let fully_percent: String = TOKEN.bytes().map(|b| format!("%{b:02X}")).collect();
    let lower_fully_percent: String = TOKEN.to_lowercase().bytes().map(|b| format!("%{b:02x}")).collect();
    let basic = STANDARD_NO_PAD.encode(format!("user:{TOKEN}!"));
    let rows = [
        ("plain", TOKEN.to_owned()),
        ("upper case", TOKEN.to_uppercase()),
        ("percent-encoded", percent.to_owned()),
        ("percent-encoded, lower case", percent.to_lowercase()),
        ("percent-encoded in full", fully_percent),
        ("percent-encoded in full, lower case", lower_fully_percent),
        ("base64", STANDARD_NO_PAD.encode(TOKEN)),
        ("base64 behind one byte", STANDARD_NO_PAD.encode(format!("a{TOKEN}"))),
        ("base64 behind two bytes", URL_SAFE_NO_PAD.encode(format!("ab{TOKEN}"))),
        ("base64 of basic authorization", basic),
        ("hex", hex::encode(TOKEN)),
        ("split by an invisible character", TOKEN.replace("456", "4\u{200b}5\u{0}6")),
    ];
    for (name, written) in rows {
        let out = redact(&format!("before {written} after"), &[TOKEN]);
        assert!(out.starts_with("before ") && out.ends_with(" after"), "{name}: {out}");
        assert!(out.contains(MASK), "{name}: {out}");
        assert!(out.len() < 35, "{name} left something behind: {out}");
    }
}

#[test]
fn a_stray_percent_sign_hides_nothing() {
    // "%A0" reads as one byte, but the secret begins behind the percent sign.
    let out = redact("%A0AAa0A0%7CaaA%5F%7C00AA%7C%2D", &["A0AAa0A0|aaA_|00AA|-"]);
    assert_eq!(out, "%[redacted]");
}

#[test]
fn what_a_mask_turns_into_a_url_is_cut_as_well() {
    for (text, expected) in [
        ("sha256=https://example.com/ahttps://user:pass@b", "sha256=[redacted]://example.com/ahttps"),
        ("https://access_token=/&:$", "https://access_token=[redacted]&"),
    ] {
        assert_eq!(redact(text, &[]), expected);
    }
}

#[test]
fn shapes_of_secrets_are_masked_without_knowing_them() {
    let rows = [
        ("Malformed access token EAABsbCS1iHgBAHZCz", "Malformed access token [redacted]"),
        ("IGQVJabcdefghij is bad", "[redacted] is bad"),
        ("token 1111000011110000|abcdef0123", "token [redacted]"),
        ("token 1111000011110000%7Cabcdef0123", "token [redacted]"),
        ("x?access_token=abc&fields=id", "x?access_token=[redacted]&fields=id"),
        ("appsecret_proof=00ff", "appsecret_proof=[redacted]"),
        (
            "hub.mode=subscribe&hub.verify_token=v&hub.challenge=1",
            "hub.mode=subscribe&hub.verify_token=[redacted]&hub.challenge=1",
        ),
        (r#"{"access_token": "abc", "id": "1"}"#, r#"{"access_token": "[redacted]", "id": "1"}"#),
        ("client_secret%3Dabc", "client_secret%3D[redacted]"),
        ("signature sha256=00ffaa differs", "signature sha256=[redacted] differs"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "Authorization: Bearer [redacted]"),
        ("key 0123456789abcdef0123456789abcdef0123456789abcdef end", "key [redacted] end"),
    ];
    for (text, expected) in rows {
        assert_eq!(redact(text, &[]), expected);
    }
}

#[test]
fn what_graph_says_about_errors_stays_readable() {
    for text in [
        "Error validating access token: Session has expired on Tuesday, 03-Nov-26 09:00:00 PST.",
        "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging",
        "(#100) Tried accessing nonexisting field (is_published) on node type (Page)",
        "(#2200) Callback verification failed with the following errors: HTTP Status Code = 403; HTTP Message = Forbidden",
        "Invalid OAuth access token signature.",
        "(#100) Param subscribed_fields[0] must be one of {messaging_in_thread_lead_form_submit, messages}",
        "Unsupported get request. Object with ID '2200000000000001' does not exist",
    ] {
        assert_eq!(redact(text, &[TOKEN]), text);
    }
}

#[test]
fn urls_are_cut_to_scheme_host_and_path() {
    let rows = [
        ("see https://u:p@example.com:8443/a/b?c=d#e now", "see https://example.com:8443/a/b now"),
        ("(https://example.com?x=1)", "(https://example.com"),
        ("https://user:pa/ss@host/x", "https://user"),
        ("http://[::1]:8080/x?y", "http://[::1]:8080/x"),
        ("HTTPS://a@b@example.com/", "HTTPS://example.com/"),
        ("https://a.example/web/https://u:p@b.example?c", "https://a.example/web/https"),
    ];
    for (text, expected) in rows {
        assert_eq!(redact(text, &[]), expected);
    }
}

#[test]
fn control_and_bidi_characters_are_removed() {
    assert_eq!(redact("a\u{0}b\u{1b}[31mc\u{202e}d\u{2066}e\u{feff}f", &[]), "ab[31mcdef");
    assert_eq!(redact("  one\r\n\ttwo\u{2028}three  ", &[]), "one two three");
}

#[test]
fn the_text_is_cut_on_a_character_and_never_inside_a_mask() {
    assert_eq!(redact(&"é ".repeat(200), &[]).chars().count(), 199);
    let text = format!("{} EAABsbCS1iHgBAHZCz", "ab ".repeat(64).trim_end());
    assert_eq!(redact(&text, &[]), "ab ".repeat(64).trim_end());
}

#[test]
fn identifiers_pass_and_other_names_are_foreign_text() {
    assert_eq!(identifier("messaging_in_thread_lead_form_submit".into()), "messaging_in_thread_lead_form_submit");
    assert_eq!(identifier("EAABsbCS1iHgBAHZCz".into()), MASK);
    assert_eq!(identifier("a\u{202e}b".into()), "ab");
}

/// Text put together from what the patterns look for, so that they meet each other.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,8}",
        2 => any::<String>(),
        2 => "[A-Za-z0-9_.|-]{20,60}",
        6 => prop::sample::select(vec![
            "access_token=", "\"secret\":\"", "sha256=", "Bearer ", "EAAB", "https://", "://", "@", "?", "#", "/", ":",
            "[redacted]", "[redac", "%7C", "%", "%3D", "123456|", "\u{202e}", "\u{200b}", "\n", " ", "\"", "&", "=", "é",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_a_secret_comes_out(
        secret in "[A-Za-z0-9|_.-]{20,64}",
        before in hostile_text(),
        between in hostile_text(),
        after in hostile_text(),
    ) {
        let percent = percent_encoded(&secret);
        let encoded = STANDARD_NO_PAD.encode(&secret);
        for written in [&secret, &percent, &encoded] {
            let out = redact(&format!("{before}{written}{between}{written}{after}"), &[&secret]);
            prop_assert!(!out.contains(&secret), "{out}");
            prop_assert!(!out.contains(&percent), "{out}");
            prop_assert!(!out.contains(&encoded), "{out}");
        }
    }

    #[test]
    fn what_comes_out_is_short_clean_and_stable(text in hostile_text(), secret in "[A-Za-z0-9|_.-]{20,64}") {
        let once = redact(&text, &[&secret]);
        prop_assert!(once.chars().count() <= MAX_CHARS);
        prop_assert!(!once.chars().any(|c| c.is_control() || is_invisible(c)));
        prop_assert_eq!(&redact(&once, &[&secret]), &once);
    }
}
