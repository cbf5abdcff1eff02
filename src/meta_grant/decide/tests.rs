#![allow(clippy::unwrap_used)]

mod coverage;
mod histories;
mod kept;
mod life;
mod message;
mod model;
mod notes;
mod passes;
mod renewal;
mod requested;
mod scene;
mod source_token;
mod status;
mod valid;
