//! The engine: what all kinds share. It knows the kinds only through [`run::Kind`].
//!
//! A pass over an object reads as *observe → decide → act → report*. What starts a pass: a change of the object, of
//! something it depends on ([`index`]), or its time on our own [`clock`] ([`timer`]). That time has passed alone starts
//! none: a [`sweep`] looks at many objects together and wakes only those about which it found something new. What ends it: a status that is
//! written only if it differs ([`status`]), and the time of the next pass ([`failure::next_try`]).

pub mod answer;
pub mod bindings;
pub mod brakes;
pub mod breakers;
pub mod bucket;
pub mod budgets;
pub mod calls;
pub mod clock;
pub mod cluster;
mod content;
pub mod context;
pub mod counts;
pub mod deletion;
pub mod departed;
pub mod doubts;
pub mod edits;
pub mod events;
pub mod evidence;
pub mod failure;
pub mod fence;
pub mod fights;
pub mod fingerprint;
pub mod gap;
pub mod grants;
pub mod guard;
pub mod handover;
pub mod hearing;
pub mod index;
pub mod key;
pub mod keyring;
pub mod labels;
pub mod last_look;
pub mod leader;
pub mod limits;
pub mod line;
pub mod list_refusals;
pub mod mailbox;
pub mod memory;
pub mod misfits;
pub mod objects;
pub mod obstacle;
pub mod outcome;
pub mod own_secrets;
pub mod own_status;
pub mod panics;
pub mod pass;
pub mod pressure;
pub mod priority;
pub mod ration;

pub mod refused;
pub mod repairs;
pub mod requests;
pub mod resync;
pub mod rounds;
pub mod run;
pub mod safeguards;
pub mod schedule;
pub mod secrets;
pub mod served;
pub mod skew;
mod slim;
pub mod status;
pub mod surplus;
pub mod sweep;
pub mod timer;
pub mod token_check;
pub mod trouble;
pub mod turns;
pub mod unlisted;
pub mod wakeups;
pub mod watch;
pub mod withheld;
pub mod writes;

pub use clock::Clock;
pub use context::Context;
pub use failure::Failure;
pub use key::{Key, KindName};
pub use outcome::Class;
