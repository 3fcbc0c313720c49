//! Stories of drafts at the pages: several people write one, nobody's words are lost, and it is issued once.

use axum::http::StatusCode;
use jiff::civil::date;
use langso_server::policy::Role;
use sync_core::edit::{DraftField, Edit, NewDraft};
use sync_core::ids::{RecordId, UnitId};
use sync_core::record::{Asks, Urgency};

use crate::harness::browser::{Form, between, form_of, html, leads_to, set, value};
use crate::harness::office::{Answer, Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15379.01,15379,hamlet,Thôn Hai
";

struct Desk {
    office: Office,
    commune: UnitId,
    /// Two officials of the commune.
    hoa: Credentials,
    binh: Credentials,
}

impl Desk {
    fn new() -> Self {
        let office = Office::new(date(2025, 3, 3));
        office.import(UNITS, date(2024, 1, 1));
        let commune = office.unit("15367");
        let [hoa, binh] =
            ["hoa", "binh"].map(|name| office.log_in(office.account(name, Role::Official, commune)));
        Self {
            office,
            commune,
            hoa,
            binh,
        }
    }

    fn get(&self, path: &str, who: &Credentials) -> Answer {
        self.office.page(path, who)
    }

    fn shown(&self, path: &str, who: &Credentials) -> String {
        self.office.shown(path, who)
    }

    fn send(&self, path: &str, who: &Credentials, form: &Form) -> Answer {
        self.office.submit(path, who, form)
    }

    /// A draft with a title, begun by an official.
    fn begun(&self, title: &str) -> String {
        let form = set(
            form_of(&self.shown("/directives/new", &self.hoa)),
            &[("title", title)],
        );
        let id = value(&form, "id").to_owned();
        let answer = self.send("/drafts", &self.hoa, &form);
        assert_eq!(leads_to(&answer), format!("/drafts/{id}?done=draft-saved"));
        format!("/drafts/{id}")
    }

    /// The form of a draft as it is.
    fn form(&self, path: &str, who: &Credentials) -> Form {
        form_of(&self.shown(path, who))
    }

    fn title(&self) -> String {
        self.text("SELECT title FROM draft")
    }

    fn text(&self, sql: &str) -> String {
        let store = self.office.app.store();
        store
            .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
            .unwrap()
    }
}

#[test]
fn a_draft_is_begun_gone_on_with_and_issued_each_of_it_once() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân <script>alert(1)</script>");
    assert!(desk.shown("/directives", &desk.hoa).contains("Dự thảo (1)"));
    let list = desk.shown("/drafts", &desk.binh);
    assert!(list.contains(&path) && !list.contains("<script>alert"), "{list}");

    let hamlet = desk.office.unit("15367.01").to_string();
    let form = set(
        desk.form(&path, &desk.binh),
        &[
            ("number", "12/UBND"),
            ("body", "Dòng một\r\nDòng hai"),
            ("deadline", "2025-03-10T17:00"),
            ("target", &hamlet),
        ],
    );
    for _ in 0..2 {
        let save = set(form.clone(), &[("do", "save")]);
        assert_eq!(
            leads_to(&desk.send(&path, &desk.binh, &save)),
            format!("{path}?done=draft-saved")
        );
    }
    let changes = desk.office.count("SELECT count(*) FROM change");
    let again = desk.form(&path, &desk.hoa);
    assert_eq!(value(&again, "body"), "Dòng một\nDòng hai");
    assert_eq!(value(&again, "deadline"), "2025-03-10T17:00");
    desk.send(&path, &desk.hoa, &set(again.clone(), &[("do", "save")]));
    assert_eq!(
        desk.office.count("SELECT count(*) FROM change"),
        changes,
        "nothing new is written"
    );

    let issue = set(again, &[("do", "issue"), ("signer", "")]);
    let answer = desk.send(&path, &desk.hoa, &issue);
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html(&answer).contains("Người ký"), "it says what is missing");
    let issue = set(
        form_of(&html(&answer)),
        &[("do", "issue"), ("signer", "Phó Chủ tịch")],
    );
    let issued = leads_to(&desk.send(&path, &desk.hoa, &issue));
    assert!(issued.starts_with("/directives/") && issued.ends_with("?done=issued"));
    assert_eq!(
        leads_to(&desk.send(&path, &desk.hoa, &issue)),
        issued,
        "sent twice"
    );
    assert_eq!(desk.office.count("SELECT count(*) FROM directive"), 1);
    assert!(desk.shown("/drafts", &desk.hoa).contains("Chưa có dự thảo nào"));
    assert_eq!(
        leads_to(&desk.get(&path, &desk.hoa)),
        issued.replace("?done=issued", "")
    );

    // Who was still writing loses nothing, and may issue or keep it as another one.
    let csrf = desk.binh.csrf.clone().unwrap();
    let late = set(
        issue,
        &[("csrf", &csrf), ("do", "save"), ("body", "Viết muộn & chưa gửi")],
    );
    let answer = desk.send(&path, &desk.binh, &late);
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let form = form_of(&html(&answer));
    assert_eq!(value(&form, "body"), "Viết muộn & chưa gửi");
    let kept = leads_to(&desk.send("/drafts", &desk.binh, &form));
    assert!(
        kept.ends_with("?done=draft-saved") && !kept.starts_with(&path),
        "{kept}"
    );
}

