#![allow(clippy::unwrap_used)]

mod kept;
mod life;
mod mail;
mod model;
mod notes;
mod renewal;
mod scene;
mod seed;
mod status;
mod valid;
