use serde_json::json;

use super::*;
use crate::testing::PAGE;

const OTHER: &str = "5500000000000001";

fn headers<'a>(pairs: &[(&str, &'a str)]) -> Headers<'a> {
    Headers::find(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
}

/// What is said, as percents of `app` or of an id.
fn said(pairs: &[(&str, &str)], charged: Charged<'_>, answered: bool) -> Vec<(String, u32)> {
    let name = |of: &Metered| match of {
        Metered::App => "app".to_owned(),
        Metered::Object(id) => id.clone(),
    };
    headers(pairs).usages(charged, answered).iter().map(|usage| (name(&usage.of), usage.percent)).collect()
}

fn of(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
    pairs.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect()
}

#[test]
fn the_largest_of_the_three_shares_counts() {
    let rows = [
        (r#"{"call_count":28,"total_time":25,"total_cputime":25}"#, 28),
        (r#"{"call_count":28,"total_time":97,"total_cputime":25}"#, 97),
        (r#"{"call_count":28,"total_time":25,"total_cputime":"101"}"#, 101),
        (r#"{"call_count":96}"#, 96),
        (r#"{"call_count":0,"total_time":0,"total_cputime":0}"#, 0),
        (r#"{"call_count":-3,"total_time":7,"total_cputime":null,"acc_id_util_pct":99}"#, 7),
    ];
    for (header, percent) in rows {
        assert_eq!(said(&[(APP_USAGE, header)], Charged::App, true), of(&[("app", percent)]), "{header}");
    }
}

#[test]
fn each_object_of_the_business_header_has_the_worst_of_its_rows() {
    let header = json!({
        PAGE: [
            {"type": "messenger", "call_count": 91, "total_cputime": 20, "total_time": 22, "estimated_time_to_regain_access": 0},
            {"type": "pages", "call_count": 3, "total_cputime": 95, "total_time": 0, "estimated_time_to_regain_access": 0},
        ],
        OTHER: [{"type": "pages", "call_count": 12}],
    });
    let header = header.to_string();
    let mut all = said(&[(BUSINESS_USAGE, &header)], Charged::Page(PAGE), true);
    all.sort();
    assert_eq!(all, of(&[(PAGE, 95), (OTHER, 12)]));
}

#[test]
fn a_call_that_was_counted_for_something_else_slows_its_page_too() {
    let header = json!({ OTHER: [{"type": "pages", "call_count": 96}] }).to_string();
    let all = said(&[(BUSINESS_USAGE, &header)], Charged::Page(PAGE), true);
    assert_eq!(all, of(&[(OTHER, 96), (PAGE, 96)]));
    assert_eq!(said(&[(BUSINESS_USAGE, &header)], Charged::Unknown, true), of(&[(OTHER, 96)]));
}

#[test]
fn the_page_header_of_older_releases_is_about_the_page_that_was_asked_about() {
    let page = r#"{"call_count":97,"total_time":1,"total_cputime":1}"#;
    let business = json!({ PAGE: [{"call_count": 40}] }).to_string();
    let rows: [(&[(&str, &str)], Charged<'_>, _); 3] = [
        (&[(PAGE_USAGE, page)], Charged::Page(PAGE), of(&[(PAGE, 97)])),
        (&[(PAGE_USAGE, page), (BUSINESS_USAGE, &business)], Charged::Page(PAGE), of(&[(PAGE, 97)])),
        (&[(PAGE_USAGE, page)], Charged::Unknown, of(&[])),
    ];
    for (pairs, charged, expected) in rows {
        assert_eq!(said(pairs, charged, true), expected, "{pairs:?}");
    }
}

#[test]
fn what_an_answer_does_not_mention_is_fine_and_what_is_no_answer_says_nothing() {
    let app = [(APP_USAGE, r#"{"call_count":96}"#)];
    type Row<'a> = (&'a [(&'a str, &'a str)], Charged<'a>, bool, Vec<(String, u32)>);
    let rows: [Row<'_>; 8] = [
        (&[], Charged::App, true, of(&[("app", 0)])),
        (&[], Charged::App, false, of(&[])),
        (&[], Charged::Page(PAGE), true, of(&[(PAGE, 0)])),
        (&[], Charged::Page(PAGE), false, of(&[])),
        (&[], Charged::Unknown, true, of(&[])),
        // Graph reports what it counted for: of the other it says nothing.
        (&app, Charged::Page(PAGE), true, of(&[(PAGE, 0), ("app", 96)])),
        (&app, Charged::Page(PAGE), false, of(&[("app", 96)])),
        (&app, Charged::Unknown, false, of(&[("app", 96)])),
    ];
    for (pairs, charged, answered, expected) in rows {
        assert_eq!(said(pairs, charged, answered), expected, "{pairs:?} {charged:?} {answered}");
    }
}

#[test]
fn nonsense_is_ignored() {
    let nonsense = [
        "",
        "{}",
        "[]",
        "96",
        "null",
        "{\"call_count\":",
        r#"{"call_count":"many"}"#,
        r#"{"call_count":-96}"#,
        r#"{"call_count":99999999999}"#,
        r#"{"call_count":{"call_count":96}}"#,
        r#"{"2200000000000001":[]}"#,
        r#"{"2200000000000001":[96, null, "x", []]}"#,
        r#"{"2200000000000001":{"call_count":96}}"#,
    ];
    for header in nonsense {
        for name in [APP_USAGE, PAGE_USAGE, BUSINESS_USAGE] {
            let charged = if name == APP_USAGE { Charged::App } else { Charged::Page(PAGE) };
            assert_eq!(said(&[(name, header)], charged, false), of(&[]), "{name}: {header}");
            let known = said(&[(name, header)], charged, true);
            assert!(
                !known.iter().any(|(of, _)| of == "app") || name != APP_USAGE,
                "{name}: {header} is taken for fine"
            );
        }
        assert_eq!(headers(&[(BUSINESS_USAGE, header)]).regain_access(), None, "{header}");
    }
}

#[test]
fn the_longest_wait_counts() {
    let header = r#"{"2200000000000001":[{"type":"messenger","call_count":100,"estimated_time_to_regain_access":3},
        {"type":"pages","estimated_time_to_regain_access":"7"}],"x":[{"type":"pages"}]}"#;
    assert_eq!(headers(&[(BUSINESS_USAGE, header)]).regain_access(), Some(Duration::from_secs(7 * 60)));
}

#[test]
fn without_a_sensible_number_there_is_no_hint() {
    for header in
        [r#"{"1":[{"estimated_time_to_regain_access":0}]}"#, r#"{"1":[{"estimated_time_to_regain_access":-5}]}"#]
    {
        assert_eq!(headers(&[(BUSINESS_USAGE, header)]).regain_access(), None, "{header}");
    }
    let year = r#"{"1":[{"estimated_time_to_regain_access":525600}]}"#;
    assert_eq!(headers(&[(BUSINESS_USAGE, year)]).regain_access(), Some(Duration::from_secs(24 * 3600)));
}
