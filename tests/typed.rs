//! Stories of what somebody typed into a form: it is too long, the session is over, the button was pressed twice. Nothing of it
//! is lost, nothing is cut, and it is done once.

use axum::http::StatusCode;
use jiff::civil::date;
use langso_server::clock::random;
use langso_server::http::{Who, routes};
use langso_server::session::hash_password;
use sync_core::ids::RecordId;

use crate::harness::browser::{Form, form_of, form_to, html, leads_to, set, unescaped, value};
use crate::harness::office::{Answer, Credentials, Office};
use crate::harness::seeded::Seeded;

const PASSWORD: &str = "một mật khẩu đủ dài";
/// Longest file that is taken: two megabytes.
const FILE_BYTES: usize = 2 * 1024 * 1024;

/// More than a hundred kilobytes, as they are typed here.
fn long() -> String {
    "Kính gửi các thôn ế\n".repeat(34_000 / 8)
}

/// As text of a page, whatever ends its lines.
fn read(answer: &Answer) -> String {
    unescaped(&html(answer)).replace("\r\n", "\n")
}

/// What a form is for: the page that it stands on, where it is sent, which field is filled in and what is sent with it.
type Filling<'a> = (String, String, &'a str, Vec<(&'a str, &'a str)>);

#[test]
fn a_hundred_kilobytes_of_vietnamese_come_back_beside_what_is_wrong_with_them() {
    let seeded = Seeded::with("Ghi chú");
    let (office, long) = (&seeded.office, long());
    assert!(long.len() > 100_000);
    let (record, remark, draft) = (seeded.record, seeded.remark, seeded.draft);
    let issue = vec![("number", "9/UBND"), ("title", "Ra quân"), ("signer", "Chủ tịch")];
    let new = "/directives/new".to_owned();
    let unit = format!("/units/{}", seeded.hamlet);
    let forms: Vec<Filling<'_>> = vec![
        (new.clone(), "/directives".into(), "body", issue.clone()),
        (new, "/drafts".into(), "body", issue),
        (
            format!("/drafts/{draft}"),
            format!("/drafts/{draft}"),
            "body",
            vec![("do", "save")],
        ),
        (
            format!("/records/{record}"),
            format!("/records/{record}/remarks"),
            "words",
            vec![("kind", "question")],
        ),
        (
            "/remarks".into(),
            format!("/remarks/{remark}/answers"),
            "words",
            vec![],
        ),
        (
            "/accounts".into(),
            "/accounts".into(),
            "name",
            vec![("username", "ba")],
        ),
        (
            "/accounts/import".into(),
            "/accounts/import".into(),
            "csv",
            vec![],
        ),
        ("/catalogue".into(), "/catalogue".into(), "csv", vec![]),
        ("/units/reform".into(), "/units/reform".into(), "csv", vec![]),
        (
            unit.clone(),
            unit,
            "name",
            vec![("change", "rename"), ("on", "2025-03-20")],
        ),
    ];
    let audited = office.count("SELECT max(position) FROM audit");
    let entries = office.count("SELECT count(*) FROM entry");
    for (page, action, field, more) in forms {
        // Who has the form: the official, or else the administrator.
        let who = [&seeded.official, &seeded.admin]
            .into_iter()
            .find(|who| html(&office.page(&page, who)).contains(&format!(r#"action="{action}""#)));
        let who = who.unwrap_or_else(|| panic!("nobody has a form to {action}"));
        let shown = office.shown(&page, who);
        let form = match page.as_str() {
            "/directives/new" => form_of(&shown),
            _ => form_to(&shown, &action),
        };
        let form = set(set(form, &more), &[(field, &long)]);
        let answer = office.submit(&action, who, &form);
        let refused = [
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::BAD_REQUEST,
            StatusCode::CONFLICT,
        ];
        assert!(refused.contains(&answer.status), "{action}: {}", answer.status);
        let page = read(&answer);
        assert!(page.contains(r#"role="alert""#), "{action} says what is wrong");
        assert!(page.contains(long.trim_end()), "{action} has lost what was typed");
    }
    assert_eq!(office.count("SELECT max(position) FROM audit"), audited);
    assert_eq!(
        office.count("SELECT count(*) FROM entry"),
        entries,
        "and nothing was kept"
    );
}

#[test]
fn a_remark_that_is_too_long_is_refused_and_not_cut() {
    let seeded = Seeded::with("Ghi chú");
    let (office, official) = (&seeded.office, &seeded.official);
    let said = || office.count("SELECT count(*) FROM remark");
    let before = said();
    let on_record = (
        format!("/records/{}", seeded.record),
        format!("/records/{}/remarks", seeded.record),
    );
    let on_remark = (
        "/remarks".to_owned(),
        format!("/remarks/{}/answers", seeded.remark),
    );
    for (n, (page, action)) in (1..).zip([on_record, on_remark]) {
        // 666 letters of three bytes fit into a note.
        let words = "ế".repeat(667);
        let form = form_to(&office.shown(&page, official), &action);
        let form = set(form, &[("kind", "question"), ("words", &words)]);
        let answer = office.submit(&action, official, &form);
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{action}");
        let page = html(&answer);
        assert!(page.contains("quá dài 1 ký tự"), "{page}");
        let again = form_to(&page, &action);
        assert_eq!(value(&again, "words"), words);
        assert_eq!(value(&again, "id"), value(&form, "id"), "it is the same remark");
        if n == 1 {
            assert_eq!(value(&again, "kind"), "question");
        }
        assert_eq!(said(), before + n - 1);
        leads_to(&office.submit(&action, official, &set(again, &[("words", &"ế".repeat(666))])));
        assert_eq!(said(), before + n);
        assert!(
            office
                .shown("/remarks?all=true", official)
                .contains(&"ế".repeat(666))
        );
    }
}

#[test]
fn every_form_outlives_its_session() {
    let office = Office::new(date(2025, 3, 3));
    office.import("code,parent_code,level,name\nX,,commune,Xã\n", date(2024, 1, 1));
    let anywhere = RecordId::from_parts(1, 1).to_string();
    let routes = routes();
    let forms = routes.iter().filter(|route| {
        let kept = matches!(route.who, Who::Overseer | Who::Manager | Who::Oneself);
        kept && route.method == "POST" && route.operation.is_none()
    });
    let mut met = 0;
    for route in forms {
        let path = route.path.split('/').map(|part| match part {
            "{id}" => "1",
            part if part.starts_with('{') => anywhere.as_str(),
            part => part,
        });
        let path = path.collect::<Vec<_>>().join("/");
        let typed: Form = [
            ("csrf", "old"),
            ("words", "đã nhập\nhai dòng"),
            ("password", "bí mật"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for answer in [
            office.submit(&path, &Credentials::default(), &typed),
            office.submit_parts(&path, &Credentials::default(), &typed),
        ] {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            let form = form_to(&html(&answer), "/login");
            assert_eq!(value(&form, "back"), path);
            let kept = value(&form, "kept.words").replace("\r\n", "\n");
            assert_eq!(kept, "đã nhập\nhai dòng", "{path}");
            assert!(!html(&answer).contains("bí mật") && !html(&answer).contains("kept.csrf"));
        }
        met += 1;
    }
    assert!(met >= 25, "{met} forms");
}

/// Somebody who logs in with a password.
fn with_password(seeded: &Seeded, username: &str) {
    let (username, hash) = (username.to_owned(), hash_password(PASSWORD, random()).unwrap());
    let sql = "UPDATE account SET password_hash = ?2 WHERE username = ?1";
    let set = seeded
        .office
        .app
        .store()
        .write_blocking(move |tx| tx.execute(sql, (username, hash)));
    assert_eq!(set.unwrap(), 1);
}

/// Sends a form without a session, logs in where that leads, and confirms what is then asked.
fn sent_through_the_login(seeded: &Seeded, username: &str, action: &str, form: &Form) -> Answer {
    let office = &seeded.office;
    let login = office.submit_parts(action, &Credentials::default(), form);
    assert_eq!(login.status, StatusCode::UNAUTHORIZED);
    let login = form_to(&html(&login), "/login");
    let login = set(login, &[("username", username), ("password", PASSWORD)]);
    let asked = office.submit_parts("/login", &Credentials::default(), &login);
    assert_eq!(asked.status, StatusCode::CONFLICT, "{}", html(&asked));
    let cookie = asked.headers["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let again = Credentials {
        cookie: Some(cookie),
        ..Credentials::default()
    };
    office.submit_parts(action, &again, &form_to(&html(&asked), action))
}

#[test]
fn what_was_typed_is_sent_after_the_login_whatever_it_was() {
    let seeded = Seeded::with("Ghi chú");
    let office = &seeded.office;
    for username in ["quantri", "hoa"] {
        with_password(&seeded, username);
    }

    let path = format!("/records/{}", seeded.record);
    let action = format!("{path}/remarks");
    let form = form_to(&office.shown(&path, &seeded.official), &action);
    let form = set(form, &[("kind", "question"), ("words", "Ngày nào?\nỞ đâu?")]);
    let answer = sent_through_the_login(&seeded, "hoa", &action, &form);
    assert_eq!(leads_to(&answer), format!("{path}?done=said"));
    assert!(
        office
            .shown(&path, &seeded.official)
            .contains("Ngày nào?\nỞ đâu?")
    );

    let action = format!("/quarantine/{}", seeded.parked);
    let form = form_to(&office.shown(&action, &seeded.official), &action);
    let form = set(form, &[("decision", "discard"), ("reason", "mistake")]);
    let answer = sent_through_the_login(&seeded, "hoa", &action, &form);
    assert_eq!(leads_to(&answer), "/quarantine?done=decided");

    // It is looked at, or refused beside its form: either way it is there.
    let reform = "effective_from,old_code,old_name,new_code,new_name\n2025-07-01,15367,X,15349,Xã Vĩnh Lộc\n";
    let form = form_to(&office.shown("/units/reform", &seeded.admin), "/units/reform");
    let form = set(form, &[("file", reform)]);
    let answer = sent_through_the_login(&seeded, "quantri", "/units/reform", &form);
    let looked = form_to(&html(&answer), "/units/reform");
    assert_eq!(value(&looked, "csv").replace("\r\n", "\n").trim(), reform.trim());
}

#[test]
fn a_file_as_long_as_files_may_be_survives_the_login() {
    let seeded = Seeded::with("Ghi chú");
    let office = &seeded.office;
    with_password(&seeded, "quantri");
    let line = "procedure,1.004194,Đăng ký tạm trú ở đâu cũng được,,dich_vu_cong,3,\n";
    let file = line.repeat(FILE_BYTES / line.len());
    for action in ["/catalogue", "/accounts/import", "/units/reform"] {
        let form = set(
            form_to(&office.shown(action, &seeded.admin), action),
            &[("file", &file)],
        );
        let answer = sent_through_the_login(&seeded, "quantri", action, &form);
        // It is no file of that kind, and all of it is there to be mended.
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{action}: {:.3000}",
            html(&answer)
        );
        let form = form_to(&html(&answer), action);
        assert!(
            value(&form, "csv").replace("\r\n", "\n") == file,
            "{action} has lost some of it"
        );
        // A longer one is refused in words.
        let form = form_to(&office.shown(action, &seeded.admin), action);
        let longer = set(form, &[("file", &(file.clone() + line))]);
        let answer = office.submit_parts(action, &seeded.admin, &longer);
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{action}");
        assert!(html(&answer).contains("tối đa 2 MB"), "{action}");
    }
}

#[test]
fn what_is_sent_twice_is_done_once() {
    let seeded = Seeded::with("Ghi chú");
    let (office, official) = (&seeded.office, &seeded.official);
    let entries = || office.count("SELECT count(*) FROM entry");
    let twice = |action: &str, form: &Form| {
        let first = leads_to(&office.submit(action, official, form));
        let before = entries();
        let again = leads_to(&office.submit(action, official, form));
        assert_eq!(entries(), before, "{action} was done twice");
        (first, again)
    };

    let unit = seeded.commune.to_string();
    let new = set(
        form_of(&office.shown("/directives/new", official)),
        &[
            ("number", "9/UBND"),
            ("title", "Ra quân"),
            ("signer", "Chủ tịch"),
            ("unit", &unit),
            ("target", &unit),
        ],
    );
    let (first, again) = twice("/directives", &new);
    assert_eq!(first, format!("/directives/{}?done=issued", value(&new, "id")));
    assert_eq!(first, again);
    assert_eq!(
        office.count("SELECT count(*) FROM directive WHERE number = '9/UBND'"),
        1
    );

    let path = format!("/records/{}", seeded.record);
    let action = format!("{path}/remarks");
    let remark = || {
        let form = form_to(&office.shown(&path, official), &action);
        set(form, &[("kind", "question"), ("words", "Ngày nào?")])
    };
    let early = remark();
    let (first, again) = twice(&action, &early);
    assert_eq!(first, again);
    let (page, answers) = ("/remarks", format!("/remarks/{}/answers", seeded.remark));
    let answer = set(
        form_to(&office.shown(page, official), &answers),
        &[("words", "Hôm qua")],
    );
    let (first, again) = twice(&answers, &answer);
    assert_eq!(first, again);
    // However much was said meanwhile.
    for _ in 0..51 {
        leads_to(&office.submit(&action, official, &remark()));
    }
    let before = entries();
    for (action, form) in [(&action, &early), (&answers, &answer)] {
        leads_to(&office.submit(action, official, form));
    }
    assert_eq!(entries(), before);

    let action = format!("/quarantine/{}", seeded.parked);
    let decision = set(
        form_to(&office.shown(&action, official), &action),
        &[("decision", "discard"), ("reason", "mistake")],
    );
    let audited = || office.count("SELECT count(*) FROM audit");
    let (first, again) = twice(&action, &decision);
    assert_eq!(
        (first.as_str(), again),
        ("/quarantine?done=decided", action.clone())
    );
    let before = audited();
    let other = set(decision, &[("decision", "release")]);
    assert_eq!(
        leads_to(&office.submit(&action, official, &other)),
        action,
        "how it ended can be seen"
    );
    assert_eq!(audited(), before);
}
