#![allow(clippy::unwrap_used)]

mod coverage;
mod histories;
mod kept;
mod life;
mod mail;
mod model;
mod notes;
mod passes;
mod renewal;
mod requested;
mod scene;
mod seed;
mod status;
mod valid;
