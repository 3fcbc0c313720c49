//! The rows of the pages of administration.

use super::Sends::Form;
use super::pages::OVERSEER;
use super::{ANYBODY, Row, get, post};

/// A page for who manages the hamlet; for others who reach the units below it does not exist.
const MANAGER: [u16; 9] = [401, 403, 404, 404, 200, 404, 404, 403, 401];
/// A form of such a page: done, the answer leads to where it can be seen.
const DONE: [u16; 9] = [401, 403, 404, 404, 303, 404, 404, 403, 401];

pub(super) fn rows() -> Vec<Row> {
    let form = |asks, body, answers| post(asks, Form(body), answers);
    vec![
        get("/account", [401, 200, 200, 200, 200, 200, 200, 403, 401]),
        form(
            "/account",
            "csrf={csrf}&password=wrong&password-new=long+enough+for+it&password-again=long+enough+for+it",
            [401, 422, 422, 422, 422, 422, 422, 403, 401],
        ),
        form(
            "/account/sessions",
            "csrf={csrf}",
            [401, 303, 303, 303, 303, 303, 303, 403, 401],
        ),
        get("/accounts?unit={hamlet}", MANAGER),
        form(
            "/accounts",
            "csrf={csrf}&id=01ARZ3NDEKTSV4RRFFQ69G5FAV&username=y-{n}&name=Y&role=member&unit={hamlet}",
            DONE,
        ),
        get("/accounts/import", MANAGER),
        form(
            "/accounts/import",
            "csrf={csrf}&csv=username,name,role,unit%0Az-{n},Z,member,15367.01",
            MANAGER,
        ),
        get("/accounts/sheet?unit={hamlet}", MANAGER),
        form(
            "/accounts/sheet",
            "csrf={csrf}&seed=AAAAAAAAAAAAAAAAAAAAAA&unit={hamlet}",
            MANAGER,
        ),
        get("/accounts/{account}", MANAGER),
        form(
            "/accounts/{account}/codes",
            "csrf={csrf}&seed=AAAAAAAAAAAAAAAAAAAAAA&unit={hamlet}",
            MANAGER,
        ),
        form(
            "/accounts/{account}/roles",
            "csrf={csrf}&role=member&unit={hamlet}",
            DONE,
        ),
        form(
            "/accounts/{account}/hand-over",
            "csrf={csrf}&role=member&unit={hamlet}&to=member",
            DONE,
        ),
        form(
            "/accounts/{account}/roles/end",
            "csrf={csrf}&role=member&unit={hamlet}",
            DONE,
        ),
        form("/accounts/{account}/reset", "csrf={csrf}", MANAGER),
        form("/accounts/{account}/suspend", "csrf={csrf}", DONE),
        form("/accounts/{account}/resume", "csrf={csrf}", DONE),
        // The whole realm's: also for who only reads it.
        get("/audit", [401, 403, 404, 404, 200, 200, 404, 403, 401]),
        get("/catalogue", OVERSEER),
        form(
            "/catalogue",
            "csrf={csrf}&csv=kind,code,name_vi%0Aoutcome,x,X",
            MANAGER,
        ),
        // Admitted already, by the row of the API.
        form(
            "/devices/{returned}/admit",
            "csrf={csrf}&account={account}",
            [401, 403, 404, 404, 404, 404, 404, 403, 401],
        ),
        form(
            "/devices/{device}/name",
            "csrf={csrf}&account={account}&name=M",
            DONE,
        ),
        form("/devices/{device}/lost", "csrf={csrf}&account={account}", DONE),
        form("/devices/{device}/revoke", "csrf={csrf}&account={account}", DONE),
        get("/phones", OVERSEER),
        get("/reset", ANYBODY),
        form(
            "/reset",
            "code=wrong&password-new=long+enough+for+it&password-again=long+enough+for+it",
            [422; 9],
        ),
        get("/units", OVERSEER),
        get("/units/reform", MANAGER),
        // Nothing in it is a unit of ours.
        form(
            "/units/reform",
            "csrf={csrf}&csv=effective_from,old_code,old_name,new_code,new_name%0A2025-03-03,9,X,8,Y",
            [401, 403, 404, 404, 422, 404, 404, 403, 401],
        ),
        get("/units/{unit}", [401, 403, 200, 200, 200, 200, 404, 403, 401]),
        form(
            "/units/{unit}",
            "csrf={csrf}&change=rename&name=T-{n}&code=15367.01&on=2025-03-03",
            DONE,
        ),
    ]
}
