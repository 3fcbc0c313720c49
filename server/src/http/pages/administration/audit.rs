//! `GET /audit`: who did what to the realm, newest first.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sync_core::ids::{AccountId, DeviceId, UnitId};

use super::filter_day;
use crate::app::App;
use crate::audit::{self, Act, AuditRow, Search};
use crate::clock::midnight_ms;
use crate::http::ApiError;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::policy::Action;
use crate::realm;
use crate::units::history;

/// Rows on one page.
const PAGE: usize = 50;

/// What the form of the page asks; all of it is in the address.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct AuditQuery {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    act: String,
    /// A username.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    to: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    before: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    query: AuditQuery,
    acts: Vec<(&'static str, String)>,
    rows: Vec<Line>,
    next: Option<String>,
    /// The end of the chain, to be kept elsewhere.
    head: String,
    /// There is no such username.
    unknown: Option<()>,
    /// What an export of these rows is asked, if there are any.
    export: Option<String>,
}

struct Line {
    position: u64,
    when: String,
    who: String,
    origin: String,
    act: String,
    subject: String,
    /// Where the subject is shown.
    link: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// Names of what rows are about.
struct Names {
    units: HashMap<UnitId, String>,
    people: HashMap<AccountId, String>,
    /// Under a device's id its name, and whose it is.
    devices: HashMap<String, (String, AccountId)>,
    /// Whether the reader may look at a person: an auditor may not.
    manages: bool,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    // The audit is the whole realm's: it is for who reaches the whole of it.
    visitor.realm(Action::ReadAudit)?;
    let manages = visitor.read(Action::ManageAccounts).is_ok();
    let (mut wanted, username) = (query.search()?, query.account.trim().to_lowercase());
    let found = app.store().read(move |conn| {
        let account = realm::account_id(conn, &username)?;
        let unknown = !username.is_empty() && account.is_none();
        wanted.account = account;
        let rows = match unknown {
            true => Vec::new(),
            false => audit::search(conn, &wanted, PAGE + 1)?,
        };
        let names = Names {
            manages,
            ..Names::load(conn, &rows)?
        };
        Ok::<_, rusqlite::Error>((rows, account, unknown, names, audit::head(conn)?))
    });
    let (mut rows, account, unknown, names, head) = found.await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| query.before(last.position));
    let words = visitor.words;
    let export = (!rows.is_empty()).then(|| query.export(account));
    let page = AuditPage {
        frame: visitor.frame("way-audit", "/audit"),
        acts: acts(words),
        rows: rows.into_iter().map(|row| line(row, &visitor, &names)).collect(),
        next: next.transpose()?,
        head: head.to_string(),
        unknown: unknown.then_some(()),
        export: export.transpose()?,
        query,
    };
    render(&page, StatusCode::OK)
}

/// Every act, by its label.
fn acts(words: Words) -> Vec<(&'static str, String)> {
    let mut acts: Vec<_> = Act::ALL
        .map(|act| (act.code(), words.code("act", act.code())))
        .into();
    acts.sort_by(|(_, a), (_, b)| a.cmp(b));
    acts
}

fn line(row: AuditRow, visitor: &Visitor, names: &Names) -> Line {
    let words = visitor.words;
    let person = |id: &AccountId| names.people.get(id).cloned();
    let (subject, link) = names.of(words, &row.subject);
    Line {
        position: row.position,
        when: words.time(row.at_ms),
        who: match &row.account {
            Some(id) => person(id).unwrap_or_else(|| id.to_string()),
            None if row.origin == "console" => words.t("audit-console"),
            None => words.t("audit-nobody"),
        },
        origin: row.origin,
        act: words.code("act", &row.act),
        subject,
        link,
        before: row.before,
        after: row.after,
    }
}

impl Names {
    fn load(conn: &Connection, rows: &[AuditRow]) -> rusqlite::Result<Self> {
        let mut names = Self {
            units: history::names(conn)?,
            people: HashMap::new(),
            devices: HashMap::new(),
            manages: false,
        };
        let subjects = rows
            .iter()
            .filter_map(|row| row.subject.parse::<AccountId>().ok());
        for account in rows.iter().filter_map(|row| row.account).chain(subjects) {
            if let Some(name) = realm::display_name(conn, account)? {
                names.people.insert(account, name);
            }
        }
        for subject in rows.iter().map(|row| &row.subject) {
            let Ok(id) = subject.parse::<DeviceId>() else {
                continue;
            };
            let Some(device) = realm::device(conn, id)? else {
                continue;
            };
            let whose = realm::display_name(conn, device.account)?.unwrap_or_default();
            names.devices.insert(subject.clone(), (whose, device.account));
        }
        Ok(names)
    }

    /// What a subject is called, and where it is shown.
    fn of(&self, words: Words, subject: &str) -> (String, Option<String>) {
        let person = subject.parse().ok().and_then(|id| self.people.get(&id));
        let unit = subject.parse().ok().and_then(|id| self.units.get(&id));
        let people = |path: String| self.manages.then_some(path);
        match (person, unit, self.devices.get(subject)) {
            (Some(name), ..) => (name.clone(), people(format!("/accounts/{subject}"))),
            (_, Some(name), _) => (name.clone(), Some(format!("/units/{subject}"))),
            (.., Some((whose, account))) => {
                let name = words.say("audit-device", &[("name", whose)]);
                (name, people(format!("/accounts/{account}#devices")))
            }
            (None, None, None) => (words.code("subject", subject), None),
        }
    }
}

impl AuditQuery {
    fn search(&self) -> Result<Search, ApiError> {
        let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
        let act = filled(&self.act).map(|act| Act::from_code(&act).ok_or_else(|| ApiError::parameter("act")));
        let before = filled(&self.before).map(|text| text.parse().map_err(|_| ApiError::parameter("before")));
        let until = filter_day("to", &self.to)?.and_then(|day: Date| day.tomorrow().ok());
        Ok(Search {
            act: act.transpose()?.map(|act| act.code().to_owned()),
            account: None,
            subject: filled(&self.subject),
            from_ms: filter_day("from", &self.from)?.and_then(midnight_ms),
            until_ms: until.and_then(midnight_ms),
            before: before.transpose()?,
        })
    }

    /// The same question, wherever the page stands, as an export takes it: there a person is an id.
    fn export(&self, account: Option<AccountId>) -> Result<String, ApiError> {
        let all = Self {
            account: account.map(|id| id.to_string()).unwrap_or_default(),
            before: String::new(),
            ..self.clone()
        };
        serde_html_form::to_string(all).map_err(ApiError::internal)
    }

    /// The same question, about what is before a row.
    fn before(&self, position: u64) -> Result<String, ApiError> {
        let next = Self {
            before: position.to_string(),
            ..self.clone()
        };
        serde_html_form::to_string(next).map_err(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::{Locale, has};

    #[test]
    fn every_act_is_said_in_both_languages() {
        for act in Act::ALL {
            let key = format!("act-{}", act.code().replace('_', "-"));
            assert!(has(Locale::Vi, &key) && has(Locale::En, &key), "{key}");
        }
    }
}
