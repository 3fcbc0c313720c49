//! The story of somebody who means no good, or copied it from somewhere, and types it into every field there is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::http::StatusCode;
use langso_server::http::{Who, routes};

use crate::harness::browser::{form_of, form_to, html, links, set};
use crate::harness::office::{Credentials, Office};
use crate::harness::seeded::Seeded;

/// What runs in a page that writes it as it is, in a text or in an attribute; and what makes text read as another.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}</textarea></title><svg onload=alert(1)>",
    "an\u{202e}nol\u{200b}\u{feff}g\u{2066}\u{200f}x\u{2069}",
];
/// Pages that a crawl may have: a bound for one that does not end.
const PAGES: usize = 400;

/// Every page that can be reached from the first one, by its address.
fn crawled(office: &Office, who: &Credentials) -> BTreeMap<String, String> {
    let (mut pages, mut waiting) = (BTreeMap::new(), VecDeque::from([(String::new(), "/".to_owned())]));
    while let Some((from, path)) = waiting.pop_front() {
        let leads_on = ["/language", "/live", "/static", "/v1/", "/openapi.json"];
        let outside = !path.starts_with('/') || leads_on.iter().any(|begin| path.starts_with(begin));
        if outside || pages.contains_key(&path) {
            continue;
        }
        let answer = office.page(&path, who);
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{path} of {from}: {}",
            html(&answer)
        );
        let page = html(&answer);
        let found = links(&page).into_iter();
        waiting.extend(found.map(|link| (path.clone(), link.split('#').next().unwrap().to_owned())));
        pages.insert(path, page);
        assert!(pages.len() < PAGES, "there is no end to it");
    }
    pages
}

/// What forms answer that were sent with this everywhere, by where they were sent.
fn refused(seeded: &Seeded, typed: &str) -> BTreeMap<String, String> {
    let (office, official, admin) = (&seeded.office, &seeded.official, &seeded.admin);
    let mut pages = BTreeMap::new();
    let mut sent = |who: &Credentials, path: &str, form: Vec<(String, String)>| {
        let answer = office.submit(path, who, &form);
        assert!(
            !answer.status.is_redirection() && !answer.status.is_server_error(),
            "{path}"
        );
        pages.insert(format!("POST {path}"), html(&answer));
    };
    let search = form_to(&office.shown("/records", official), "/records/search");
    let filter = [("q", typed), ("category", typed), ("outcome", typed)];
    sent(official, "/records/search", set(search, &filter));
    let new = form_of(&office.shown("/directives/new", official));
    let written =
        ["number", "title", "body", "signer", "deadline", "urgency", "asks"].map(|name| (name, typed));
    sent(official, "/directives", set(new.clone(), &written));
    sent(official, "/drafts", set(new, &written));
    let path = format!("/records/{}", seeded.record);
    let action = format!("{path}/remarks");
    let long = typed.repeat(200);
    let remark = form_to(&office.shown(&path, official), &action);
    sent(
        official,
        &action,
        set(remark, &[("kind", "question"), ("words", &long)]),
    );
    let action = format!("/remarks/{}/answers", seeded.remark);
    let answer = form_to(&office.shown("/remarks", official), &action);
    sent(official, &action, set(answer, &[("words", &long)]));
    let account = form_to(&office.shown("/accounts", admin), "/accounts");
    let named = [
        ("name", typed),
        ("username", typed),
        ("role", typed),
        ("unit", typed),
    ];
    let csrf = ("csrf".to_owned(), admin.csrf.clone().unwrap());
    let mut typed_in: Vec<_> = set(account, &named);
    typed_in.retain(|(name, _)| name != "csrf");
    typed_in.push(csrf.clone());
    typed_in.push(("id".to_owned(), seeded.record.to_string()));
    sent(admin, "/accounts", typed_in);
    for path in ["/catalogue", "/accounts/import", "/units/reform"] {
        let form = form_to(&office.shown(path, admin), path);
        sent(admin, path, set(form, &[("csv", typed), ("roles", typed)]));
    }
    let unit = format!("/units/{}", seeded.hamlet);
    let form = form_to(&office.shown(&unit, admin), &unit);
    let change = [
        ("change", "rename"),
        ("on", typed),
        ("name", typed),
        ("code", typed),
    ];
    sent(admin, &unit, set(form, &change));
    // Without a session: it waits in the login, and is asked about.
    let form = ["words", typed].map(|name| (name.to_owned(), typed.to_owned()));
    sent(&Credentials::default(), "/remarks/x/answers", form.clone().into());
    let login = [
        ("username", typed),
        ("password", typed),
        ("back", typed),
        ("kept.words", typed),
    ];
    let login = login.map(|(name, value)| (name.to_owned(), value.to_owned()));
    sent(&Credentials::default(), "/login", login.into());
    sent(
        official,
        &format!("/remarks/{}/answers", seeded.remark),
        form.into(),
    );
    pages
}

#[test]
fn nothing_that_anybody_typed_anywhere_runs_in_any_page() {
    let mut met: BTreeSet<&str> = BTreeSet::new();
    let routes = routes();
    for words in HOSTILE {
        let seeded = Seeded::with(words);
        let mut pages = BTreeMap::new();
        for (name, who) in [("official", &seeded.official), ("admin", &seeded.admin)] {
            let found = crawled(&seeded.office, who);
            pages.extend(
                found
                    .into_iter()
                    .map(|(path, page)| (format!("{name} {path}"), page)),
            );
        }
        // Who asks for citizens' data is shown them: where that can be asked for, the crawl did.
        pages.extend(refused(&seeded, words));
        for (path, page) in &pages {
            for run in ["<script>alert", "<img src=x", "<svg onload", "alert(1)</script>"] {
                assert!(!page.contains(run), "{path} runs {run}");
            }
        }
        // Each field was seen by somebody, or this has shown nothing.
        for (at, mark) in seeded.marks.iter().enumerate() {
            assert!(
                pages.values().any(|page| page.contains(mark)),
                "nobody has seen field {at}, {mark}"
            );
        }
        for route in &routes {
            let looks = matches!(route.who, Who::Overseer | Who::Manager | Who::Oneself);
            if looks
                && route.method == "GET"
                && route.operation.is_none()
                && pages.keys().any(|path| is_of(path, route.path))
            {
                met.insert(route.path);
            }
        }
    }
    let pages = routes.iter().filter(|route| {
        let looks = matches!(route.who, Who::Overseer | Who::Manager | Who::Oneself);
        looks && route.method == "GET" && route.operation.is_none() && route.path != "/live"
    });
    let missed: Vec<&str> = pages
        .map(|route| route.path)
        .filter(|path| !met.contains(path))
        .collect();
    assert_eq!(missed, [""; 0], "no link leads there");
}

/// Whether an address is one of a route.
fn is_of(address: &str, route: &str) -> bool {
    let path = address.split(' ').next_back().unwrap().split('?').next().unwrap();
    let (path, route): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    path.len() == route.len()
        && path
            .iter()
            .zip(&route)
            .all(|(said, told)| said == told || told.starts_with('{'))
}
