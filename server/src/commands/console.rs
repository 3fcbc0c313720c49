//! Whoever runs commands beside the server: what they do stands in the audit as done there, and no unit is out of reach.

use rusqlite::Connection;

use crate::audit::By;
use crate::clock::Clock;
use crate::policy::{self, Permit, Write};
use crate::realm;

/// Whoever runs commands beside the server.
pub(super) fn at_console() -> By {
    By::console(Clock::system().now_ms())
}

/// Leave for whoever runs commands beside the server: for every unit there ever was.
pub(super) fn console_permit(conn: &Connection) -> rusqlite::Result<Permit<Write>> {
    Ok(policy::console(realm::all_units(conn)?))
}
