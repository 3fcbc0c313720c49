//! The rows of the pages.

use super::Sends::{Form, Nothing};
use super::{ANYBODY, Row, row};

/// A page for everybody who reaches the units below; who is not logged in is told so, as programs are.
const OVERSEER: [u16; 9] = [401, 403, 200, 200, 200, 200, 200, 403, 401];

/// A form of a page, for whoever reaches the units below: done, the answer leads to where it can be seen.
const FORM: [u16; 9] = [401, 403, 303, 303, 303, 303, 303, 403, 401];

pub(super) fn rows() -> Vec<Row> {
    let page = |path: &'static str| row(("GET", path), path, Nothing, OVERSEER);
    vec![
        page("/"),
        page("/conflicts"),
        // Nothing is in conflict: as if somebody had settled it meanwhile.
        row(
            ("POST", "/conflicts/{record}"),
            "/conflicts/{record}",
            Form("csrf={csrf}&field=outcome&value=x"),
            FORM,
        ),
        page("/directives"),
        row(
            ("POST", "/directives"),
            "/directives",
            Form(
                "csrf={csrf}&id={id}&unit={commune}&number={n}/UBND&title=X&urgency=normal\
                 &signer=Y&target={hamlet}&asks=read",
            ),
            [401, 403, 303, 404, 404, 404, 404, 403, 401],
        ),
        row(
            ("GET", "/directives/new"),
            "/directives/new",
            Nothing,
            [401, 403, 200, 200, 404, 404, 200, 403, 401],
        ),
        row(
            ("GET", "/directives/{directive}"),
            "/directives/{directive}",
            Nothing,
            [401, 403, 200, 200, 200, 200, 404, 403, 401],
        ),
        row(
            ("GET", "/language"),
            "/language?to=en&back=%2F",
            Nothing,
            [303; 9],
        ),
        row(("GET", "/login"), "/login", Nothing, ANYBODY),
        row(
            ("POST", "/login"),
            "/login",
            Form("username={caller}&password=y"),
            [401; 9],
        ),
        row(
            ("POST", "/logout"),
            "/logout",
            Form("csrf=wrong"),
            [401, 403, 403, 403, 403, 403, 403, 403, 401],
        ),
        page("/records"),
        row(
            ("GET", "/static/langso.css"),
            "/static/langso.css",
            Nothing,
            ANYBODY,
        ),
    ]
}
