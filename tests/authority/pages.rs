//! The rows of the pages.

use super::Sends::{Form, Listens};
use super::{ANYBODY, Row, get, post};

/// A page for everybody who reaches the units below; who is not logged in is told so, as programs are.
pub(super) const OVERSEER: [u16; 9] = [401, 403, 200, 200, 200, 200, 200, 403, 401];

const ISSUE: &str = "csrf={csrf}&id={fresh}&unit={commune}&number={n}/UBND&title=X&urgency=normal\
                     &signer=Y&target={hamlet}&asks=read";

pub(super) fn rows() -> Vec<Row> {
    vec![
        get("/", OVERSEER),
        get("/api", ANYBODY),
        get("/charts", OVERSEER),
        get("/conflicts", OVERSEER),
        // Nothing is in conflict: it says so to who settles.
        post(
            "/conflicts/{record}",
            Form("csrf={csrf}&field=outcome&value=x"),
            [401, 403, 409, 409, 404, 404, 404, 403, 401],
        ),
        get("/directives", OVERSEER),
        post(
            "/directives",
            Form(ISSUE),
            [401, 403, 303, 404, 404, 404, 404, 403, 401],
        ),
        get("/directives/new", [401, 403, 200, 200, 404, 404, 200, 403, 401]),
        get(
            "/directives/{directive}",
            [401, 403, 200, 200, 200, 200, 404, 403, 401],
        ),
        get("/drafts", [401, 403, 200, 200, 404, 404, 200, 403, 401]),
        post(
            "/drafts",
            Form(ISSUE),
            [401, 403, 303, 404, 404, 404, 404, 403, 401],
        ),
        // It was given up before, by the API: what it said can be taken up again.
        get("/drafts/{draft}", [401, 403, 200, 404, 404, 404, 404, 403, 401]),
        post(
            "/drafts/{draft}",
            Form("csrf={csrf}&do=save&title=X"),
            [401, 403, 409, 404, 404, 404, 404, 403, 401],
        ),
        get("/hamlets", OVERSEER),
        get("/language?to=en&back=%2F", [303; 9]),
        Row {
            sends: Listens,
            ..get("/live", OVERSEER)
        },
        get("/login", ANYBODY),
        post("/login", Form("username={caller}&password=y"), [401; 9]),
        post(
            "/logout",
            Form("csrf=wrong"),
            [401, 403, 403, 403, 403, 403, 403, 403, 401],
        ),
        get("/quarantine", [401, 403, 200, 200, 404, 404, 200, 403, 401]),
        get("/quarantine/{id}", [401, 403, 200, 200, 404, 404, 404, 403, 401]),
        // Decided before, by the API: it leads to where that can be seen.
        post(
            "/quarantine/{id}",
            Form("csrf={csrf}&decision=discard&reason=mistake"),
            [401, 403, 303, 303, 404, 404, 404, 403, 401],
        ),
        get("/records", OVERSEER),
        post(
            "/records/search",
            Form("csrf={csrf}&q=lan"),
            [401, 403, 200, 200, 200, 200, 200, 403, 401],
        ),
        get("/records/{record}", [401, 403, 200, 200, 200, 200, 404, 403, 401]),
        post(
            "/records/{record}/remarks",
            Form("csrf={csrf}&id={fresh}&kind=question&words=X"),
            [401, 403, 303, 303, 404, 404, 404, 403, 401],
        ),
        get("/remarks", OVERSEER),
        post(
            "/remarks/{remark}/answers",
            Form("csrf={csrf}&id={fresh}&words=X"),
            [401, 403, 303, 303, 404, 404, 404, 403, 401],
        ),
        get(
            "/report?unit={hamlet}",
            [401, 403, 200, 200, 200, 200, 404, 403, 401],
        ),
        get("/static/langso.css", ANYBODY),
        get("/static/live.js", ANYBODY),
        get("/static/page.js", ANYBODY),
    ]
}
