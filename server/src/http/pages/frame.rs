//! What every page has around it: who looks, in which language, and where one can go from there.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sync_core::ids::{Class, UnitId};

use super::super::actor::{Reader, language_of};
use super::super::{ApiError, Code};
use super::words::Words;
use crate::app::App;
use crate::policy::{self, Action, Permit, Read, Write};
use crate::tree::Tree;

/// Somebody logged in.
pub(super) struct Person {
    /// Who, and who may do what.
    pub(super) reader: Reader,
    /// What the forms of this session bring back.
    pub(super) csrf: String,
    /// In which language, and when.
    pub(super) words: Words,
    /// Whose session it is.
    name: String,
    here: Uri,
}

/// Somebody logged in whose role reaches the units below.
pub(super) struct Visitor {
    person: Person,
    /// Everything that the roles oversee.
    pub(super) all: Permit<Read>,
}

impl Deref for Visitor {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.person
    }
}

impl AsRef<Person> for Visitor {
    fn as_ref(&self) -> &Person {
        &self.person
    }
}

impl AsRef<Person> for Person {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Person {
    /// The tree of today.
    pub(super) fn tree(&self) -> &Tree {
        &self.reader.authority.tree
    }

    /// Leave to read the records of a unit and what is below it, or of all that is in reach.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub(super) fn records(&self, unit: Option<UnitId>) -> Result<Permit<Read>, ApiError> {
        policy::read_records(self.reader.grants(), self.tree(), unit).ok_or_else(ApiError::not_found)
    }

    /// Leave to read something, wherever the roles reach.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub(super) fn read(&self, action: Action) -> Result<Permit<Read>, ApiError> {
        self.reader.permit(action, None)
    }

    /// Leave to change something, wherever the roles reach.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub(super) fn write(&self, action: Action) -> Result<Permit<Write>, ApiError> {
        policy::permit_write(self.reader.grants(), self.tree(), action, None).ok_or_else(ApiError::not_found)
    }

    /// Leave to do something that is about the whole realm.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub(super) fn realm(&self, action: Action) -> Result<Permit<Read>, ApiError> {
        policy::permit_realm(self.reader.grants(), self.tree(), action).ok_or_else(ApiError::not_found)
    }

    /// Whether a way of the navigation leads anywhere: the audit is the whole realm's.
    fn reaches(&self, action: Action) -> bool {
        match action {
            Action::ReadAudit => self.realm(action).is_ok(),
            action => self.read(action).is_ok(),
        }
    }

    /// The frame of a page: its title's key, and the way that leads to it in the navigation.
    pub(super) fn frame(&self, title: &str, way: &'static str) -> Frame {
        let text = |key: &str| self.words.t(key);
        // Pages are for who oversees; others have the one about themselves.
        let oversees = self.read(Action::Oversee).is_ok();
        let ways = WAYS
            .iter()
            .filter(|(.., action)| oversees && self.reaches(*action));
        let roots = self
            .reader
            .grants()
            .iter()
            .map(|grant| self.words.unit(self.tree(), grant.unit));
        let mut roots: Vec<String> = roots.collect();
        roots.sort();
        roots.dedup();
        Frame {
            words: self.words,
            title: text(title),
            csrf: self.csrf.clone(),
            name: self.name.clone(),
            roots: roots.join(", "),
            home: if oversees { "/" } else { "/account" },
            ways: ways
                .map(|(path, key, _)| Way {
                    path,
                    label: text(key),
                    here: *path == way,
                })
                .collect(),
            language: language_link(&self.here),
            done: done(&self.here).map(|word| text(&format!("done-{word}"))),
        }
    }
}

/// Where one can go, what it is called, and what one must be able to do to go there.
const WAYS: &[(&str, &str, Action)] = &[
    ("/", "way-overview", Action::Oversee),
    ("/records", "way-records", Action::ReadRecords),
    ("/conflicts", "way-conflicts", Action::ReadRecords),
    ("/charts", "way-charts", Action::ReadRecords),
    ("/report", "way-report", Action::Oversee),
    ("/directives", "way-directives", Action::Hold(Class::Board)),
    ("/remarks", "way-remarks", Action::Hold(Class::Remarks)),
    ("/quarantine", "way-quarantine", Action::Judge),
    ("/phones", "way-phones", Action::Oversee),
    ("/units", "way-units", Action::ReadUnits),
    ("/accounts", "way-accounts", Action::ManageAccounts),
    ("/catalogue", "way-catalogue", Action::Oversee),
    ("/audit", "way-audit", Action::ReadAudit),
];

/// What is around a page.
pub(super) struct Frame {
    pub(super) words: Words,
    pub(super) title: String,
    pub(super) csrf: String,
    pub(super) name: String,
    pub(super) roots: String,
    /// Where somebody begins.
    pub(super) home: &'static str,
    pub(super) ways: Vec<Way>,
    /// Leads back here after `&to=` and a language.
    pub(super) language: String,
    /// What was just done.
    pub(super) done: Option<String>,
}

/// One entry of the navigation.
pub(super) struct Way {
    pub(super) path: &'static str,
    pub(super) label: String,
    pub(super) here: bool,
}

impl Frame {
    pub(super) fn t(&self, key: &str) -> String {
        self.words.t(key)
    }

    pub(super) fn tag(&self) -> &'static str {
        self.words.locale.tag()
    }
}

/// The address that changes the language and comes back.
pub(super) fn language_link(here: &Uri) -> String {
    let back = here.path_and_query().map_or("/", |path| path.as_str());
    format!("/language?back={}", utf8_percent_encode(back, NON_ALPHANUMERIC))
}

/// The word that the address carries after something was done.
fn done(here: &Uri) -> Option<&'static str> {
    let query = here.query().unwrap_or_default();
    let word = query.split('&').find_map(|pair| pair.strip_prefix("done="))?;
    DONE.iter().copied().find(|known| *known == word)
}

/// What can just have been done; each has a message.
const DONE: &[&str] = &[
    "added",
    "admitted",
    "already",
    "decided",
    "draft-discarded",
    "draft-saved",
    "ended",
    "granted",
    "handed-over",
    "imported",
    "issued",
    "password",
    "reformed",
    "renamed",
    "resumed",
    "said",
    "sessions",
    "settled",
    "suspended",
    "unit",
];

impl FromRequestParts<Arc<App>> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let reader = Reader::from_request_parts(parts, app).await?;
        // A device's token reads the API, where nothing has to be brought back.
        let session = reader.session.clone();
        let session = session.ok_or_else(|| ApiError::new(Code::LoginNeeded))?;
        Ok(Self {
            reader,
            csrf: session.csrf,
            name: session.name,
            words: Words {
                locale: language_of(&parts.headers),
                now_ms: app.clock.now_ms(),
            },
            here: parts.uri.clone(),
        })
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let person = Person::from_request_parts(parts, app).await?;
        let all = policy::read_overview(person.reader.grants(), person.tree())
            .ok_or_else(|| ApiError::new(Code::NotPermitted))?;
        Ok(Self { person, all })
    }
}
