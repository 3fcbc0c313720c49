//! The core of Làng Số: documents, merging, admission and the exchange. No clock, no network, no randomness of its own.

pub mod ids;
pub mod seal;
pub mod signature;
