//! The harness: a world with one server, some phones, and a network between them that may do anything.

pub mod app_phone;
pub mod browser;
pub mod described;
pub mod live;
pub mod network;
pub mod office;
pub mod phone;
pub mod process;
pub mod seeded;
pub mod store;
pub mod world;

pub use live::Village;
pub use network::Fate;
pub use phone::Phone;
pub use world::World;
