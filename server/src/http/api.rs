//! The API: every operation for programs, what it is for and how it can fail of its own.
//!
//! Method, path and who may call stand here and nowhere else; parameters, bodies and answers are read off the handlers
//! ([`super::described`]). Out of both comes `/openapi.json` ([`super::openapi`]).

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing;
use sync_core::edit::EditKind;
use sync_core::ids::Class;
use sync_core::protocol::limits;

use super::described::{Described, Sketch};
use super::{Code, DIRECTIVE_BYTES, Route, Who};
use super::{audit, auth, conflicts, counts, devices, directives, drafts, exports, health, openapi, people};
use super::{quarantine, record, records, remarks, reports, search, sync, units};
use crate::app::App;
use crate::policy::Action;

/// An operation of the API, in words and by its handler's signature.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Under which heading it stands.
    pub tag: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub description: &'static str,
    /// What one must be able to do, where a role decides.
    pub action: Option<Action>,
    /// What its signature says.
    pub sketch: Sketch,
}

/// The headings, in their order.
pub const TAGS: &[(&str, &str)] = &[
    ("Enrolment and exchange", "How a device gets in, and delivers."),
    ("Records", "The merged records of the hamlets."),
    (
        "Conflicts and remarks",
        "What has several values, and what is said to records.",
    ),
    (
        "Directives",
        "What is issued, how far everybody has come, and what is being written.",
    ),
    (
        "Quarantine",
        "What was delivered and not merged, for who decides.",
    ),
    ("Units", "The administrative tree, which changes."),
    ("People", "Accounts, roles, posts and passwords."),
    ("Devices", "What is enrolled, and what becomes of it."),
    ("Audit", "Who did what to the realm."),
    ("Server", "Whether it runs, and this description."),
];

/// Every operation.
pub(super) fn routes() -> Vec<Route> {
    let groups = [
        of_exchange(),
        of_records(),
        said(),
        of_directives(),
        of_quarantine(),
        of_units(),
        of_people(),
        of_devices(),
        of_audit(),
        of_server(),
    ];
    let groups = TAGS.iter().zip(groups);
    let tagged = groups.flat_map(|((tag, _), routes)| routes.into_iter().map(|route| route.tagged(tag)));
    tagged.collect()
}

fn of_exchange() -> Vec<Route> {
    use Code::{
        AssertionReplayed, Busy, ClockRefused, CodeExpired, CodeUnknown, CodeUsed, CursorInvalid, DeviceBusy,
        DeviceNotProven, KeyMalformed, KeyWeak, OtherRealm, ParameterInvalid, StorageFull, TooManyBatches,
        TooManyRequests, VersionUnsupported,
    };
    vec![
        post("/v1/enrol", Who::Anybody, auth::enrol, "Enrol a device")
            .says(
                "A device trades the one-time code that its person was given for its identity, the \
                 realm's signature under it and a first token. The same key with the same code is the \
                 same device again. What is signed, and how: section 4 of `docs/protocol.md`.",
            )
            .fails(&[
                CodeUnknown,
                CodeUsed,
                CodeExpired,
                KeyMalformed,
                KeyWeak,
                ParameterInvalid,
            ])
            .fails(&[TooManyRequests, Busy, StorageFull]),
        post("/v1/token", Who::Anybody, auth::token, "Get an access token")
            .says(
                "A device signs that it is itself, now. A clock that is off is answered `clock_refused` \
                 with a `nonce` to be signed. What is signed, and how: section 4 of `docs/protocol.md`.",
            )
            .fails(&[
                DeviceNotProven,
                OtherRealm,
                ClockRefused,
                AssertionReplayed,
                ParameterInvalid,
            ])
            .fails(&[TooManyRequests, Busy, StorageFull]),
        post("/v1/sync", Who::Device, sync::sync, "Exchange")
            .says(
                "One exchange: batches go up, receipts and items come down. Both bodies are CBOR, not \
                 JSON, compressed by zstd where `content-encoding` says so; at most 512 KiB travel up. A \
                 receipt is given only for what is on disk. Every key and number of both is in \
                 `docs/protocol.md`, sections 3 and 9 to 16.",
            )
            .fails(&[
                VersionUnsupported,
                CursorInvalid,
                TooManyBatches,
                Busy,
                DeviceBusy,
                StorageFull,
            ])
            .up_to(limits::REQUEST_BYTES),
    ]
}

