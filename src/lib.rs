//! lib

pub mod graph;
