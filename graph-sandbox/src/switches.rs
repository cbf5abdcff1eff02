//! Named switches for behavior of Graph that no source settles.
//!
//! Each switch is an enum, so that a call cannot ask for a value that does not exist. The default
//! is the best understanding of what Meta does, or the choice that is harder on a client.

mod set;

use serde::{Deserialize, Serialize};

pub use set::BadSwitch;

/// What `graph-sandbox switches` prints about one switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchInfo {
    /// Name, as written in a seed.
    pub name: &'static str,
    /// The values; the first is the default.
    pub values: &'static [&'static str],
    /// Section of the Graph API contract that leaves the matter open.
    pub section: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

impl SwitchInfo {
    /// The value in force when nothing is said.
    pub fn default_value(&self) -> &'static str {
        self.values.first().copied().unwrap_or_default()
    }
}

/// One enum per switch, the struct that holds them, and the table that describes them.
macro_rules! switches {
    ($(
        $meaning:literal in $section:literal
        $field:ident: $kind:ident { $first:ident = $first_text:literal: $first_doc:literal
            $(, $value:ident = $text:literal: $doc:literal)+ }
    )+) => {
        $(
            #[doc = $meaning]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
            pub enum $kind {
                #[doc = $first_doc]
                #[default]
                #[serde(rename = $first_text)]
                $first,
                $(
                    #[doc = $doc]
                    #[serde(rename = $text)]
                    $value,
                )+
            }
        )+

        /// The position of every switch.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Switches {
            $(
                #[doc = $meaning]
                pub $field: $kind,
            )+
        }

        /// Every switch, in the order of the contract.
        pub const SWITCHES: &[SwitchInfo] = &[
            $(SwitchInfo {
                name: stringify!($field),
                values: &[$first_text $(, $text)+],
                section: $section,
                meaning: $meaning,
            },)+
        ];
    };
}

