//! A stateful simulator of the part of Meta's Graph API that messaging channels use.
//!
//! A [`Sandbox`] is started from a [`Seed`] and answers over HTTP as Graph does: it keeps apps,
//! pages, tokens with their clocks and webhook subscriptions, checks token kinds, scopes and
//! proofs, and calls callbacks with Meta's challenge. Every request is in its ledger, its clock
//! can be moved, its state changed from outside, and its answers made to fail.
//!
//! The modules, the lowest first; a test holds the order (`tests/layers.rs` of the workspace):
//!
//! | Module | Holds |
//! |---|---|
//! | `id`, `when`, `locked`, `switches`, `output`, `connection` | what needs nothing else of the sandbox |
//! | `clock`, `usage`, `protocol` | the time, the limits, and what calls and their HTTP have in common |
//! | `faults` | rules that make chosen calls go wrong |
//! | `seed` | what a sandbox starts with |
//! | `world`, `ledger` | the simulated state, and every request |
//! | `auth`, `foreign`, `callback` | tokens and proofs, someone else's writes, Meta's verification of a webhook |
//! | `webhooks` | events and what becomes of them |
//! | `messaging`, `core` | conversations and their routing; what all requests share |
//! | `calls`, `delivery`, `control` | one file per simulated call, the sending of events, looking in and changing things |
//! | `graph`, `presets` | from an HTTP request to an answer; cases played by name |
//! | `control_api` | the control calls over HTTP |
//! | `server`, `sandbox` | HTTP and the handle of a running sandbox |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod auth;
mod callback;
mod calls;
mod clock;
mod connection;
mod control;
mod control_api;
mod core;
mod delivery;
mod faults;
mod foreign;
mod graph;
mod id;
mod ledger;
mod locked;
mod messaging;
mod output;
mod presets;
mod protocol;
mod sandbox;
mod seed;
mod server;
mod switches;
mod usage;
mod webhooks;
mod when;
mod world;

pub use control::{
    AppChange, AppSubscriptionView, AppView, Authorize, BusinessChange, ControlError, CustomerMessage, Deauthorization,
    GrantView, PageChange, PageView, PersonChange, ReceiverRole, Regrant, RoleNotice, RoutingChange, RoutingView,
    SigningChange, StateView, ThreadAct, ThreadChange, ThreadView, TokenView, WebhookItem, Written,
};
pub use faults::{
    ActiveFault, CallbackAnswer, Edit, Fault, FaultEffect, FaultError, FaultMatch, ForeignWrite, OneOrMore, Throttling,
    UsageReport,
};
pub use id::{BadId, Id, Ids};
pub use ledger::{CallCount, CallbackUse, LedgerEntry, LedgerSummary, ProofUse, TokenUse};
pub use output::print;
pub use presets::{AppliedPreset, Preset, PresetParameter, Undo, presets};
pub use protocol::{TokenPlace, UserWords, graph_versions};
pub use sandbox::{Options, Sandbox};
pub use seed::{
    AppRole, Block, DEMO_SEED, GranularScope, Invalidation, PermissionStatus, ProfileAccess, Reach, Seed, SeedActor,
    SeedApp, SeedAppSubscription, SeedBusiness, SeedConversation, SeedCrowd, SeedError, SeedPage, SeedPageSubscription,
    SeedPreset, SeedRouting, SeedSystemUser, SeedToken, Task, TokenKind, VerificationStatus,
};
pub use switches::*;
pub use usage::{Limits, Meter, UsageKind, UsageView};
pub use webhooks::{Alert, AlertKind, Delivery, Dropped, Place, Signing};
pub use when::{BadWhen, When};
pub use world::{AppSubscriptionChange, PageSubscriptionChange};
