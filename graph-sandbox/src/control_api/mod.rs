//! The control API under `/_sandbox/`: the operations of `control` and `presets` over HTTP.

mod deliveries;
mod index;
mod messaging;
mod people;
mod presets;
mod router;
mod state;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

pub(crate) use router::router;