switches! {
    "A call to a version whose life is over." in "1.2"
    dead_version: DeadVersion {
        Served = "served": "The oldest living version answers.",
        Refused = "refused": "Unknown path (code 2500).",
        Deprecated = "deprecated": "Refused as a deprecated version (code 2635)."
    }
    "A call to a version that does not exist." in "1.2"
    unknown_version: UnknownVersion {
        Refused = "refused": "Unknown path (code 2500).",
        Served = "served": "The newest version answers."
    }
    "A call without a version." in "1.2"
    no_version: NoVersion {
        Served = "served": "The oldest living version answers.",
        Refused = "refused": "Unknown path (code 2500)."
    }
    "Whether an app token needs a proof where the app demands proofs." in "1.4"
    app_token_proof: AppTokenProof {
        Required = "required": "Like every other token.",
        Exempt = "exempt": "It holds the secret itself, so it needs none."
    }
    "Whether a dead token's error carries its subcode." in "1.5"
    token_error_subcode: TokenErrorSubcode {
        Present = "present": "As documented.",
        Absent = "absent": "As recorded; only `debug_token` tells it."
    }
    "HTTP status of a token error." in "1.5"
    token_error_status: TokenErrorStatus {
        Status400 = "status_400": "As most errors.",
        Status401 = "status_401": "As some report."
    }
    "Code of a read of a person's profile without `pages_messaging`." in "1.6"
    profile_without_scope: ProfileWithoutScope {
        Code200 = "code_200": "As other messaging calls.",
        Code230 = "code_230": "As an old report has it.",
        Code100 = "code_100": "Insufficient permission, as another has it."
    }
    "Code of an app token whose app does not exist." in "1.6"
    unknown_app: UnknownApp {
        Code101 = "code_101": "Invalid application ID.",
        Code190 = "code_190": "The same text as a token error."
    }
    "A node named by something that is no id." in "1.6"
    unknown_alias: UnknownAlias {
        Code803 = "code_803": "An unknown alias.",
        Code100 = "code_100": "An object that does not exist (100/33)."
    }
    "The `type` that calls about a page, other than messaging, are charged to." in "2.1"
    page_usage_type: PageUsageType {
        Pages = "pages": "Pages; throttled with code 80001.",
        Messenger = "messenger": "Messenger; throttled with code 80006."
    }
    "The header `X-Page-Usage` of older releases." in "2.1"
    page_usage_header: PageUsageHeader {
        Absent = "absent": "Gone.",
        Present = "present": "Sent beside `X-Business-Use-Case-Usage`."
    }
    "Code of a batch of more than 50 operations." in "2.2"
    batch_over_limit: BatchOverLimit {
        Code100 = "code_100": "A bad parameter.",
        Code1 = "code_1": "An unknown error."
    }
    "What the token beside a batch is for." in "2.2"
    batch_token: BatchToken {
        Fallback = "fallback": "For operations without one; it may be left out.",
        Required = "required": "It must be there and good, or the whole batch is refused."
    }
    "`debug_token` as an operation of a batch." in "2.2"
    batch_debug_token: BatchDebugToken {
        Served = "served": "Works as anywhere.",
        Refused = "refused": "Refused with 100/33."
    }
    "How many ids a read of several may name." in "2.3"
    ids_limit: IdsLimit {
        Fifty = "fifty": "Fifty; more are refused (code 100).",
        None = "none": "As many as the request holds."
    }
    "A read of several ids, one of which cannot be read." in "2.3"
    ids_partial: IdsPartial {
        Refused = "refused": "The whole read fails with that id's error.",
        Omitted = "omitted": "The id is left out of the answer."
    }
    "Whether a refused login comes back with `error_code=200`." in "3.1"
    refused_login_code: RefusedLoginCode {
        Present = "present": "It does.",
        Absent = "absent": "Only with `error` and `error_reason`."
    }
    "What becomes of the proof of a code (RFC 7636), which Meta documents for logins with an identity token only." in "3.1"
    login_pkce: LoginPkce {
        Ignored = "ignored": "Challenge and verifier change nothing.",
        Enforced = "enforced": "A code that was asked for with a challenge needs its verifier, and no other code takes one.",
        Refused = "refused": "The dialog sends a person with a challenge back with `invalid_request`.",
        RefusedAtExchange = "refused_at_exchange": "The dialog ignores the challenge, and a verifier is refused (code 100)."
    }
    "Subcodes of a code that has expired or is for another redirect URI." in "3.2"
    code_subcodes: CodeSubcodes {
        Present = "present": "36007 and 36008.",
        Absent = "absent": "None."
    }
    "Exchanging a user token that is already long-lived." in "3.3"
    long_token_exchange: LongTokenExchange {
        Keeps = "keeps": "Gives the same token with what is left of its life.",
        Extends = "extends": "Gives a new token for another 60 days."
    }
    "`access_token` of a page, read again with the same parent token." in "3.5"
    page_token_reread: PageTokenReread {
        Same = "same": "The same string.",
        New = "new": "A new string; the old one stays good."
    }
    "Page token of a system-user token with an end." in "3.5"
    page_token_of_system_user: PageTokenOfSystemUser {
        EndsWithParent = "ends_with_parent": "Ends with its parent.",
        Endless = "endless": "Outlives it, as that of a person's long-lived token."
    }
    "`me/accounts` without `pages_show_list`." in "3.5"
    accounts_without_scope: AccountsWithoutScope {
        Refused = "refused": "Refused with code 200.",
        Empty = "empty": "An empty list."
    }
    "How `me/accounts` is told in parts." in "3.5"
    accounts_paging: AccountsPaging {
        Cursors = "cursors": "With cursors, as documented.",
        Offset = "offset": "Without cursors; the links have `offset`."
    }
    "What the links to the neighbors of a part of a list hold." in "3.5"
    paging_links: PagingLinks {
        Token = "token": "The token; whoever follows them adds the proof.",
        TokenAndProof = "token_and_proof": "The token, and the proof of the call.",
        Bare = "bare": "Neither."
    }
    "Calls with a token whose data access has lapsed." in "3.8"
    data_access_over: DataAccessOver {
        Served = "served": "They work; only `debug_token` tells.",
        Refused = "refused": "Refused with 190/493."
    }
    "Page fields that need `pages_read_engagement`." in "4"
    page_fields_scope: PageFieldsScope {
        Lenient = "lenient": "Those that are not about the messaging channel.",
        Strict = "strict": "All but id, name and access_token."
    }
    "Fields of a POST to an app subscription that exists." in "5.1"
    subscriptions_post: SubscriptionsPost {
        Replace = "replace": "They replace the old ones.",
        Merge = "merge": "They are added to the old ones."
    }
    "How a POST to app subscriptions says success." in "5.1"
    subscriptions_success: SubscriptionsSuccess {
        Boolean = "boolean": "As a boolean.",
        Text = "text": "As the string `true`."
    }
    "DELETE of app subscriptions without an object." in "5.1"
    subscriptions_delete_all: SubscriptionsDeleteAll {
        Removes = "removes": "Removes every subscription.",
        Refused = "refused": "Asks for the object (code 100)."
    }
    "Code of an app-level edge called with a page, user or system-user token." in "5.1"
    app_edge_wrong_token: AppEdgeWrongToken {
        Code15 = "code_15": "An app access token is needed.",
        Code190 = "code_190": "Application Secret required."
    }
    "Code when the callback answers 200 with something else than the challenge." in "5.1"
    challenge_mismatch: ChallengeMismatch {
        Code2200 = "code_2200": "As any failed verification.",
        Code2201 = "code_2201": "As several developers report."
    }
    "Whose rows GET `/{page-id}/subscribed_apps` lists." in "5.4"
    page_subscriptions_list: PageSubscriptionsList {
        All = "all": "Those of every app.",
        Own = "own": "That of the calling app only."
    }
    "Fields of a POST to `/{page-id}/subscribed_apps` when the app is subscribed." in "5.4"
    page_subscribe_post: PageSubscribePost {
        Replace = "replace": "They replace the old ones.",
        Add = "add": "They are added to the old ones."
    }
    "Token that DELETE `/{page-id}/subscribed_apps` accepts." in "5.4"
    page_unsubscribe_token: PageUnsubscribeToken {
        App = "app": "Only the app token; a page token gets code 15.",
        PageOrApp = "page_or_app": "Both."
    }
    "DELETE `/{page-id}/subscribed_apps` of an app that is not subscribed." in "5.4"
    page_unsubscribe_absent: PageUnsubscribeAbsent {
        Success = "success": "Succeeds.",
        Refused = "refused": "Refused with 100/33."
    }
    "App ids in messaging events." in "5.5"
    event_app_ids: EventAppIds {
        Strings = "strings": "Quoted.",
        Numbers = "numbers": "Not quoted."
    }
    "Recipient of an `app_roles` event." in "5.5"
    app_roles_recipient: AppRolesRecipient {
        Page = "page": "The page, as its description says.",
        Psid = "psid": "A person, as its example shows."
    }
    "How apps that do not control a thread hear what is sent in it." in "5.5"
    echo_place: EchoPlace {
        Messaging = "messaging": "As every other, under `message_echoes`.",
        Standby = "standby": "In `standby[]`."
    }
    "How long Meta goes on with a callback that fails." in "5.6"
    webhook_patience: WebhookPatience {
        OneHour = "one_hour": "5 seconds to answer, unsubscribed from the page after 1 hour.",
        EightHours = "eight_hours": "20 seconds to answer, unsubscribed after 8 hours, as older texts say."
    }
    "Whether updates share a POST." in "5.6"
    webhook_batching: WebhookBatching {
        Together = "together": "Those of one moment do, up to 1000.",
        Single = "single": "Each has its own."
    }
    "Order in which updates of one moment arrive." in "5.6"
    webhook_order: WebhookOrder {
        Kept = "kept": "As they happened.",
        Reversed = "reversed": "The newest first."
    }
    "How often a POST arrives that the callback took." in "5.6"
    webhook_duplicates: WebhookDuplicates {
        Once = "once": "Once.",
        Twice = "twice": "Twice."
    }
    "A `take_thread_control` by an app without the switch in the page's settings." in "6.2"
    take_without_switch: TakeWithoutSwitch {
        Code10 = "code_10": "A missing permission.",
        Code100 = "code_100": "A bad parameter.",
        Code200 = "code_200": "A missing permission, the other code."
    }
    "A `request_thread_control` while routing is on." in "6.2"
    request_with_routing: RequestWithRouting {
        Code100 = "code_100": "A bad parameter.",
        Code10 = "code_10": "A missing permission.",
        Served = "served": "The owner is asked."
    }
    "The flag of `messaging_feature_status` that says that routing is on." in "6.3"
    routing_feature_flag: RoutingFeatureFlag {
        HopV2 = "hop_v2": "`hop_v2`; `msgr_multi_app` says that several apps are connected.",
        MsgrMultiApp = "msgr_multi_app": "`msgr_multi_app`; `hop_v2` is false."
    }
    "Whether `app_roles` fires when the default app changes." in "6.3"
    default_app_event: DefaultAppEvent {
        Silent = "silent": "Nobody is told.",
        Told = "told": "The new and the old default app are told."
    }
    "What `live` means of `pages_messaging`." in "7.2"
    live_permission: LivePermission {
        Everyone = "everyone": "Advanced access: the app may write to everyone.",
        Roles = "roles": "Reviewed only: to people with a role on it, until access is advanced."
    }
    "`user` in the rows of `/{app-id}/roles`." in "7.2"
    app_roles_user: AppRolesUser {
        Id = "id": "An id.",
        Object = "object": "An object with an id."
    }
    "A text of more than 2000 characters." in "9"
    long_text: LongText {
        Refused = "refused": "Refused with code 100.",
        Served = "served": "It is sent."
    }
    "A message that is read on its own and is not among the newest 20 of its conversation." in "9"
    old_messages: OldMessages {
        Refused = "refused": "Refused as deleted (code 100).",
        Served = "served": "Told as any other."
    }
    "A send of an attachment id that the page does not have, or no longer has." in "9"
    unknown_attachment: UnknownAttachment {
        Code100 = "code_100": "A bad parameter.",
        Served = "served": "It is sent, and shows nothing."
    }
    "A saved attachment that was not marked as reusable." in "9"
    attachment_reuse: AttachmentReuse {
        Once = "once": "It is sent once.",
        Any = "any": "It is sent as often as any other."
    }
    "A send as a persona that the page does not have, or no longer has." in "9"
    unknown_persona: UnknownPersona {
        Code100 = "code_100": "A bad parameter.",
        Page = "page": "The page speaks in its own name."
    }
    "To whom `thread_owner` names another app." in "10.3"
    thread_owner_visibility: ThreadOwnerVisibility {
        Documented = "documented": "To the default app; others see when control ends.",
        Everyone = "everyone": "To every app."
    }
    "The header `facebook-api-version`." in "10.3"
    version_header: VersionHeader {
        Present = "present": "Every answer names the version that gave it.",
        Absent = "absent": "Not sent."
    }
}
