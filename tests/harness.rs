//! The harness: a world with one server, some phones, and a network between them that may do anything.

pub mod network;
pub mod office;
pub mod phone;
pub mod store;
pub mod world;

pub use network::Fate;
pub use phone::Phone;
pub use world::World;
