//! The controller runtime, which all kinds share. It knows a kind only as a [`reconciler::Reconciler`].
//!
//! A pass over an object reads as *observe → decide → act → report*. A pass starts on a change of the object, on a change of
//! something it depends on ([`dependents`]), or at its time ([`timer`]). The passage of time alone starts no pass: a
//! [`batch_resync`] reads many objects together and wakes only those about which it found something new. A pass ends with a
//! status that is written only if it differs, and with the time of the next pass ([`next_pass::next_try`]).

pub mod batch_resync;
pub mod being_deleted;
pub mod context;
pub mod counts;
pub mod declared;
pub mod dependency;
pub mod dependents;
pub mod evidence;
pub mod foreign_status;
pub mod last_look;
pub mod lease_fence;
pub mod managed_secrets;
pub mod next_pass;
pub mod object_state;
pub mod own_status;
pub mod panics;
pub mod pass;
pub mod reconciler;
pub mod repair_fight;
pub mod requests;
pub mod rounds;
pub mod run;
pub mod safeguards;
pub mod timer;
pub mod wakeups;
pub mod writes;
