//! Driving phones: real replicas and real requests against a real server, as the demo and the storm need them.
//!
//! Nothing here knows the server from the inside. A phone is enrolled by a code, speaks HTTP and counts its bytes; what
//! it costs the server is read from the operating system.

pub mod link;
pub mod people;
pub mod phone;
pub mod server;

pub use link::{Fate, Link, Traffic};
pub use phone::Phone;
pub use server::{ServerProcess, Usage};
