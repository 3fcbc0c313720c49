//! A district in which somebody has said something in every field that takes words, and each thing that a page can show is
//! there once.

use std::cell::RefCell;

use jiff::civil::date;
use langso_server::policy::Role;
use langso_server::realm;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::edit::{AssistanceField, DraftField, Edit, NewAssistance, NewDraft, Personal};
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::protocol::Health;
use sync_core::record::{Asks, Stage, Urgency};
use sync_core::seal::SealedField;

use super::browser::{between, form_of, form_to, leads_to, set, value};
use super::office::{Credentials, Office, OfficePhone};

/// The district, and who looks.
pub struct Seeded {
    pub office: Office,
    /// Of the district.
    pub admin: Credentials,
    /// Of the commune; may read citizens' data.
    pub official: Credentials,
    pub commune: UnitId,
    pub hamlet: UnitId,
    /// In conflict, with an open remark.
    pub record: RecordId,
    /// The open remark.
    pub remark: RecordId,
    /// In conflict.
    pub draft: RecordId,
    /// A batch in quarantine.
    pub parked: i64,
    /// What was said where: a mark of each field.
    pub marks: Vec<String>,
}

/// Gives each field words of its own: what is said everywhere, and a mark before it.
struct Said<'a> {
    words: &'a str,
    marks: RefCell<Vec<String>>,
}

impl Said<'_> {
    /// Words for a field that takes so many bytes.
    fn of(&self, bytes: usize) -> String {
        let mut marks = self.marks.borrow_mut();
        let mark = format!("zq{}x", marks.len() + 10);
        let mut said = format!("{mark}{}", self.words);
        while said.len() > bytes {
            said.pop();
        }
        marks.push(mark);
        said
    }

    fn personal(&self) -> Personal {
        Personal(
            SealedField::ALL
                .map(|field| (field, self.of(field.max_bytes())))
                .into(),
        )
    }
}

impl Seeded {
    /// Everything says this, each with a mark of its own before it.
    pub fn with(words: &str) -> Self {
        let said = Said {
            words,
            marks: RefCell::default(),
        };
        let office = Office::new(date(2025, 3, 3));
        let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
        let units = format!(
            "code,parent_code,level,name\n393,,district,{}\n15367,393,commune,{}\n15367.01,15367,hamlet,{}\n",
            quoted(said.of(150)),
            quoted(said.of(150)),
            quoted(said.of(150)),
        );
        office.import(&units, date(2024, 1, 1));
        let [district, commune, hamlet] = ["393", "15367", "15367.01"].map(|code| office.unit(code));
        let person = |username: &str, role, unit| office.person(username, &said.of(150), role, unit);
        let (admin, official) = (
            person("quantri", Role::Admin, district),
            person("hoa", Role::Official, commune),
        );
        let members = ["lan", "minh", "tu"].map(|username| person(username, Role::Member, hamlet));
        catalogue(&office, &office.log_in(admin), &said);
        let mut phones = members.map(|member| office.phone(member));
        let record = phones[0].log(hamlet, office.now_ms());
        let told = assistance(&mut phones[0], &office, hamlet, &said);
        phones.iter_mut().for_each(|phone| phone.sync(&office));
        let settled = phones[0].log(hamlet, office.now_ms());
        phones.iter_mut().for_each(|phone| phone.sync(&office));
        disagree(&office, &mut phones, record, &said);
        disagree(&office, &mut phones, settled, &said);
        let credentials = office.log_in(official);
        settle(&office, &credentials, settled);
        let draft = draft(&office, official, commune, &said);
        let directive = directive(&office, &credentials, commune, &said);
        phones[0].sync(&office);
        let mut rng = StdRng::seed_from_u64(3);
        let cannot = phones[0].replica.acknowledge(
            directive,
            hamlet,
            Stage::Cannot,
            Some(said.of(200)),
            office.now_ms(),
            &mut rng,
        );
        cannot.unwrap();
        phones[0].sync(&office);
        let remark = remarks(
            &office,
            &credentials,
            &mut phones[0],
            (hamlet, record, told),
            &said,
        );
        phones[0].told(
            &office,
            Health {
                app_version: Some(said.of(32)),
                ..Health::default()
            },
        );
        let parked = parked(&office, &mut phones[2], hamlet, &said);
        let (admin, official) = (office.log_in(admin), office.log_in(official));
        let device = phones[0].replica.identity().device.to_string();
        let name = format!("/devices/{device}/name");
        let form = vec![
            ("csrf".to_owned(), admin.csrf.clone().unwrap()),
            ("account".to_owned(), members[0].to_string()),
            ("name".to_owned(), said.of(100)),
        ];
        leads_to(&office.submit(&name, &admin, &form));
        let marks = said.marks.into_inner();
        Self {
            office,
            admin,
            official,
            commune,
            hamlet,
            record,
            remark,
            draft,
            parked,
            marks,
        }
    }
}

/// An entry of each kind, in both languages; records use them.
fn catalogue(office: &Office, admin: &Credentials, said: &Said<'_>) {
    let mut csv = "kind,code,name_vi,name_en\n".to_owned();
    for kind in ["category", "procedure", "channel", "outcome"] {
        let name = said.of(150).replace('"', "\"\"");
        csv += &format!("{kind},la_{kind},\"{name}\",\"{name}\"\n");
    }
    let page = office.shown("/catalogue", admin);
    let form = set(form_to(&page, "/catalogue"), &[("csv", &csv), ("step", "apply")]);
    leads_to(&office.submit_parts("/catalogue", admin, &form));
}