fn of_records() -> Vec<Route> {
    use Code::{Busy, ParameterInvalid, PersonalDenied, StorageFull};
    const READ: Action = Action::ReadRecords;
    vec![
        get("/v1/records", Who::Reader, records::records, "List records")
            .says(
                "Newest first; with words in `q`, what fits best first. Citizens' data comes only with \
                 `include=personal`, to who may read it; words in the address are never looked for in it.",
            )
            .asks(READ)
            .fails(&[PersonalDenied]),
        post(
            "/v1/records/search",
            Who::Reader,
            search::records,
            "Search records, citizens' data included",
        )
        .says(
            "The words come in the body, because an address is written down on its way. Each search \
                 is audited: how many words and how many records, never which.",
        )
        .asks(READ)
        .fails(&[ParameterInvalid, PersonalDenied, Busy, StorageFull]),
        get(
            "/v1/records/{record}",
            Who::Reader,
            record::one,
            "Read one record",
        )
        .asks(READ)
        .fails(&[PersonalDenied]),
        get(
            "/v1/records/{record}/history",
            Who::Reader,
            record::history,
            "Read the history of a record",
        )
        .says("Who wrote what, when, on which device. Not paged: a record has few changes.")
        .asks(READ),
        get("/v1/counts", Who::Reader, counts::counts, "Sum records by unit")
            .says("Not paged: one entry for each unit that has something.")
            .asks(READ),
        get("/v1/search", Who::Reader, search::names, "Find names")
            .says(
                "Units, procedures, categories and directives by name or number. Not paged: at most \
                 `limit` of each, the best first.",
            )
            .asks(Action::ReadUnits),
        get(
            "/v1/exports/{file}",
            Who::Reader,
            exports::get,
            "Take rows away as a file",
        )
        .says(
            "`file` is `records`, `acknowledgements`, `units` or `audit` with one of the endings \
                 `.csv`, `.xlsx`, `.ndjson`. Each takes the filter of its list or page, and refuses any \
                 other. Each export is audited.",
        )
        .asks(READ)
        .fails(&[PersonalDenied, Busy, StorageFull]),
        post(
            "/v1/exports/{file}",
            Who::Reader,
            exports::post,
            "Take found records away as a file",
        )
        .says(
            "As the export by GET, with words that may be a citizen's name; `file` is `records` with \
                 one of the endings.",
        )
        .asks(READ)
        .fails(&[ParameterInvalid, PersonalDenied, Busy, StorageFull]),
        get(
            "/v1/reports/{month}",
            Who::Reader,
            reports::workbook,
            "Read the report of a month",
        )
        .says(
            "`month` is as `2025-03.xlsx`. The workbook has the layout that officials hand in, and \
                 says how complete it is.",
        )
        .asks(Action::Oversee),
    ]
}

fn said() -> Vec<Route> {
    use Code::{
        ChangedMeanwhile, FieldInvalid, NoSuchConflict, NothingNew, ParameterInvalid, RecordIncomplete,
    };
    vec![
        get("/v1/conflicts", Who::Reader, conflicts::list, "List conflicts")
            .says(
                "Fields of records with several current values: people set them without seeing each \
                 other's.",
            )
            .asks(Action::ReadRecords),
        post(
            "/v1/conflicts/{record}",
            Who::Reader,
            conflicts::settle,
            "Settle a conflict",
        )
        .says(
            "Chooses one of the values of a field, of a record or of a draft. All of them stay in the \
                 history.",
        )
        .asks(Action::Edit(Class::Ledger, EditKind::Settle))
        .fails(&[ChangedMeanwhile])
        .fails(&[
            ParameterInvalid,
            FieldInvalid,
            RecordIncomplete,
            NothingNew,
            NoSuchConflict,
        ]),
        get("/v1/remarks", Who::Reader, remarks::list, "List remarks")
            .says("What officials say to records, and what the teams answer; newest first.")
            .asks(Action::Hold(Class::Remarks)),
        post(
            "/v1/remarks",
            Who::Reader,
            remarks::add,
            "Say something to a record",
        )
        .asks(Action::Edit(Class::Remarks, EditKind::Create))
        .fails(&[ParameterInvalid, FieldInvalid, RecordIncomplete]),
        post(
            "/v1/remarks/{remark}/answers",
            Who::Reader,
            remarks::answer,
            "Answer a remark",
        )
        .asks(Action::Hold(Class::Remarks))
        .fails(&[FieldInvalid, RecordIncomplete]),
    ]
}

