//! The core of Làng Số: documents, merging, admission and the exchange. No clock, no network, no randomness of its own.
//!
//! A tour, in the order in which a record travels:
//!
//! 1. [`edit`]: what a person means to do, held to every limit before it is saved; personal data is sealed by [`seal`].
//! 2. [`document`]: the edit becomes one change of one automerge document, whose [`document::schema`] it obeys.
//! 3. [`replica`]: the phone. The change is saved in a [`local_store`] and waits in the outbox.
//! 4. [`protocol`]: one request carries signed batches ([`signature`]) up and pages down.
//! 5. [`preflight`] and [`admission`]: what may enter a document from outside, as a plan.
//! 6. [`projection`]: which rows follow, on the server and on the phone alike; [`progress`]: what a hamlet has done.
//! 7. [`digest`]: whether two stores hold the same.
//! 8. [`directory`]: what units are called, what is above and below them, who works there – as of any day.
//! 9. [`folding`]: how words are compared when somebody looks for something; [`search`]: what answers best.
//!
//! Around it: [`enrolment`] makes a phone somebody, and [`session`] says which request it makes next.

pub mod admission;
pub mod digest;
pub mod directory;
pub mod document;
pub mod edit;
pub mod enrolment;
pub mod folding;
#[cfg(any(test, feature = "forge"))]
pub mod forge;
pub mod ids;
pub mod local_store;
pub mod preflight;
pub mod progress;
pub mod projection;
pub mod protocol;
pub mod record;
pub mod replica;
pub mod seal;
pub mod search;
pub mod session;
pub mod signature;
