//! The pages of administration: phones, units, accounts and devices, the catalogue, the audit, and one's own account.
//!
//! Each page that has a form is drawn by one function, for the form as it is opened and for the form as it was refused:
//! then with what was typed, and what is wrong beside it.

mod account;
mod accounts;
mod audit;
mod catalogue;
mod devices;
mod files;
mod oneself;
mod people;
mod phones;
mod reform;
mod sheet;
mod unit;
mod units;

use data_encoding::BASE64URL_NOPAD;
use jiff::civil::Date;

use super::input::{filter_day, filter_id, readable_day};
use super::words::Words;
use super::{FILE_FORM_BYTES, get, post, status};
use crate::clock::random;
use crate::http::{ApiError, Route, Who};
use account::changes;

/// Every page of administration.
pub(super) fn routes() -> Vec<Route> {
    use Who::{Anybody, Manager, Oneself, Overseer};
    vec![
        get("/account", Oneself, oneself::page),
        post("/account", Oneself, oneself::change_password),
        post("/account/sessions", Oneself, oneself::end_sessions),
        get("/accounts", Manager, accounts::page),
        post("/accounts", Manager, accounts::add),
        get("/accounts/import", Manager, people::page),
        post("/accounts/import", Manager, people::import).up_to(FILE_FORM_BYTES),
        get("/accounts/sheet", Manager, sheet::page),
        post("/accounts/sheet", Manager, sheet::make),
        get("/accounts/{account}", Manager, account::page),
        post("/accounts/{account}/codes", Manager, devices::add_code),
        post("/accounts/{account}/hand-over", Manager, changes::hand_over),
        post("/accounts/{account}/reset", Manager, changes::reset_code),
        post("/accounts/{account}/resume", Manager, changes::resume),
        post("/accounts/{account}/roles", Manager, changes::grant),
        post("/accounts/{account}/roles/end", Manager, changes::end_role),
        post("/accounts/{account}/suspend", Manager, changes::suspend),
        get("/audit", Manager, audit::page),
        get("/catalogue", Overseer, catalogue::page),
        post("/catalogue", Manager, catalogue::import).up_to(FILE_FORM_BYTES),
        post("/devices/{device}/admit", Manager, devices::admit),
        post("/devices/{device}/lost", Manager, devices::lost),
        post("/devices/{device}/name", Manager, devices::rename),
        post("/devices/{device}/revoke", Manager, devices::revoke),
        get("/phones", Overseer, phones::page),
        get("/reset", Anybody, oneself::reset_form),
        post("/reset", Anybody, oneself::reset),
        get("/units", Overseer, units::page),
        get("/units/reform", Manager, reform::page),
        post("/units/reform", Manager, reform::reform).up_to(FILE_FORM_BYTES),
        get("/units/{unit}", Overseer, unit::page),
        post("/units/{unit}", Manager, unit::change),
    ]
}

/// The day that a field of a form says; today where it says none.
///
/// # Errors
/// What to say beside the form.
fn day(words: Words, typed: &str) -> Result<Date, String> {
    match typed.trim() {
        "" => Ok(words.today()),
        typed => readable_day(typed).ok_or_else(|| words.t("admin-day-invalid")),
    }
}

/// What a form brings back so that sent twice it is done once.
fn seed() -> String {
    BASE64URL_NOPAD.encode(&random::<16>())
}

/// A seed that came back.
///
/// # Errors
/// When it is none of ours.
fn seed_of(typed: &str) -> Result<[u8; 16], ApiError> {
    let bytes = BASE64URL_NOPAD.decode(typed.as_bytes()).ok();
    let seed = bytes.and_then(|bytes| bytes.try_into().ok());
    seed.ok_or_else(|| ApiError::parameter("seed"))
}
