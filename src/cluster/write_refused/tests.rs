#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::api::reasons::Actor;

fn answer(code: u16, message: &str, causes: &serde_json::Value) -> Answer {
    serde_json::from_value(json!({"code": code, "message": message, "reason": "x", "details": {"causes": causes}}))
        .unwrap()
}

fn refused(code: u16, message: &str, causes: &serde_json::Value) -> WriteRefused {
    let write = Write::new(Verb::Create, "Secret", &Key::new("tenant-a", "made"));
    WriteRefused::of(write, &answer(code, message, causes))
}

const RIGHT: &str = "secrets is forbidden: User \"system:serviceaccount:a:operator\" cannot create resource \"secrets\" in API group \"\" in the namespace \"tenant-a\"";
const QUOTA_FULL: &str =
    "secrets \"made\" is forbidden: exceeded quota: full, requested: secrets=1, used: secrets=2, limited: secrets=2";
const TERMINATING: &str =
    "secrets \"made\" is forbidden: unable to create new content in namespace tenant-a because it is being terminated";
const DENIED: &str = "secrets \"made\" is forbidden: ValidatingAdmissionPolicy 'keep.example.com' with binding 'b' denied request: field is immutable";

#[test]
fn the_words_and_causes_of_an_answer_decide_and_not_its_code() {
    let none = json!([]);
    let terminating = json!([{"reason": "NamespaceTerminating", "message": "x", "field": "metadata.namespace"}]);
    let immutable = json!([{"reason": "FieldValueForbidden", "message": "Forbidden: field is immutable when `immutable` is set", "field": "data"}]);
    let denied =
        json!([{"message": "ValidatingAdmissionPolicy 'keep.example.com' denied request: field is immutable"}]);
    let malformed = json!([{"reason": "FieldValueInvalid", "message": "must be a label", "field": "metadata.labels"}]);
    let policy = || Cause::Admission(Some("ValidatingAdmissionPolicy keep.example.com".to_owned()));
    let hook = "admission webhook \"hook.example.com\" denied the request: no";
    let rows = [
        (403, RIGHT, &none, Cause::Right, Reason::Forbidden),
        (403, QUOTA_FULL, &none, Cause::Quota(Some("full".to_owned())), Reason::QuotaExceeded),
        (403, "exceeded quota", &none, Cause::Quota(None), Reason::QuotaExceeded),
        (403, "status unknown for quota: new, resources: secrets", &none, Cause::NoAnswer, Reason::WriteFailed),
        (403, TERMINATING, &terminating, Cause::Terminating, Reason::WriteFailed),
        (403, DENIED, &denied, policy(), Reason::AdmissionDenied),
        (422, DENIED, &denied, policy(), Reason::AdmissionDenied),
        (
            400,
            hook,
            &none,
            Cause::Admission(Some("admission webhook hook.example.com".to_owned())),
            Reason::AdmissionDenied,
        ),
        (403, "no reason at all", &none, Cause::Admission(None), Reason::AdmissionDenied),
        (422, "Secret \"made\" is invalid", &immutable, Cause::Immutable, Reason::WriteRefused),
        (422, "Secret \"made\" is invalid", &malformed, Cause::Other(422), Reason::WriteRefused),
        (404, "namespaces \"tenant-a\" not found", &none, Cause::NoNamespace, Reason::WriteFailed),
        (413, "Request entity too large: limit is 3145728", &none, Cause::TooLarge, Reason::WriteRefused),
        (500, "etcdserver: request is too large", &none, Cause::TooLarge, Reason::WriteRefused),
        (
            500,
            "Internal error occurred: failed calling webhook \"hook.example.com\"",
            &none,
            Cause::NoAnswer,
            Reason::WriteFailed,
        ),
        (401, "Unauthorized", &none, Cause::NoAnswer, Reason::WriteFailed),
        (429, "too many requests", &none, Cause::NoAnswer, Reason::WriteFailed),
        (504, "", &none, Cause::NoAnswer, Reason::WriteFailed),
    ];
    for (code, message, causes, cause, reason) in rows {
        let refused = refused(code, message, causes);
        assert_eq!((&refused.cause, refused.reason()), (&cause, reason), "{code} {message}");
        let person = reason.actor() == Actor::Person;
        assert_eq!(person, !refused.next_step().starts_with("Nobody") && cause != Cause::NoNamespace, "{cause:?}");
        assert!(refused.next_step().ends_with("tries again within a minute."), "{cause:?}");
    }
}

#[test]
fn a_refusal_names_what_was_to_be_written_why_who_acts_and_what_the_api_server_said() {
    let finding = refused(403, QUOTA_FULL, &json!([])).finding(3);
    assert_eq!(
        finding.message(),
        "The API server refuses to create Secret made in namespace tenant-a: ResourceQuota full is used up. The maintainer of the ResourceQuota must make room in it (kubectl -n tenant-a describe resourcequota full). The operator tries again within a minute. The API server said: \"403 exceeded quota: full, requested: secrets=1, used: secrets=2, limited: secrets=2\""
    );
    let unknown = WriteRefused::unanswered(Write::status("MetaApp", &Key::new("a", "acme")));
    assert_eq!(unknown.finding(3).status, Status::Unknown);
    assert!(unknown.to_string().contains("update the status of MetaApp acme in namespace a"), "{unknown}");
}

#[test]
fn what_is_counted_at_the_moment_makes_no_other_refusal_and_nothing_secret_is_quoted() {
    let again = QUOTA_FULL.replace("used: secrets=2", "used: secrets=9");
    assert_eq!(refused(403, QUOTA_FULL, &json!([])), refused(403, &again, &json!([])));
    assert_ne!(refused(403, QUOTA_FULL, &json!([])), refused(403, RIGHT, &json!([])));
    let hook = "failed to call webhook: Post \"https://user:hunter2@hooks.example.com/x?token=EAAB0123456789abcdef0123456789\"";
    let quoted = refused(500, hook, &json!([])).words.unwrap();
    assert!(
        !quoted.contains("EAAB") && !quoted.contains("hunter2") && quoted.contains("hooks.example.com"),
        "{quoted}"
    );
}
