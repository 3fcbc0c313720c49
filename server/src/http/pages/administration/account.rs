//! `/accounts/{account}`: one person – roles, phones, password.

pub(super) mod changes;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use sync_core::ids::{AccountId, UnitId};

use super::accounts::roles;
use super::{seed, status};
use crate::accounts::{self, AccountView};
use crate::app::App;
use crate::audit::By;
use crate::devices::{self, DeviceView};
use crate::http::ApiError;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::{Choice, whole};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::policy::Action;
use crate::units::history;
use changes::Post;

/// What was refused, and what had been typed.
#[derive(Debug)]
pub(super) struct Refused {
    /// The form that it is about.
    form: &'static str,
    problem: String,
    post: Post,
    /// A device, and the name that it was to get.
    device: (String, String),
}

impl Refused {
    fn of(form: &'static str, problem: String, post: Post) -> Self {
        Self {
            form,
            problem,
            post,
            device: Default::default(),
        }
    }

    /// A name that a device cannot have.
    pub(super) fn of_device(problem: String, device: String, name: String) -> Self {
        Self {
            form: "device",
            problem,
            post: Post::default(),
            device: (device, name),
        }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    id: String,
    name: String,
    username: String,
    suspended: Option<String>,
    held: Vec<HeldLine>,
    devices: Vec<DeviceLine>,
    /// Whether the reader manages this account, and is somebody else.
    managed: Managed,
    /// Whether the reader sees the audit.
    audits: bool,
    seed: String,
    roles: Vec<(&'static str, String)>,
    places: Vec<Choice>,
    /// Units in which a code can be made: those of the roles of the day.
    enrols: Vec<(String, String)>,
    typed: Post,
    device_typed: (String, String),
    form: &'static str,
    problem: Option<String>,
}

/// What the reader may do about an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Managed {
    /// Everything.
    Yes,
    /// Everything but what concerns the roles: it is one's own.
    Own,
    /// Nothing: it reaches further than the reader.
    No,
}

struct HeldLine {
    role: String,
    code: &'static str,
    unit: String,
    place: String,
    from: String,
    to: String,
    personal: bool,
    now: bool,
}

pub(super) struct DeviceLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) enrolled: String,
    pub(super) since: String,
    pub(super) unsent: Option<u32>,
    pub(super) revoked: Option<String>,
    pub(super) lost: bool,
    /// When two copies of it were first seen.
    pub(super) copied: Option<String>,
    /// When it came back to a store that was restored without it: it waits to be admitted.
    pub(super) returned: Option<String>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(account): Path<AccountId>,
) -> Result<Response, ApiError> {
    shown(&app, &visitor, account, None).await
}

/// Shows a form again, with what was typed and what is wrong beside it.
pub(super) async fn refused(
    app: &App,
    visitor: &Visitor,
    account: AccountId,
    refused: Refused,
) -> Result<Response, ApiError> {
    shown(app, visitor, account, Some(refused)).await
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    account: AccountId,
    refused: Option<Refused>,
) -> Result<Response, ApiError> {
    app.flush_presence().await;
    let (read, write) = (
        visitor.read(Action::ManageAccounts)?,
        visitor.write(Action::ManageAccounts)?,
    );
    let managers = read.clone();
    let by = By::console(visitor.words.now_ms);
    let found = app.store().read(move |conn| {
        let view = accounts::view(conn, &read, account)?;
        let devices = devices::of_account(conn, account)?;
        let managed = accounts::managed(conn, &write, &by, account).is_ok();
        Ok::<_, rusqlite::Error>((view, devices, managed, history::names(conn)?))
    });
    let (view, devices, managed, names) = found.await?;
    let view = view.ok_or_else(ApiError::not_found)?;
    let words = visitor.words;
    let (form, problem, typed, device_typed) = match refused {
        Some(refused) => (refused.form, Some(refused.problem), refused.post, refused.device),
        None => ("", None, Post::default(), Default::default()),
    };
    let held = held_lines(&view, visitor, &names);
    let now = held.iter().filter(|held| held.now);
    let page = AccountPage {
        frame: visitor.frame("account-title", "/accounts"),
        suspended: view.suspended_at_ms.map(|at| words.time(at)),
        managed: match (managed, account == visitor.reader.account) {
            (true, true) => Managed::Own,
            (true, false) => Managed::Yes,
            (false, _) => Managed::No,
        },
        audits: visitor.realm(Action::ReadAudit).is_ok(),
        seed: seed(),
        roles: roles(visitor),
        places: whole(words, visitor.tree(), &managers, typed.unit.parse().ok()),
        enrols: now.map(|held| (held.unit.clone(), held.place.clone())).collect(),
        devices: devices
            .into_iter()
            .map(|device| device_line(device, words))
            .collect(),
        held,
        id: view.id,
        name: view.name,
        username: view.username,
        typed,
        device_typed,
        form,
        problem,
    };
    render(&page, status(page.problem.as_ref()))
}

fn held_lines(view: &AccountView, visitor: &Visitor, names: &HashMap<UnitId, String>) -> Vec<HeldLine> {
    let words = visitor.words;
    let today = words.today().to_string();
    let day = |day: &str| day.parse().map(|day| words.day(day)).unwrap_or_default();
    let line = |role: &accounts::RoleView| {
        let unit: Option<UnitId> = role.unit.parse().ok();
        let place = unit.map(|unit| match visitor.tree().unit(unit) {
            Some(_) => words.place(visitor.tree(), unit),
            None => names.get(&unit).cloned().unwrap_or_default(),
        });
        HeldLine {
            role: words.t(&format!("role-{}", role.role)),
            code: role.role,
            unit: role.unit.clone(),
            place: place.unwrap_or_default(),
            from: day(&role.from),
            to: role.to.as_deref().map(day).unwrap_or_default(),
            personal: role.personal,
            now: role.to.as_ref().is_none_or(|to| *to > today),
        }
    };
    // What is held comes first, then the latest.
    let mut lines: Vec<HeldLine> = view.roles.iter().rev().map(line).collect();
    lines.sort_by_key(|line| !line.now);
    lines
}

/// A phone, as people read it.
pub(super) fn device_line(device: DeviceView, words: Words) -> DeviceLine {
    let since = device.last_sync_at_ms.map(|at| words.ago(at));
    DeviceLine {
        id: device.id,
        name: device.name,
        enrolled: words.time(device.enrolled_at_ms),
        since: since.unwrap_or_else(|| words.t("phone-never")),
        unsent: device.unsent.filter(|unsent| *unsent > 0),
        revoked: device.revoked_at_ms.map(|at| words.time(at)),
        lost: device.lost,
        copied: device.copied_at_ms.map(|at| words.time(at)),
        returned: device.returned_at_ms.map(|at| words.time(at)),
    }
}
