//! Tables of the decision: a healthy scene, and one variation a row.
#![allow(clippy::unwrap_used)]

mod approval;
mod authorization;
mod claim;
mod endpoint;
mod granted;
mod histories;
mod kept;
mod mistaken;
mod page;
mod parting;
mod policies;
mod properties;
mod publication;
mod receiver;
mod remembered;
mod requested;
mod scene;
mod status;
mod strategies;
mod subscription;
mod transfer;
mod unready;
mod visits;
mod world;
