//! The operator against a real API server and the simulated Graph API, in this process and with a clock that tests move.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod claims;
mod cleanup;
mod connect;
mod controllers;
mod counts;
mod crds;
mod crowd;
mod drift;
mod faults;
mod fuse;
mod gateway;
mod gauges;
mod granted;
mod granted_props;
mod granting;
mod grants;
mod kills;
mod misuse;
mod oauth;
mod parting;
mod pictures;
mod policies;
mod props;
mod publication;
mod receiver;
mod record;
mod replica;
mod repository;
mod restraint;
mod ring;
mod seeds;
mod stored;
mod tokens;
mod usage;
mod world;
