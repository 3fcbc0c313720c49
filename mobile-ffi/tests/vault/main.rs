//! Stories of an app and its vault, told through the façade alone; the server is the real one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

mod bad_input;
mod catalogue;
mod district;
mod revoked;
mod sealed;
mod set_aside;
mod use_of_a_day;