#[test]
fn two_who_write_different_fields_do_not_disturb_each_other() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân");
    let (hoa, binh) = (desk.form(&path, &desk.hoa), desk.form(&path, &desk.binh));
    leads_to(&desk.send(&path, &desk.hoa, &set(hoa, &[("title", "Ra quân tháng Ba")])));
    leads_to(&desk.send(&path, &desk.binh, &set(binh, &[("body", "Đề nghị các thôn")])));
    let form = desk.form(&path, &desk.hoa);
    assert_eq!(
        (value(&form, "title"), value(&form, "body")),
        ("Ra quân tháng Ba", "Đề nghị các thôn")
    );
}

#[test]
fn who_would_override_unseen_words_is_shown_them_and_keeps_their_own() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân");
    let (hoa, binh) = (desk.form(&path, &desk.hoa), desk.form(&path, &desk.binh));
    leads_to(&desk.send(
        &path,
        &desk.hoa,
        &set(hoa, &[("title", "Ra quân tháng Ba"), ("number", "7/UBND")]),
    ));
    let typed = set(
        binh,
        &[
            ("title", "Ra quân tháng Tư"),
            ("signer", "Chủ tịch"),
            ("do", "save"),
        ],
    );
    let answer = desk.send(&path, &desk.binh, &typed);
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let page = html(&answer);
    assert!(page.contains("Người khác vừa ghi: Ra quân tháng Ba"), "{page}");
    assert_eq!(desk.title(), "Ra quân tháng Ba", "nothing was overridden");
    let form = form_of(&page);
    let said = ["title", "number", "signer"].map(|name| value(&form, name));
    assert_eq!(said, ["Ra quân tháng Tư", "7/UBND", "Chủ tịch"]);
    // Now it was seen.
    leads_to(&desk.send(&path, &desk.binh, &set(form, &[("do", "save")])));
    assert_eq!(desk.title(), "Ra quân tháng Tư");
    assert_eq!(desk.office.count("SELECT count(*) FROM conflict"), 0);
}