fn of_directives() -> Vec<Route> {
    use Code::{
        DirectiveEnded, DraftIssued, FieldInvalid, NothingNew, ParameterInvalid, RecordIncomplete,
        SecretClass,
    };
    const WRITES: Action = Action::Hold(Class::Drafts);
    const ISSUES: Action = Action::Edit(Class::Board, EditKind::Create);
    const OF_WORDS: &[Code] = &[ParameterInvalid, FieldInvalid, RecordIncomplete, SecretClass];
    vec![
        get(
            "/v1/directives",
            Who::Reader,
            directives::list,
            "List issued directives",
        )
        .says(
            "Newest first, each version on its own. A page may have fewer items than `limit` and \
                 still not be the last: go by `next`.",
        )
        .asks(Action::Hold(Class::Board)),
        post(
            "/v1/directives",
            Who::Reader,
            directives::issue,
            "Issue a directive",
        )
        .says(
            "At once, without a draft. With a `relation` it amends, replaces or withdraws an earlier \
                 one. Secret papers are refused and not stored.",
        )
        .asks(ISSUES)
        .fails(OF_WORDS)
        .fails(&[DirectiveEnded])
        .up_to(DIRECTIVE_BYTES),
        get(
            "/v1/directives/{directive}/acknowledgements",
            Who::Reader,
            directives::acknowledgements,
            "Read the board of a directive",
        )
        .says("Who has to answer, and how far each unit has come. Not paged: it is one board.")
        .asks(Action::Hold(Class::Board)),
        get("/v1/drafts", Who::Reader, drafts::list, "List drafts")
            .says("Directives that are being written, newest first, for the officials of their unit alone.")
            .asks(WRITES),
        post("/v1/drafts", Who::Reader, drafts::start, "Begin a draft")
            .asks(WRITES)
            .fails(OF_WORDS)
            .up_to(DIRECTIVE_BYTES),
        post(
            "/v1/drafts/{draft}",
            Who::Reader,
            drafts::revise,
            "Change a draft",
        )
        .says("What is not named stays as it is; `null` clears what may be empty.")
        .asks(WRITES)
        .fails(OF_WORDS)
        .fails(&[NothingNew, DraftIssued])
        .up_to(DIRECTIVE_BYTES),
        post(
            "/v1/drafts/{draft}/discard",
            Who::Reader,
            drafts::discard,
            "Give a draft up",
        )
        .asks(WRITES)
        .fails(&[NothingNew, DraftIssued]),
        post(
            "/v1/drafts/{draft}/issue",
            Who::Reader,
            drafts::issue,
            "Issue a draft",
        )
        .says("What it lacks is said in `field`.")
        .asks(ISSUES)
        .fails(&[
            FieldInvalid,
            RecordIncomplete,
            SecretClass,
            DirectiveEnded,
            DraftIssued,
        ]),
    ]
}

fn of_quarantine() -> Vec<Route> {
    use Code::{
        DecidedAlready, DeviceUnknown, ParameterInvalid, PersonalDenied, StandsOnQuarantined, StillRefused,
    };
    const JUDGE: Action = Action::Judge;
    vec![
        get(
            "/v1/quarantine",
            Who::Reader,
            quarantine::list,
            "List batches in quarantine",
        )
        .says("Oldest first.")
        .asks(JUDGE),
        get(
            "/v1/quarantine/{id}",
            Who::Reader,
            quarantine::content,
            "Read what a batch says",
        )
        .says("Its edits, tried on a copy of the document: nothing is merged by looking.")
        .asks(JUDGE)
        .fails(&[PersonalDenied]),
        post(
            "/v1/quarantine/{id}/release",
            Who::Reader,
            quarantine::release,
            "Merge a batch after all",
        )
        .says("With those that stand on it. The device is told.")
        .asks(JUDGE)
        .fails(&[DecidedAlready, StillRefused, StandsOnQuarantined, DeviceUnknown]),
        post(
            "/v1/quarantine/{id}/discard",
            Who::Reader,
            quarantine::discard,
            "Decide not to merge a batch",
        )
        .says("With those that stand on it. Its bytes are kept, and the device is told.")
        .asks(JUDGE)
        .fails(&[ParameterInvalid, DecidedAlready]),
    ]
}