/// A record in which everything is said.
fn assistance(phone: &mut OfficePhone, office: &Office, unit: UnitId, said: &Said<'_>) -> RecordId {
    let id = RecordId::from_parts(office.now_ms() as u64, 77);
    let new = NewAssistance {
        id,
        unit,
        occurred_at_ms: office.now_ms(),
        category: "la_category".into(),
        procedure: Some("la_procedure".into()),
        channel: "la_channel".into(),
        outcome: "la_outcome".into(),
        people: 2,
        minutes: Some(15),
        satisfaction: Some(4),
        personal: said.personal(),
    };
    assert!(
        phone
            .edit(&Edit::LogAssistance(Box::new(new)), office.now_ms())
            .unwrap()
    );
    id
}

/// Two phones write a record's citizen, note and outcome without seeing each other.
fn disagree(office: &Office, phones: &mut [OfficePhone; 3], record: RecordId, said: &Said<'_>) {
    for (phone, outcome) in phones.iter_mut().zip(["hen_lai", "that_bai"]) {
        let note = |field| AssistanceField::Personal(field, Some(said.of(100)));
        let fields = vec![
            AssistanceField::Outcome(outcome.into()),
            note(SealedField::Note),
            note(SealedField::CitizenName),
        ];
        let edit = Edit::AmendAssistance { record, fields };
        assert!(phone.edit(&edit, office.now_ms()).unwrap());
    }
    phones.iter_mut().for_each(|phone| phone.sync(office));
}

/// The official chooses a note.
fn settle(office: &Office, official: &Credentials, record: RecordId) {
    let action = format!("/conflicts/{record}");
    let page = office.shown("/conflicts?personal=true", official);
    let note = page
        .split("<form ")
        .filter(|form| between(form, r#"action=""#, "\"") == Some(action.as_str()))
        .find(|form| form.contains(r#"name="field" value="note""#))
        .unwrap();
    let [seen, value] =
        [r#"name="seen" value=""#, r#"name="value" value=""#].map(|begin| between(note, begin, "\""));
    let form = [
        ("csrf", official.csrf.as_deref()),
        ("field", Some("note")),
        ("seen", seen),
        ("value", value),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()));
    leads_to(&office.submit(&action, official, &form.into()));
}

/// A draft that says everything, and whose title and text two phones wrote at once.
fn draft(office: &Office, official: AccountId, unit: UnitId, said: &Said<'_>) -> RecordId {
    let mut phones = [0, 1].map(|_| office.phone(official));
    phones.iter_mut().for_each(|phone| phone.sync(office));
    let id = RecordId::from_parts(office.now_ms() as u64, 7);
    let fields = vec![
        DraftField::Title("Ra quân".to_owned()),
        DraftField::Number(Some(said.of(60))),
        DraftField::Signer(Some(said.of(150))),
        DraftField::Urgency(Urgency::Normal),
        DraftField::Asks(Asks::Read),
    ];
    let start = Edit::StartDraft(Box::new(NewDraft { id, unit, fields }));
    phones[0].edit(&start, office.now_ms()).unwrap();
    phones.iter_mut().for_each(|phone| phone.sync(office));
    for phone in &mut phones {
        let fields = vec![
            DraftField::Title(said.of(200)),
            DraftField::Body(Some(said.of(200))),
        ];
        let revise = Edit::ReviseDraft { record: id, fields };
        phone.edit(&revise, office.now_ms()).unwrap();
    }
    phones.iter_mut().for_each(|phone| phone.sync(office));
    id
}

/// A directive for the commune's hamlets, issued at once.
fn directive(office: &Office, official: &Credentials, unit: UnitId, said: &Said<'_>) -> RecordId {
    let form = form_of(&office.shown("/directives/new", official));
    let (number, title, body, signer) = (said.of(60), said.of(200), said.of(400), said.of(150));
    let unit = unit.to_string();
    let form = set(
        form,
        &[
            ("number", &number),
            ("title", &title),
            ("body", &body),
            ("signer", &signer),
            ("unit", &unit),
            ("target", &unit),
        ],
    );
    leads_to(&office.submit("/directives", official, &form));
    value(&form, "id").parse().unwrap()
}

/// A remark that the team answered, and one that waits; gives the latter.
fn remarks(
    office: &Office,
    official: &Credentials,
    phone: &mut OfficePhone,
    (unit, open, answered): (UnitId, RecordId, RecordId),
    said: &Said<'_>,
) -> RecordId {
    let say = |record: RecordId, words: String| -> RecordId {
        let path = format!("/records/{record}/remarks");
        let form = form_to(&office.shown(&format!("/records/{record}"), official), &path);
        let form = set(form, &[("kind", "question"), ("words", &words)]);
        leads_to(&office.submit(&path, official, &form));
        value(&form, "id").parse().unwrap()
    };
    let first = say(answered, said.of(300));
    phone.sync(office);
    phone.answer(unit, answered, first, &said.of(300), office.now_ms());
    phone.sync(office);
    say(open, said.of(300))
}

/// A member's role ends while the phone is away: what it then brings waits.
fn parked(office: &Office, phone: &mut OfficePhone, unit: UnitId, said: &Said<'_>) -> i64 {
    let account = phone.replica.identity().account;
    let ended = office
        .app
        .store()
        .write_blocking(move |tx| realm::revoke(tx, account, unit, Role::Member, "2025-03-08"));
    ended.unwrap();
    office.travel_to(date(2025, 3, 20));
    phone.renew(office);
    assistance(phone, office, unit, said);
    phone.exchange(office).unwrap();
    office.count("SELECT max(id) FROM quarantine")
}
