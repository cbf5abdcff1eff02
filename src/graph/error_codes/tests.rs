//! What every error means, as a table: a heading per promised row, then *calls | errors | verdict*.
//! Calls: `app` (any with the app token), `page` (any with a page token), `debug` (what `debug_token` says), `all` of these;
//! `subscribe`, `read-app`: that call alone. An error is `code/subcode`, `!` if Graph calls it transient, and its text.

use std::time::Duration;

use super::*;

const TABLE: &str = r#"
# code 1, 2, 1200, 1/99, is_transient
all        | 1; 2; 1200; 1/99; 9; 0; 1 An unknown error occurred               | NoAnswer
# received, not transient and not in the table: no outage
all        | 999999; 424242; 2018999; 5                                       | Refused
# an outage in words (developers.facebook.com/support/bugs: "Cannot get application info due to a system error")
all        | 190 Error validating application. Cannot get application info due to a system error. | NoAnswer
all        | 190/460!; 368!; 200! API access blocked.; 1! Error validating client secret | NoAnswer
# 4, 17, 32, 341, 613, 80001 (page), 80006, 80007, 130429, 131048, 131056, 133016
page,debug | 4; 4!; 341                                                      | Throttled { until_hint: None, scope: App }
page,debug | 17; 17!; 32                                                     | Throttled { until_hint: None, scope: Token }
page,debug | 613; 613/1996; 613/2534040; 80001; 80001!; 80006; 80007; 130429; 131048; 131056; 133016 | Throttled { until_hint: None, scope: Page }
app        | 4; 17; 32; 341; 613                                             | Throttled { until_hint: None, scope: App }
# added by the error list: 80002 (Instagram account), 80008 (WhatsApp account)
page       | 80002; 80008                                                    | Throttled { until_hint: None, scope: Page }
# 190/458: app removed by the user
page,debug | 190/458                                                         | TokenEnded(AppRemoved)
page,debug | 190 Error validating access token: The user has not authorized application 1111000011110000. | TokenEnded(AppRemoved)
# 190/459: checkpoint
page,debug | 190/459                                                         | TokenEnded(CheckpointRequired)
page,debug | 190 Error validating access token: You cannot access the app till you log in to www.facebook.com and follow the instructions given. | TokenEnded(CheckpointRequired)
# 415, 190/490: a second factor or a checkpoint is asked for (Meta's login checkpoints)
page,debug | 415/2859009; 415; 190/490                                        | TokenEnded(CheckpointRequired)
# 190/460: password changed
page,debug | 190/460                                                         | TokenEnded(PasswordChanged)
page,debug | 190 The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons. | TokenEnded(PasswordChanged)
page,debug | 190 The session has been invalidated because the user has changed the password. | TokenEnded(PasswordChanged)
# 190/463: expired
page,debug | 190/463                                                         | TokenEnded(TokenExpired)
page,debug | 190 Error validating access token: Session has expired on Tuesday, 03-Nov-26 09:00:00 PST. | TokenEnded(TokenExpired)
# 190/464, 465: user unconfirmed or invalid
page,debug | 190/464; 190/465                                                | TokenEnded(UserInvalid)
page,debug | 190 Sessions for the user are not allowed because the user is not a confirmed user. | TokenEnded(UserInvalid)
# 190/466, 467: logged out, revoked
page,debug | 190/466; 190/467                                                | TokenEnded(SessionInvalidated)
# 190/492: grantor lost the page role
page,debug | 190/492                                                         | AccessCut(RoleLost)
page,debug | 190 The user associated with the Page access token does not have an appropriate role on the Page. | AccessCut(RoleLost)
# debug_token on a token whose page is gone or out of reach
debug      | 190 The page does not exist or cannot be loaded                  | AccessCut(RoleLost)
# 190/493: 90 days inactive
page,debug | 190/493                                                         | TokenEnded(DataAccessExpired)
# 190, text "must be granted before impersonating"
page,debug | 190 Any of the pages_manage_metadata, pages_messaging permission(s) must be granted before impersonating a user's page. | AccessCut(NotInGrant)
# app token: 190 "Error validating application", 101, "Error validating client secret"
app        | 190 Error validating application. Invalid application ID.; 101; 101 Error validating application. | AppBroken(AppCredentialsRejected)
app        | 1 Error validating client secret.; 100 Error validating client secret. | AppBroken(SecretMismatch)
# added by the error list: the app token has no session, and dies with its secret
app        | 190; 190/460; 190/463; 190/492; 102; 450; 452                   | AppBroken(AppCredentialsRejected)
app        | 190 Invalid OAuth access token signature.; 100 Invalid appsecret_proof provided | AppBroken(SecretMismatch)
# 15, 210, 190 "Application Secret required", 2500 "Unknown path"
all        | 15; 210; 210 (#210) This call requires a Page access token.; 190 Application Secret required; 2500 Unknown path components: /x | RequestRejected
# the same, for an app token where a page's is needed: it says nothing about the app
app        | 190 This method must be called with a Page Access Token         | RequestRejected
app        | 190 Any of the pages_messaging permission(s) must be granted before impersonating a user's page. | RequestRejected
# 190/461, 462, 468: session ended
page,debug | 190/461; 190/462; 190/468                                       | TokenEnded(SessionInvalidated)
# 190 other, 102, 450, 452
page,debug | 190 Error validating access token: This may be because the user logged out or may be due to a system error. | TokenEnded(SessionInvalidated)
page,debug | 190; 190/1; 190 Cannot parse access token; 190 Invalid OAuth access token signature.; 102; 450; 452 | TokenEnded(SessionInvalidated)
# added by the error list: 102 has the subcodes of 190; a subcode wins over the text
page,debug | 102/460                                                         | TokenEnded(PasswordChanged)
page,debug | 190/458 Session has expired on Tuesday                          | TokenEnded(AppRemoved)
# 200 "API access blocked", "deactivated" (confirmed with the app token)
app        | 200 API access blocked.; 190 API access deactivated. To reactivate, go to the app dashboard. | AppBroken(AppBlocked)
page       | 200 API access blocked.; 190 API access deactivated. To reactivate, go to the app dashboard. | AppSuspect
# 10/1893063, 2022: sending blocked
page       | 10/1893063; 2022; 10/2022                                       | PageFault(SendBlocked)
# added by the error list: 100/2534029, an Instagram business blocked from sending
page       | 100/2534029                                                     | PageFault(SendBlocked)
# 3: capability missing
page       | 3                                                               | ApprovalMissing(CapabilityMissing)
# 10/2018108: the recipient cannot receive now
page       | 10/2018108                                                      | NotChannelHealth
# 10/2018300: another app controls the thread
page       | 10/2018300; 2018300; 10 (#10) another app is controlling this thread | Routing(AnotherAppControls)
# added by the error list: other signs of routing
page       | 100/2534037; 100 (#100) Only the current thread owner can release; 100 the calling app is not the thread owner | Routing(NotThreadOwner)
page       | 2018171; 2018234                                                | Routing(NotReceiver)
page       | 27                                                              | Routing(NoDefaultApp)
page       | 2018321; 10/2018321                                             | NoAnswer
# 10/2018278, 551, 100/2018218, 230: message or recipient level
page       | 10/2018278; 551; 551/1545041; 100/2018218; 230                  | NotChannelHealth
# added by the error list: other messages and recipients
page       | 10/2018065; 10/2534022; 100/2018001; 100/2534014; 100/2018109; 200/1545041 | NotChannelHealth
# 200 "not admins, developers or testers"
page       | 200/2018028; 200 (#200) Cannot message users who are not admins, developers or testers of the app until pages_messaging permission is reviewed and the app is live. | ApprovalMissing(RoleHoldersOnly)
# 10, 200-299 other
page       | 10; 200; 299; 10/2534077; 200/2534041; 200 Permissions error    | AccessCut(ScopeMissing { scope: None })
page       | 10 (#10) requires pages_messaging; 200 To subscribe to the messages field, one of these permissions is needed: pages_messaging; 299 pages_messaging | AccessCut(ScopeMissing { scope: Some("pages_messaging") })
# 100 "Invalid appsecret_proof", 190 "Error validating application", app-looking errors on a channel or grant
page       | 100 Invalid appsecret_proof provided in the API argument; 100 API calls from the server require an appsecret_proof argument | AppSuspect
page       | 190 Error validating application.; 101 Invalid application ID.; 1 Error validating client secret. | AppSuspect
debug      | 190 Error validating application.; 100 Invalid appsecret_proof; 200 API access blocked. | AccessCut(WrongApp)
# every call carries a proof: that one is demanded says nothing about the secret
app        | 100 API calls from the server require an appsecret_proof argument | RequestRejected
# 100 "did not match the Viewing App" (debug_token)
app,debug  | 100 (#100) The App_id in the input_token did not match the Viewing App | AccessCut(WrongApp)
# 100 without subcode that names a permission
page       | 100 (#100) Object does not exist, cannot be loaded due to missing permission or reviewable feature, or does not support this operation. This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature. | AccessCut(ScopeMissing { scope: Some("pages_read_engagement") })
page,subscribe | 100 No enough permission to subscribe to the page             | AccessCut(ScopeMissing { scope: None })
# to subscribe: the same codes are about a recipient or an outage elsewhere
subscribe  | 230 requires pages_messaging permission to manage the object; 200 pages_messaging | AccessCut(ScopeMissing { scope: Some("pages_messaging") })
subscribe  | 1/1929002; 10; 299                                               | AccessCut(ScopeMissing { scope: None })
subscribe  | 1/1929002!; 1; 2                                                 | NoAnswer
subscribe  | 3                                                                | ApprovalMissing(CapabilityMissing)
subscribe  | 4                                                                | Throttled { until_hint: None, scope: App }
# 21, 100/21: the page has another id now (API error 21, "Page ID … was migrated to page ID …")
page       | 21 Page ID 2200000000000001 was migrated to page ID 2200000000000009. Please update your API calls; 100/21 Page ID 1 was migrated to page ID 2200000000000009 | PageFault(Migrated)
# 100/33: object missing or invisible
page       | 100/33 Unsupported get request.                                 | PageFault(NotVisible)
# added by the error list: 100/2534013, no linked Instagram account
page       | 100/2534013                                                     | PageFault(NotVisible)
# 100 "nonexisting field"
page       | 100 (#100) Tried accessing nonexisting field (is_published) on node type (Page) | FieldUnknown(Some("is_published"))
page       | 100 nonexisting field                                           | FieldUnknown(None)
page       | 12 (#12) is_published field is deprecated for versions v26.0 and higher | FieldUnknown(Some("is_published"))
page,app   | 100 (#100) Param subscribed_fields[0] must be one of {messages} - got "mesage_reads"; 100 (#100) Param fields[1] must be one of {messages} - got "mesage_reads" | FieldUnknown(Some("mesage_reads"))
# 100 other
page       | 100; 100/2018164                                                | RequestRejected
# added by the error list: 506, 803, 1705
page       | 506; 803; 1705                                                  | RequestRejected
# 368: policy block
page       | 368; 368/1                                                      | PageFault(Restricted)
# added by the error list: label terms not accepted, Instagram account not eligible
page       | 2/2018344; 36103                                                | PageFault(Restricted)
# 2200: callback verification failed
app        | 2200 (#2200) Callback verification failed with the following errors: HTTP Status Code = 403 | CallbackFailed { answered: false }
app        | 2200 (#2200) Callback verification failed with the following errors: response does not match challenge, expected value="1", received="<title>Your session has expired" | CallbackFailed { answered: true }
app        | 2201 (#2201) response does not match challenge, expected value="1", received="<html>" | CallbackFailed { answered: true }
# 2635: version gone; 2500 about the application, which is asked for first: a version that Graph does not know
all        | 2635                                                            | VersionRetired
read-app   | 2500 Unknown path components: /v27.0                            | VersionRetired
"#;

fn fault(written: &str) -> GraphFault {
    let (numbers, text) = written.split_once(' ').unwrap_or((written, ""));
    let (code, subcode) = match numbers.trim_end_matches('!').split_once('/') {
        Some((code, subcode)) => (code, Some(subcode.parse().expect("a subcode"))),
        None => (numbers.trim_end_matches('!'), None),
    };
    let fault = GraphFault::new(code.parse().expect("a code"), subcode, text);
    GraphFault { is_transient: numbers.ends_with('!'), ..fault }
}

/// Whom a fault answers.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Call(Operation),
    DebuggedToken,
}

impl Asked {
    fn classify(self, fault: GraphFault) -> Verdict {
        match self {
            Self::Call(operation) => classify(&GraphError::from(fault), operation),
            Self::DebuggedToken => classify_fault(&fault, Caller::DebuggedToken),
        }
    }
}

fn calls(written: &str) -> Vec<Asked> {
    let call = |name| match name {
        "app" => Asked::Call(Operation::ReadAppPermissions),
        "page" => Asked::Call(Operation::ReadPage),
        "subscribe" => Asked::Call(Operation::SubscribePage),
        "read-app" => Asked::Call(Operation::ReadApp),
        "debug" => Asked::DebuggedToken,
        other => panic!("no call: {other}"),
    };
    let written = if written == "all" { "app,page,debug" } else { written };
    written.split(',').map(call).collect()
}

#[test]
fn every_row_of_the_table() {
    let (mut heading, mut checked) = ("", 0);
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            heading = line;
            continue;
        }
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [who, faults, expected] = columns[..] else { panic!("three columns: {line}") };
        for asked in calls(who) {
            for written in faults.split("; ") {
                let verdict = asked.classify(fault(written));
                assert_eq!(format!("{verdict:?}"), expected, "{heading}: {written} for {asked:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "the table was not read: {checked}");
}

#[test]
fn time_outs_resets_and_strange_answers_are_no_answer() {
    for error in [
        GraphError::Timeout,
        GraphError::Transport("connection reset".into()),
        GraphError::BadAnswer { status: 503, what: "the answer is not JSON" },
        GraphError::BadAnswer { status: 200, what: "the answer is not JSON" },
        GraphError::BadAnswer { status: 401, what: "a refusal without Graph's error" },
    ] {
        for operation in Operation::ALL {
            assert_eq!(classify(&error, *operation), Verdict::NoAnswer, "{error}");
        }
    }
}

#[test]
fn a_throttle_carries_the_hint_of_the_headers() {
    let until_hint = Some(Duration::from_secs(60));
    let fault = GraphFault { regain_access: until_hint, ..fault("80006") };
    let expected = Verdict::Throttled { until_hint, scope: ThrottleScope::Page };
    assert_eq!(classify_fault(&fault, Caller::PageToken), expected);
}

#[test]
fn only_the_app_token_breaks_the_app_and_it_ends_no_session() {
    let texts = [
        "",
        "Error validating application",
        "Error validating client secret",
        "API access blocked",
        "Session has expired",
    ];
    for (code, text) in (0..3000).flat_map(|code| texts.map(|text| (code, text))) {
        let fault = GraphFault::new(code, None, text);
        for caller in [Caller::PageToken, Caller::DebuggedToken] {
            let verdict = classify_fault(&fault, caller);
            assert!(!matches!(verdict, Verdict::AppBroken(_)), "{fault} for {caller:?}");
        }
        let verdict = classify_fault(&fault, Caller::AppToken);
        assert!(!matches!(verdict, Verdict::TokenEnded(_) | Verdict::AppSuspect), "{fault}");
    }
}

#[test]
fn a_server_that_fails_is_an_outage_whatever_code_it_gives() {
    for (http_status, expected) in
        [(400, Verdict::Refused), (403, Verdict::Refused), (500, Verdict::NoAnswer), (503, Verdict::NoAnswer)]
    {
        let fault = GraphFault { http_status, ..fault("424242") };
        assert_eq!(classify(&fault.into(), Operation::ReadPage), expected, "{http_status}");
    }
}

#[test]
fn only_few_refusals_speak_for_themselves() {
    let rows = [
        (
            Some(Definite::Token),
            "190/458; 190/459; 190/460; 190/463; 190/464; 190/468; 190/490; 190/492; 190/493; 102/460; 415; 415/2859009",
        ),
        (Some(Definite::Object), "21; 100/21; 368; 10/1893063; 2022"),
        (None, "190; 190/1; 100/33; 100; 10; 200; 230; 3; 190/460!; 415!; 21!; 1/1929002; 424242; 101"),
    ];
    for (expected, faults) in rows {
        for written in faults.split("; ") {
            assert_eq!(definite(&fault(written)), expected, "{written}");
        }
    }
}

#[test]
fn reasons_are_named_as_conditions_name_them() {
    assert_eq!(EndReason::PasswordChanged.as_str(), "PasswordChanged");
    assert_eq!(CutReason::RoleLost.as_str(), "RoleLost");
    assert_eq!(CutReason::ScopeMissing { scope: Some("x".into()) }.as_str(), "ScopeMissing");
    assert_eq!(AppReason::AppBlocked.as_str(), "AppBlocked");
    assert_eq!(PageReason::SendBlocked.as_str(), "SendBlocked");
    assert_eq!(ApprovalReason::CapabilityMissing.as_str(), "CapabilityMissing");
    assert_eq!(RoutingSign::AnotherAppControls.as_str(), "AnotherAppControls");
}