fn of_units() -> Vec<Route> {
    vec![
        get("/v1/units", Who::Reader, units::list, "Read the units of a day")
            .says("Those in reach, and what is above them. Not paged: it is one tree.")
            .asks(Action::ReadUnits),
        post("/v1/units/changes", Who::Manager, units::change, "Change units")
            .says(
                "One dated operation. Records stay under the unit of their date; devices that were \
                 offline meanwhile still deliver everything.",
            )
            .asks(Action::ManageUnits)
            .fails(&[Code::ChangeRefused, Code::TextInvalid]),
    ]
}

fn of_people() -> Vec<Route> {
    use Code::{
        Busy, CodeNotGood, LastAdmin, OwnRoles, ParameterInvalid, PasswordLength, PasswordWrong, StorageFull,
        TextInvalid, TooManyRequests, UsernameTaken,
    };
    const MANAGE: Action = Action::ManageAccounts;
    vec![
        get("/v1/me", Who::Oneself, people::me, "Read who is asking")
            .says("For programs in a browser: `csrf` is what every change has to bring."),
        get("/v1/accounts", Who::Manager, people::list, "List accounts")
            .says("Those that hold or held a role in reach, by username.")
            .asks(MANAGE),
        post("/v1/accounts", Who::Manager, people::add, "Add a person")
            .asks(MANAGE)
            .fails(&[ParameterInvalid, UsernameTaken, TextInvalid]),
        post(
            "/v1/accounts/{account}/reset",
            Who::Manager,
            people::reset_code,
            "Make a one-time code for a password",
        )
        .says("It is shown this once.")
        .asks(MANAGE)
        .fails(&[OwnRoles]),
        post(
            "/v1/accounts/{account}/suspend",
            Who::Manager,
            people::suspend,
            "Suspend an account",
        )
        .says("Its sessions end; its devices may deliver, into quarantine, and nothing else.")
        .asks(MANAGE)
        .fails(&[OwnRoles, LastAdmin]),
        post(
            "/v1/accounts/{account}/resume",
            Who::Manager,
            people::resume,
            "Resume an account",
        )
        .asks(MANAGE)
        .fails(&[OwnRoles]),
        post(
            "/v1/accounts/{account}/roles",
            Who::Manager,
            people::grant,
            "Give a role",
        )
        .asks(MANAGE)
        .fails(&[ParameterInvalid, OwnRoles]),
        post(
            "/v1/accounts/{account}/roles/end",
            Who::Manager,
            people::end_role,
            "End a role",
        )
        .asks(MANAGE)
        .fails(&[ParameterInvalid, OwnRoles, LastAdmin]),
        post(
            "/v1/posts/hand-over",
            Who::Manager,
            people::hand_over,
            "Hand a post over",
        )
        .says("One person's role ends on the day on which the other's begins.")
        .asks(MANAGE)
        .fails(&[ParameterInvalid, OwnRoles, LastAdmin]),
        post(
            "/v1/password",
            Who::Oneself,
            people::change_password,
            "Change one's own password",
        )
        .says("Every other session ends.")
        .fails(&[PasswordLength, PasswordWrong]),
        post(
            "/v1/password/reset",
            Who::Anybody,
            people::reset_password,
            "Set a password by a one-time code",
        )
        .fails(&[PasswordLength, CodeNotGood, TooManyRequests, Busy, StorageFull]),
    ]
}

