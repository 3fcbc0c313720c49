//! The server of Làng Số.
pub mod documents;
pub mod exchange;
pub mod ingest;
pub mod log;
pub mod policy;
pub mod quarantine;
pub mod rows;
pub mod store;
