//! Stories of phones and their server, and laws that hold for all of them.
//!
//! Everything here runs on the real replica and the real exchange with a real file under the server; time, randomness
//! and the network are the harness's.

#![expect(unreachable_pub, reason = "a binary of tests has no outside")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

mod harness;

mod administration;
mod api;
mod authority;
mod backfill;
mod bootstrap;
mod conflicts;
mod convergence;
mod costs;
mod crashes;
mod delivery;
mod directives;
mod directory;
mod disks;
mod drafting;
mod durability;
mod empty;
mod exporting;
mod forks;
mod full;
mod heal;
mod hostile;
mod hostile_pages;
mod issuing;
mod judging;
mod kills;
mod limits;
mod lists;
mod looking;
mod offline;
mod openapi;
mod overview;
mod pages;
mod people;
mod protocol_document;
mod quarantine;
mod reading;
mod refusals;
mod reports;
mod restore;
mod returned;
mod search;
mod settling;
mod typed;
mod verification;