fn of_devices() -> Vec<Route> {
    use Code::{OwnRoles, TextInvalid, UsernameTaken};
    const MANAGE: Action = Action::ManageDevices;
    vec![
        get("/v1/devices", Who::Manager, devices::list, "List devices")
            .says("Those of people who hold or held a role in reach, and those that wait to be admitted.")
            .asks(MANAGE),
        post(
            "/v1/accounts/{account}/codes",
            Who::Manager,
            devices::add_code,
            "Make a code that enrols a device",
        )
        .says("As text and as a picture. It is shown this once.")
        .asks(MANAGE)
        .fails(&[OwnRoles]),
        post(
            "/v1/devices/{device}/name",
            Who::Manager,
            devices::rename,
            "Name a device",
        )
        .asks(MANAGE)
        .fails(&[TextInvalid]),
        post(
            "/v1/devices/{device}/revoke",
            Who::Manager,
            devices::revoke,
            "Revoke a device",
        )
        .says("It delivers what it holds, into quarantine, and wipes itself.")
        .asks(MANAGE),
        post(
            "/v1/devices/{device}/lost",
            Who::Manager,
            devices::lost,
            "Report a device lost",
        )
        .says("As revoking, and noted so.")
        .asks(MANAGE),
        post(
            "/v1/devices/{device}/admit",
            Who::Manager,
            devices::admit,
            "Admit a device that the store was restored without",
        )
        .says(
            "The realm's own signature says whose it is; how the person is called is asked for where \
                 the store does not know them any more.",
        )
        .asks(MANAGE)
        .fails(&[TextInvalid, UsernameTaken]),
    ]
}

fn of_audit() -> Vec<Route> {
    vec![
        get("/v1/audit", Who::Manager, audit::rows, "Read the audit")
            .says(
                "Oldest first, for who reaches the whole realm. Each row holds the hash of the one \
                 before.",
            )
            .asks(Action::ReadAudit),
    ]
}

fn of_server() -> Vec<Route> {
    vec![
        get(
            "/healthz",
            Who::Anybody,
            health::alive,
            "Whether the process runs",
        ),
        get(
            "/readyz",
            Who::Anybody,
            health::ready,
            "Whether it can do its work",
        )
        .says("The store can be read, and the writer writes.")
        .fails(&[Code::NotReady]),
        get(
            "/openapi.json",
            Who::Anybody,
            openapi::json,
            "Read this description",
        )
        .says("OpenAPI 3.1, made from the code that answers. `/api` shows it to people.")
        .compressed(),
    ]
}

fn get<T, D, H>(path: &'static str, who: Who, handler: H, summary: &'static str) -> Route
where
    T: 'static,
    H: Handler<T, Arc<App>> + Described<D>,
{
    route("GET", path, who, H::sketch(), summary, routing::get(handler))
}

fn post<T, D, H>(path: &'static str, who: Who, handler: H, summary: &'static str) -> Route
where
    T: 'static,
    H: Handler<T, Arc<App>> + Described<D>,
{
    route("POST", path, who, H::sketch(), summary, routing::post(handler))
}

fn route(
    method: &'static str,
    path: &'static str,
    who: Who,
    sketch: Sketch,
    summary: &'static str,
    handler: routing::MethodRouter<Arc<App>>,
) -> Route {
    Route {
        method,
        path,
        who,
        operation: Some(Operation {
            tag: "",
            summary,
            description: "",
            action: None,
            sketch,
        }),
        handler,
    }
}

impl Route {
    fn told(mut self, tell: impl FnOnce(&mut Operation)) -> Self {
        if let Some(operation) = &mut self.operation {
            tell(operation);
        }
        self
    }

    /// Under a heading.
    fn tagged(self, tag: &'static str) -> Self {
        self.told(|operation| operation.tag = tag)
    }

    /// With more words than its summary.
    fn says(self, description: &'static str) -> Self {
        self.told(|operation| operation.description = description)
    }

    /// For who may do this.
    fn asks(self, action: Action) -> Self {
        self.told(|operation| operation.action = Some(action))
    }

    /// With errors of its own, beside those of what it takes.
    fn fails(self, codes: &[Code]) -> Self {
        self.told(|operation| operation.sketch.codes.extend(codes))
    }
}
