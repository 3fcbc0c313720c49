//! Stories of phones and their server, and laws that hold for all of them.
//!
//! Everything here runs on the real replica and the real exchange with a real file under the server; time, randomness
//! and the network are the harness's.

mod harness;

mod backfill;
mod conflicts;
mod convergence;
mod crashes;
mod delivery;
mod refusals;