#[test]
fn what_two_phones_wrote_is_shown_side_by_side_until_somebody_chooses() {
    let desk = Desk::new();
    let (office, unit) = (&desk.office, desk.commune);
    let accounts = ["nam", "tam"].map(|name| office.account(name, Role::Official, unit));
    let mut phones = accounts.map(|account| office.phone(account));
    phones.iter_mut().for_each(|phone| phone.sync(office));
    let id = RecordId::from_parts(office.now_ms() as u64, 7);
    let fields = vec![
        DraftField::Title("Ra quân".into()),
        DraftField::Urgency(Urgency::Normal),
        DraftField::Asks(Asks::Read),
    ];
    let start = Edit::StartDraft(Box::new(NewDraft { id, unit, fields }));
    phones[0].edit(&start, office.now_ms()).unwrap();
    phones.iter_mut().for_each(|phone| phone.sync(office));
    for (phone, title) in phones.iter_mut().zip(["Ra quân <b>Ba</b>", "Ra quân Tư"]) {
        let fields = vec![DraftField::Title(title.into())];
        phone
            .edit(&Edit::ReviseDraft { record: id, fields }, office.now_ms())
            .unwrap();
    }
    phones.iter_mut().for_each(|phone| phone.sync(office));
    assert_eq!(office.count("SELECT count(*) FROM conflict"), 1);
    let path = format!("/drafts/{id}");
    assert!(desk.shown("/drafts", &desk.hoa).contains("mâu thuẫn"));
    let page = desk.shown(&path, &desk.hoa);
    for told in ["Ra quân &#60;b&#62;Ba", "Ra quân Tư", "nam", "tam"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // An untouched field is not a choice; and what is in conflict is not issued.
    let form = form_of(&page);
    leads_to(&desk.send(
        &path,
        &desk.hoa,
        &set(form.clone(), &[("body", "Kính gửi"), ("do", "save")]),
    ));
    assert_eq!(office.count("SELECT count(*) FROM conflict"), 1);
    let complete = [("number", "8/UBND"), ("signer", "Chủ tịch"), ("do", "issue")];
    let answer = desk.send(&path, &desk.hoa, &set(desk.form(&path, &desk.hoa), &complete));
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html(&answer).contains("Trích yếu"), "it says what is in conflict");

    // The button beside a value sends the whole form: what was typed is kept.
    let page = desk.shown(&path, &desk.hoa);
    let buttons: Vec<&str> = page.split(r#"name="do" value="title:"#).skip(1).collect();
    let other = buttons
        .iter()
        .find(|button| between(button, "hidden\">", "</span>").unwrap().contains("Tư"));
    let choice = format!("title:{}", other.unwrap().split_once('"').unwrap().0);
    let form = set(form_of(&page), &[("body", "Kính gửi các thôn"), ("do", &choice)]);
    for _ in 0..2 {
        leads_to(&desk.send(&path, &desk.hoa, &form));
    }
    assert_eq!(office.count("SELECT count(*) FROM conflict"), 0);
    assert_eq!(desk.title(), "Ra quân Tư");
    assert_eq!(desk.text("SELECT body FROM draft"), "Kính gửi các thôn");
    let settled = "SELECT count(*) FROM settlement WHERE field = 'title'";
    assert_eq!(office.count(settled), 1);
    assert!(
        !desk
            .shown("/conflicts?state=settled", &desk.hoa)
            .contains("Ra quân"),
        "drafts are no records"
    );
}

#[test]
fn a_draft_that_was_given_up_can_be_taken_up_again_as_another() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân");
    let form = desk.form(&path, &desk.hoa);
    for _ in 0..2 {
        let answer = desk.send(&path, &desk.hoa, &set(form.clone(), &[("do", "discard")]));
        assert_eq!(leads_to(&answer), "/drafts?done=draft-discarded");
    }
    let answer = desk.send(
        &path,
        &desk.hoa,
        &set(form, &[("title", "Ra quân tiếp"), ("do", "save")]),
    );
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(value(&form_of(&html(&answer)), "title"), "Ra quân tiếp");
    assert!(desk.shown(&path, &desk.hoa).contains("Dự thảo này đã bị bỏ"));
}

#[test]
fn drafts_are_for_the_officials_of_their_unit_alone() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân");
    let form = set(desk.form(&path, &desk.hoa), &[("do", "save")]);
    let (office, unit) = (&desk.office, |code| desk.office.unit(code));
    let others = [
        ("an", Role::Official, unit("15379")),
        ("lanhdao", Role::Leader, unit("393")),
        ("quantri", Role::Admin, unit("393")),
    ];
    for (name, role, unit) in others {
        let other = office.log_in(office.account(name, role, unit));
        assert_eq!(desk.get(&path, &other).status, StatusCode::NOT_FOUND, "{name}");
        let form = set(form.clone(), &[("csrf", other.csrf.as_deref().unwrap())]);
        assert_eq!(
            desk.send(&path, &other, &form).status,
            StatusCode::NOT_FOUND,
            "{name}"
        );
        let new = RecordId::from_parts(9, 9).to_string();
        let begin = set(form, &[("id", &new), ("unit", &desk.commune.to_string())]);
        assert_eq!(
            desk.send("/drafts", &other, &begin).status,
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
    assert_eq!(office.count("SELECT count(*) FROM draft"), 1);
}

#[test]
fn what_cannot_be_kept_is_said_beside_what_was_typed() {
    let desk = Desk::new();
    let path = desk.begun("Ra quân");
    let form = desk.form(&path, &desk.hoa);
    let long = "a".repeat(100_000);
    for (name, typed) in [
        ("title", ""),
        ("secrecy", "mat"),
        ("title", "MẬT"),
        ("deadline", "hôm qua"),
        ("urgency", "rất khẩn"),
        ("target", "x"),
        ("body", long.as_str()),
    ] {
        let answer = desk.send(
            &path,
            &desk.hoa,
            &set(form.clone(), &[(name, typed), ("do", "save")]),
        );
        let refused = [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::BAD_REQUEST];
        assert!(refused.contains(&answer.status), "{name}: {}", answer.status);
        assert!(html(&answer).contains(r#"role="alert""#), "{name}");
        if ["title", "body"].contains(&name) {
            assert_eq!(value(&form_of(&html(&answer)), name), typed);
        }
    }
    assert_eq!(desk.title(), "Ra quân");
    let nonsense = desk.send(&path, &desk.hoa, &set(form, &[("do", "explode")]));
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
}
