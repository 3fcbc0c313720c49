//! What each page costs, asked through the whole server as a browser asks: SQL statements, steps of SQLite's machine, rows
//! that were looked at without an index, rows that came out, time, and bytes as they are and as they travel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use langso_server::app::App;
use langso_server::clock::random;
use langso_server::http::{router, routes};
use langso_server::session;
use langso_server::store::{Counter, Work};
use rusqlite::{Connection, OptionalExtension};
use sync_core::ids::{AccountId, UnitId};
use tower::ServiceExt;

/// How often a page is asked after the first time.
const TIMES: usize = 9;
/// Pages that need no store.
const STILL: [&str; 6] = ["/api", "/language", "/live", "/login", "/reset", "/static/"];

/// Who asks.
struct Visitor {
    role: &'static str,
    cookie: String,
}

/// Prints a table of every page; those that a route makes of an id, with one that is there, and some with a filter.
pub(crate) fn pages(app: &Arc<App>) -> anyhow::Result<()> {
    let counter = app.store().watch_readers()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = router(Arc::clone(app));
    let visitors = ["admin", "leader"].map(|role| visitor(app, role));
    let visitors: Vec<Visitor> = visitors.into_iter().collect::<anyhow::Result<_>>()?;
    println!("| page | as | statements | steps | scanned | sorts | rows | ms | bytes | compressed |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let ids = app.store().read_blocking(examples)?;
    for path in addresses(&ids)? {
        let asked = visitors
            .iter()
            .find_map(|visitor| ask(&runtime, &server, &counter, visitor, &path).transpose());
        let told = asked.with_context(|| format!("{path} is nobody's"))??;
        println!("| `{}` | {told} |", without_ids(&path, &ids));
    }
    Ok(())
}

/// A session of the first who has a role.
fn visitor(app: &App, role: &'static str) -> anyhow::Result<Visitor> {
    let account = app.store().read_blocking(|conn| {
        let sql = "SELECT account FROM role WHERE role = ? AND valid_to IS NULL ORDER BY account LIMIT 1";
        let found = conn.query_row(sql, [role], |row| row.get(0)).optional()?;
        Ok::<_, rusqlite::Error>(found.map(AccountId::from_bytes))
    })?;
    let account = account.with_context(|| format!("nobody is {role}"))?;
    let (secret, csrf, now_ms) = (random(), random::<16>(), app.clock.now_ms());
    let begun = app
        .store()
        .write_blocking(move |tx| session::begin(tx, account, secret, csrf, now_ms))?;
    Ok(Visitor {
        role,
        cookie: format!("langso_session={}", begun.cookie),
    })
}

/// The addresses of all pages.
fn addresses(one: &BTreeMap<&'static str, String>) -> anyhow::Result<Vec<String>> {
    let unit = one.get("unit").cloned().unwrap_or_default();
    let routes = routes();
    let pages = routes.iter().filter(|route| {
        let is_page = route.method == "GET" && route.operation.is_none();
        is_page && !STILL.iter().any(|still| route.path.starts_with(still))
    });
    let mut addresses = Vec::new();
    for route in pages {
        let Some((begin, rest)) = route.path.split_once('{') else {
            addresses.push(route.path.to_owned());
            continue;
        };
        let (name, end) = rest.split_once('}').context("a path of a route")?;
        match one.get(name) {
            Some(id) => addresses.push(format!("{begin}{id}{end}")),
            None => println!("{} has nothing to show here\n", route.path),
        }
    }
    addresses.extend([
        format!("/records?unit={unit}"),
        "/records?outcome=that_bai&retracted=no".to_owned(),
        format!("/charts?unit={unit}"),
        "/conflicts?state=settled".to_owned(),
        "/remarks?all=true".to_owned(),
        "/quarantine?state=decided".to_owned(),
        "/phones?state=silent".to_owned(),
        "/accounts?name=nguyen".to_owned(),
        "/audit?act=exported".to_owned(),
        "/audit?subject=units".to_owned(),
        "/units?on=2024-06-01".to_owned(),
        format!("/accounts/sheet?unit={unit}"),
    ]);
    addresses.sort();
    Ok(addresses)
}

/// One of each that an address can name, by the name in the path.
fn examples(conn: &Connection) -> rusqlite::Result<BTreeMap<&'static str, String>> {
    let ids = [
        ("record", "SELECT about FROM remark LIMIT 1"),
        (
            "directive",
            "SELECT record FROM directive ORDER BY issued_at DESC LIMIT 1",
        ),
        (
            "draft",
            "SELECT record FROM draft WHERE discarded = 0 \
             AND NOT EXISTS (SELECT 1 FROM directive WHERE directive.draft = draft.record) LIMIT 1",
        ),
        ("account", "SELECT account FROM device LIMIT 1"),
        (
            "unit",
            "SELECT parent FROM unit_period WHERE level = 'hamlet' AND valid_to IS NULL LIMIT 1",
        ),
    ];
    let mut found = BTreeMap::new();
    for (name, sql) in ids {
        let id = conn.query_row(sql, [], |row| row.get(0)).optional()?;
        found.extend(id.map(|id| (name, UnitId::from_bytes(id).to_string())));
    }
    let batch: Option<i64> = conn
        .query_row(
            "SELECT id FROM quarantine WHERE verdict = 'quarantined' LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    found.extend(batch.map(|id| ("id", id.to_string())));
    Ok(found)
}

/// What a page costs somebody, as a row of the table; nothing, if it is not theirs.
fn ask(
    runtime: &tokio::runtime::Runtime,
    server: &Router,
    counter: &Counter,
    visitor: &Visitor,
    path: &str,
) -> anyhow::Result<Option<String>> {
    let fetch = |encodings: &str| -> anyhow::Result<(StatusCode, usize)> {
        let request = Request::get(path)
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, &visitor.cookie)
            .header(header::ACCEPT_ENCODING, encodings);
        let request = request.body(Body::empty())?;
        runtime.block_on(async {
            let answer = server.clone().oneshot(request).await?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await?.to_bytes();
            Ok((status, bytes.len()))
        })
    };
    let (status, bytes) = fetch("identity")?;
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        other => bail!("{path} as {}: {other}", visitor.role),
    }
    let (mut took, mut work, mut compressed) = (Vec::with_capacity(TIMES), Work::default(), 0);
    for _ in 0..TIMES {
        counter.take();
        let begun = Instant::now();
        (_, compressed) = fetch("gzip, br")?;
        took.push(begun.elapsed());
        work = counter.take();
    }
    took.sort_unstable();
    let median = took.get(TIMES / 2).context("asked")?.as_secs_f64() * 1000.0;
    let Work {
        statements,
        steps,
        scanned,
        sorts,
        rows,
    } = work;
    let role = visitor.role;
    Ok(Some(format!(
        "{role} | {statements} | {steps} | {scanned} | {sorts} | {rows} | {median:.1} | {bytes} | {compressed}"
    )))
}

/// An address as the documentation shows it.
fn without_ids(path: &str, ids: &BTreeMap<&str, String>) -> String {
    let long = ids.values().filter(|id| id.len() == 26);
    long.fold(path.to_owned(), |path, id| path.replace(id, "…"))
}
