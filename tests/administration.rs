//! Stories of an administrator at the pages: what is typed, sent twice, sent elsewhere, or sent too late.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::policy::Role;
use sync_core::ids::{AccountId, UnitId};

use crate::harness::office::{Answer, Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
15379.01,15379,hamlet,Thôn Ba
";

/// What somebody types who means no good, or copied it from somewhere.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "an\u{202e}nol\u{200b}\u{feff}g",
    "{{ 7 * 7 }}</textarea><svg onload=alert(1)>",
];

/// A district, and its administrator.
fn district() -> (Office, Credentials) {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("393")));
    (office, admin)
}

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

fn page(office: &Office, path: &str, who: &Credentials) -> Answer {
    let request = office
        .request("GET", path, who)
        .header(header::ACCEPT, "text/html");
    office.send(request.body(Body::empty()).unwrap())
}

/// A page that is there.
fn shown(office: &Office, path: &str, who: &Credentials) -> String {
    let answer = page(office, path, who);
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", html(&answer));
    html(&answer)
}

/// Sends a form as a browser does that shows it on a page of ours.
fn send(office: &Office, path: &str, who: &Credentials, fields: &[(&str, &str)]) -> Answer {
    let csrf = who.csrf.clone().unwrap_or_default();
    let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    let request = office
        .request("POST", path, who)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", "same-origin");
    let body = serde_html_form::to_string(fields).unwrap();
    office.send(request.body(Body::from(body)).unwrap())
}

/// Sends a form that was done, and gives where it leads.
fn done(office: &Office, path: &str, who: &Credentials, fields: &[(&str, &str)]) -> String {
    let answer = send(office, path, who, fields);
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {}", html(&answer));
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

/// The text that stands before `end` after the first `begin` of a page.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page
        .split_once(begin)
        .unwrap_or_else(|| panic!("no {begin}: {page}"));
    rest.split_once(end).unwrap().0
}

fn text(id: impl ToString) -> String {
    id.to_string()
}

fn add(
    office: &Office,
    admin: &Credentials,
    username: &str,
    name: &str,
    role: &str,
    unit: UnitId,
) -> AccountId {
    let form = shown(office, "/accounts", admin);
    let (id, unit) = (between(&form, r#"name="id" value=""#, "\""), text(unit));
    let fields = [
        ("id", id),
        ("username", username),
        ("name", name),
        ("role", role),
        ("unit", &unit),
    ];
    assert_eq!(
        done(office, "/accounts", admin, &fields),
        format!("/accounts/{id}?done=added")
    );
    id.parse().unwrap()
}

#[test]
fn nothing_that_anybody_typed_runs_in_a_page() {
    let (office, admin) = district();
    let hamlet = office.unit("15367.01");
    for (n, typed) in HOSTILE.into_iter().enumerate() {
        let account = add(&office, &admin, &format!("a{n}"), typed, "member", hamlet);
        let device = text(office.phone(account).replica.identity().device);
        let named = [("account", text(account)), ("name", typed.to_owned())];
        let named = named.each_ref().map(|(name, value)| (*name, value.as_str()));
        done(&office, &format!("/devices/{device}/name"), &admin, &named);
        let unit = format!("/units/{hamlet}");
        let rename = [
            ("change", "rename"),
            ("on", "2025-03-03"),
            ("name", typed),
            ("code", "15367.01"),
        ];
        done(&office, &unit, &admin, &rename);
        let csv = format!(
            "kind,code,name_vi\noutcome,x{n},\"{}\"\n",
            typed.replace('"', "\"\"")
        );
        let entry = [("csv", csv.as_str()), ("step", "apply")];
        let imported = send(&office, "/catalogue", &admin, &entry);
        let filter: String =
            serde_html_form::to_string([("name", typed), ("account", typed), ("subject", typed)]).unwrap();
        let pages = [
            "/accounts".to_owned(),
            format!("/accounts?{filter}"),
            format!("/accounts/{account}"),
            format!("/audit?{filter}"),
            "/audit".to_owned(),
            "/catalogue".to_owned(),
            "/phones".to_owned(),
            "/units".to_owned(),
            format!("/accounts/sheet?unit={hamlet}"),
            unit,
        ];
        let mut shown: Vec<(String, String)> = pages
            .into_iter()
            .map(|path| (path.clone(), shown(&office, &path, &admin)))
            .collect();
        shown.push(("POST /catalogue".into(), html(&imported)));
        let csv = [("csv", typed), ("roles", typed)];
        for path in ["/catalogue", "/accounts/import", "/units/reform"] {
            let refused = send(&office, path, &admin, &csv);
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            shown.push((format!("POST {path}"), html(&refused)));
        }
        for (path, html) in shown {
            for run in ["<script>alert", "<img src=x", "<svg onload", "alert(1)</script>"] {
                assert!(!html.contains(run), "{path} runs {run}");
            }
        }
    }
}

#[test]
fn an_address_that_means_nothing_is_answered_by_a_page_that_says_so() {
    let (office, admin) = district();
    for path in [
        "/phones?unit=x",
        "/units?on=9999-99-99",
        "/units?on=-009999-01-01",
        "/units?on=9999-12-31",
        "/units/x",
        "/accounts?unit=%00",
        "/accounts/%FF",
        "/audit?act=made_up",
        "/audit?from=2025-02-30",
        "/audit?before=-1",
        "/audit?before=99999999999999999999",
        "/accounts/sheet?unit=393",
    ] {
        let answer = page(&office, path, &admin);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(html(&answer).contains(r#"role="alert""#), "{path}");
    }
    for path in [
        "/phones?state=made_up",
        "/audit?before=18446744073709551615",
        "/accounts?after=%EF%BF%BD",
    ] {
        assert_eq!(page(&office, path, &admin).status, StatusCode::OK, "{path}");
    }
}

#[test]
fn what_is_another_communes_is_not_there() {
    let (office, district) = district();
    let [own, other, hamlet] = ["15367", "15379", "15379.01"].map(|code| office.unit(code));
    let account = add(&office, &district, "ba", "Ba", "member", hamlet);
    let device = office.phone(account).replica.identity().device;
    let admin = office.log_in(office.account("xa", Role::Admin, own));
    let count = || office.count("SELECT count(*) FROM audit");
    let before = count();
    for path in [
        format!("/phones?unit={other}"),
        format!("/accounts?unit={hamlet}"),
        format!("/accounts/{account}"),
        format!("/accounts/sheet?unit={other}"),
        format!("/units/{hamlet}"),
        "/audit".to_owned(),
    ] {
        assert_eq!(
            page(&office, &path, &admin).status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let (id, unit, account) = (text(UnitId::from_parts(1, 1)), text(hamlet), text(account));
    let fields = [
        ("id", id.as_str()),
        ("account", &account),
        ("name", "X"),
        ("username", "x"),
        ("role", "member"),
        ("unit", &unit),
        ("to", "xa"),
        ("seed", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("change", "rename"),
        ("on", "2025-03-03"),
    ];
    for path in [
        "/accounts".to_owned(),
        "/accounts/sheet".to_owned(),
        format!("/accounts/{account}/codes"),
        format!("/accounts/{account}/hand-over"),
        format!("/accounts/{account}/reset"),
        format!("/accounts/{account}/resume"),
        format!("/accounts/{account}/roles"),
        format!("/accounts/{account}/roles/end"),
        format!("/accounts/{account}/suspend"),
        format!("/devices/{device}/lost"),
        format!("/devices/{device}/name"),
        format!("/devices/{device}/revoke"),
        format!("/units/{hamlet}"),
    ] {
        let answer = send(&office, &path, &admin, &fields);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", html(&answer));
    }
    assert_eq!(count(), before, "and nothing was done");
    let csv = [("csv", "kind,code,name_vi\noutcome,x,X\n"), ("step", "apply")];
    assert_eq!(
        send(&office, "/catalogue", &admin, &csv).status,
        StatusCode::NOT_FOUND
    );
    assert!(
        !shown(&office, "/catalogue", &admin).contains("name=\"csv\""),
        "no form either"
    );
}

#[test]
fn a_form_sent_twice_is_done_once() {
    let (office, admin) = district();
    let hamlet = office.unit("15367.01");
    let form = shown(&office, "/accounts", &admin);
    let (id, unit) = (
        between(&form, r#"name="id" value=""#, "\"").to_owned(),
        text(hamlet),
    );
    let new = [
        ("id", id.as_str()),
        ("username", "lan"),
        ("name", "Lan"),
        ("role", "member"),
        ("unit", &unit),
    ];
    let account = format!("/accounts/{id}");
    let once = |path: &str, fields: &[(&str, &str)]| {
        let first = done(&office, path, &admin, fields);
        let rows = office.count("SELECT count(*) FROM audit");
        let second = done(&office, path, &admin, fields);
        let more = office.count("SELECT count(*) FROM audit") - rows;
        (first, second, more)
    };
    let (first, second, more) = once("/accounts", &new);
    assert_eq!((first, more), (second, 0));
    assert_eq!(
        office.count("SELECT count(*) FROM account WHERE username = 'lan'"),
        1
    );

    let form = shown(&office, &format!("/units/{}", office.unit("15367")), &admin);
    let id = between(&form, r#"name="id" value=""#, "\"");
    let create = [
        ("change", "create"),
        ("id", id),
        ("on", "2025-03-03"),
        ("level", "hamlet"),
        ("name", "Thôn Mới"),
    ];
    let (.., more) = once(&format!("/units/{}", office.unit("15367")), &create);
    assert_eq!(more, 0);
    assert_eq!(
        office.count("SELECT count(*) FROM unit_period WHERE name = 'Thôn Mới'"),
        1
    );

    let seed = between(&shown(&office, &account, &admin), r#"name="seed" value=""#, "\"").to_owned();
    let code = [("seed", seed.as_str()), ("unit", &unit)];
    let codes: Vec<String> = (0..2)
        .map(|_| html(&send(&office, &format!("{account}/codes"), &admin, &code)))
        .map(|page| between(&page, r#"<code class="code">"#, "<").to_owned())
        .collect();
    assert_eq!(codes[0], codes[1]);
    assert_eq!(office.count("SELECT count(*) FROM enrolment_code"), 1);
    office.enrol(&codes[0], 7);
    send(&office, &format!("{account}/codes"), &admin, &code);
    assert_eq!(
        office.count("SELECT count(*) FROM enrolment_code WHERE device IS NULL"),
        0,
        "what was used stays used"
    );

    let post = [("role", "member"), ("unit", unit.as_str())];
    let (first, second, _) = once(&format!("{account}/roles/end"), &post);
    assert!(first.ends_with("done=ended") && second.ends_with("done=already"));
    let people = [
        ("csv", "username,name,role,unit\nhai,Hai,member,15367.02\n"),
        ("step", "apply"),
    ];
    once("/accounts/import", &people);
    assert_eq!(
        office.count("SELECT count(*) FROM account WHERE username = 'hai'"),
        1
    );
}

#[test]
fn what_was_refused_comes_back_as_it_was_typed_with_what_is_wrong() {
    let (office, admin) = district();
    let hamlet = text(office.unit("15367.01"));
    let lan = add(&office, &admin, "lan", "Lan", "member", office.unit("15367.01"));
    let (account, unit) = (format!("/accounts/{lan}"), format!("/units/{hamlet}"));
    let id = text(UnitId::from_parts(5, 5));
    let refused = |path: &str, fields: &[(&str, &str)], says: &str| {
        let answer = send(&office, path, &admin, fields);
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let html = html(&answer);
        assert!(html.contains(says), "{path} does not say {says}: {html}");
        html
    };
    let new = [
        ("id", id.as_str()),
        ("username", "lan"),
        ("name", "Nguyễn Thị Lan"),
        ("role", "official"),
        ("unit", &hamlet),
    ];
    let page = refused("/accounts", &new, "Tên đăng nhập đã có người dùng");
    assert!(
        page.contains(r#"name="name" value="Nguyễn Thị Lan""#)
            && page.contains(r#"name="username" value="lan""#)
    );
    assert!(page.contains(r#"<option value="official" selected>"#));
    assert!(page.contains(&format!(r#"<option value="{hamlet}" selected>"#)));

    let nobody = [
        ("role", "member"),
        ("unit", hamlet.as_str()),
        ("to", "khongco"),
        ("on", "2025-03-03"),
    ];
    let page = refused(
        &format!("{account}/hand-over"),
        &nobody,
        "Không có tên đăng nhập này",
    );
    assert!(page.contains(r#"name="to" value="khongco""#));
    let never = [
        ("role", "official"),
        ("unit", hamlet.as_str()),
        ("on", "0000-00-00"),
    ];
    let page = refused(&format!("{account}/roles"), &never, "Ngày không hợp lệ");
    assert!(page.contains(r#"<option value="official" selected>"#));

    let long = "x".repeat(300);
    let rename = [
        ("change", "rename"),
        ("on", "2025-03-03"),
        ("name", long.as_str()),
        ("code", "15367.01"),
    ];
    assert!(refused(&unit, &rename, r#"role="alert""#).contains(&long));
    let code = [
        ("change", "rename"),
        ("on", "2025-03-03"),
        ("name", "Thôn Một"),
        ("code", "15367.02"),
    ];
    refused(&unit, &code, "trùng mã 15367.02");
    let late = [
        ("change", "rename"),
        ("on", "2023-01-01"),
        ("name", "Thôn Một"),
        ("code", "15367.01"),
    ];
    refused(&unit, &late, "không tồn tại vào ngày 01/01/2023");
    let into = text(office.unit("15367.02"));
    let merge = [
        ("change", "merge"),
        ("on", "2025-03-03"),
        ("other", into.as_str()),
    ];
    let other = format!("/units/{}", office.unit("15379.01"));
    done(&office, &other, &admin, &merge);
    refused(&other, &merge, "không tồn tại vào ngày 03/03/2025");
    let split = [
        ("change", "split"),
        ("on", "2025-03-03"),
        ("parts", "chỉ-một Thôn A"),
    ];
    assert!(refused(&unit, &split, "ít nhất hai đơn vị").contains("chỉ-một Thôn A"));
    refused(
        &unit,
        &[("change", "move"), ("other", "nowhere")],
        "Hãy chọn đơn vị",
    );
    refused(
        &unit,
        &[("change", "merge"), ("other", &hamlet)],
        "nhập vào đơn vị khác",
    );
    assert_eq!(
        office.count("SELECT count(*) FROM unit_period WHERE valid_to IS NOT NULL"),
        1
    );
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_form_costs_nothing_and_keeps_no_password() {
    let (office, admin) = district();
    let gone = Credentials::default();
    let csv = "username,name,role,unit\nlan,Nguyễn Thị Lan,member,15367.01\n";
    let login = send(
        &office,
        "/accounts/import",
        &gone,
        &[("csv", csv), ("step", "apply")],
    );
    assert_eq!(login.status, StatusCode::UNAUTHORIZED);
    assert!(html(&login).contains("lan,Nguyễn Thị Lan,member,15367.01"));
    let secrets = [
        ("password", "mật khẩu cũ xưa"),
        ("password-new", "mật khẩu mới tinh"),
        ("password-again", "mật khẩu mới tinh"),
    ];
    let old = Credentials {
        csrf: Some("old".into()),
        ..admin
    };
    for who in [&gone, &old] {
        let asked = html(&send(&office, "/account", who, &secrets));
        assert!(
            !asked.contains("mật khẩu cũ") && !asked.contains("mật khẩu mới"),
            "{asked}"
        );
    }
}

#[test]
fn a_file_is_looked_at_before_anything_changes() {
    let (office, admin) = district();
    let upload = |path: &str, bytes: &[u8]| {
        let mut body = Vec::new();
        for (name, value) in [("csrf", admin.csrf.as_deref().unwrap().as_bytes()), ("csv", b"")] {
            body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
            body.extend(value);
            body.extend(b"\r\n");
        }
        let head =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/x.csv\"\r\n\r\n";
        body.extend(head.bytes());
        body.extend(bytes);
        body.extend(b"\r\n--b--\r\n");
        let request = office
            .request("POST", path, &admin)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin");
        office.send(request.body(Body::from(body)).unwrap())
    };
    let good = "\u{feff}username,name,role,unit\r\nlan,Lan,member,15367.01\r\nhoa,Hoa,official,15367\r\n";
    let looked = upload("/accounts/import", good.as_bytes());
    assert_eq!(looked.status, StatusCode::OK);
    assert!(html(&looked).contains("Sẽ thêm 2 tài khoản"));
    assert_eq!(
        office.count("SELECT count(*) FROM account"),
        1,
        "nobody was added"
    );
    let csv = between(&html(&looked), "<textarea name=\"csv\" hidden>\n", "</textarea>").to_owned();
    done(
        &office,
        "/accounts/import",
        &admin,
        &[("csv", &csv), ("step", "apply")],
    );
    assert_eq!(office.count("SELECT count(*) FROM account"), 3);

    let bad = "username,name,role,unit\nba,Ba,chief,15367.01\nbon,Bon,member,999\n";
    let refused = upload("/accounts/import", bad.as_bytes());
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused = html(&refused);
    assert!(
        refused.contains("Dòng 2: không có vai trò chief")
            && refused.contains("Dòng 3: không có đơn vị mã 999")
    );
    assert!(refused.contains("bon,Bon,member,999"), "and it is still there");
    for (bytes, says) in [
        (&b"username,name\xff\xfe"[..], "UTF-8"),
        (b"", "Hãy chọn tệp"),
        (b"a;b;c\n1;2;3\n", "username, name, role, unit"),
        (b"\x00\x01\x02", "username, name, role, unit"),
    ] {
        let answer = upload("/accounts/import", bytes);
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{says}");
        assert!(html(&answer).contains(says), "{says}: {}", html(&answer));
    }
    let long = upload("/accounts/import", &vec![b'x'; 4 * 1024 * 1024]);
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html(&long).contains("Tệp quá dài: tối đa"), "{}", html(&long));

    let entry = "kind,code,name_vi\noutcome,hoan_thanh,Xong\noutcome,hoan_thanh,Xong rồi\n";
    let refused = html(&upload("/catalogue", entry.as_bytes()));
    assert!(refused.contains("Dòng 3: mã hoan_thanh đã có ở dòng trước"));
    let looked = html(&upload(
        "/catalogue",
        b"kind,code,name_vi\noutcome,hoan_thanh,Xong\n",
    ));
    assert!(looked.contains("Sẽ thay đổi"));
    assert_eq!(office.count("SELECT count(*) FROM catalogue"), 0);
}

#[test]
fn a_reform_is_seen_before_it_is_done() {
    let (office, admin) = district();
    let file = "effective_from,old_code,old_name,new_code,new_name
2025-03-03,15367,Xã Vĩnh Hưng,15367,Xã Vĩnh Lộc
2025-03-03,15379,Xã Vĩnh Hùng,15367,Xã Vĩnh Lộc
";
    let wrong = file.replace("Xã Vĩnh Hùng", "Xã Khác");
    let refused = send(&office, "/units/reform", &admin, &[("csv", &wrong)]);
    assert!(html(&refused).contains("Dòng 3: 15379 là Xã Vĩnh Hùng, không phải Xã Khác"));
    // Above the communes there is nothing: what they become lies at the top, which is the console's.
    let looked = send(&office, "/units/reform", &admin, &[("csv", file)]);
    assert_eq!(looked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html(&looked).contains("ngoài phạm vi"), "{}", html(&looked));

    let office = Office::new(date(2025, 3, 3));
    let units = UNITS.replace("393,,", "38,,province,Tỉnh Thanh Hóa\n393,38,");
    office.import(&units, date(2024, 1, 1));
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("38")));
    office.account("lan", Role::Official, office.unit("15379"));
    office.account("lanhdao", Role::Leader, office.unit("393"));
    let looked = send(&office, "/units/reform", &admin, &[("csv", file)]);
    assert_eq!(looked.status, StatusCode::OK, "{}", html(&looked));
    let looked = html(&looked);
    assert!(looked.contains("→ Xã Vĩnh Lộc") && looked.contains("lanhdao · Lãnh đạo · 393"));
    assert_eq!(
        office.count("SELECT count(*) FROM unit_period WHERE name = 'Xã Vĩnh Lộc'"),
        0
    );
    let roles = "username,role,old_code,new_code\nlanhdao,leader,393,15367\n";
    let apply = [("csv", file), ("roles", roles), ("step", "apply")];
    assert_eq!(
        done(&office, "/units/reform", &admin, &apply),
        "/units?done=reformed"
    );
    let merged = shown(&office, &format!("/units/{}", office.unit("15367")), &admin);
    assert!(merged.contains("Kế thừa từ") && merged.contains("Xã Vĩnh Hùng"));
    let before = shown(&office, "/units?on=2025-03-02", &admin);
    assert!(
        before.contains("Huyện Vĩnh Lộc") && !shown(&office, "/units", &admin).contains("Huyện Vĩnh Lộc")
    );
    let again = send(&office, "/units/reform", &admin, &apply);
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "it is done once");
}

#[test]
fn a_sheet_has_a_code_for_every_team_without_a_phone() {
    let (office, admin) = district();
    let commune = text(office.unit("15367"));
    let one = add(
        &office,
        &admin,
        "mot",
        "Tổ Một",
        "member",
        office.unit("15367.01"),
    );
    let looked = shown(&office, &format!("/accounts/sheet?unit={commune}"), &admin);
    assert!(looked.contains("Tổ Một") && looked.contains("chưa ai có vai trò ở đây"));
    let seed = between(&looked, r#"name="seed" value=""#, "\"").to_owned();
    let make = [("seed", seed.as_str()), ("unit", &commune)];
    let sheet = html(&send(&office, "/accounts/sheet", &admin, &make));
    assert_eq!(sheet.matches("<svg").count(), 1);
    let code = between(&sheet, r#"<code class="code">"#, "<").to_owned();
    let again = html(&send(&office, "/accounts/sheet", &admin, &make));
    assert!(again.contains(&code));
    let phone = office.enrol(&code, 3);
    assert_eq!(phone.replica.identity().account, one);
    let looked = shown(&office, &format!("/accounts/sheet?unit={commune}"), &admin);
    assert!(!looked.contains("Tổ Một"), "it has a phone now");
}

#[test]
fn silent_phones_come_first_and_are_counted() {
    let (office, admin) = district();
    let [one, two] = ["15367.01", "15367.02"].map(|code| office.unit(code));
    let mut old = office.phone(add(&office, &admin, "cu", "Máy Cũ", "member", one));
    office.phone(add(&office, &admin, "chua", "Máy Chưa Dùng", "member", two));
    old.sync(&office);
    office.runtime.block_on(office.app.flush_presence());
    office.travel_to(date(2025, 3, 12));
    let admin = office.log_in(office.account("quantri2", Role::Admin, office.unit("393")));
    let mut fresh = office.phone(add(&office, &admin, "moi", "Máy Mới", "member", two));
    let health =
        "UPDATE device_health SET unsent = 7, oldest_unsent_at = 1740967200000, free_storage = 1048576";
    office
        .app
        .store()
        .write_blocking(|tx| tx.execute_batch(health))
        .unwrap();
    fresh.sync(&office);
    let board = shown(&office, "/phones", &admin);
    let at = |name: &str| board.find(name).unwrap_or_else(|| panic!("no {name}: {board}"));
    assert!(at("Máy Chưa Dùng") < at("Máy Cũ") && at("Máy Cũ") < at("Máy Mới"));
    for count in [
        "<b>3</b> điện thoại",
        "<b>2</b> quá 7 ngày không liên lạc",
        "<b>1</b> còn bản ghi chưa gửi",
        "<b>1</b> sắp hết bộ nhớ",
    ] {
        assert!(board.contains(count), "{count}: {board}");
    }
    let unsent = shown(&office, "/phones?state=unsent", &admin);
    assert!(unsent.contains("Máy Cũ") && !unsent.contains("Máy Mới"));
    let here = shown(&office, &format!("/phones?unit={one}"), &admin);
    assert!(here.contains("Máy Cũ") && !here.contains("Máy Mới"));
}

#[test]
fn the_audit_is_searched_by_act_person_thing_and_day() {
    let (office, admin) = district();
    let lan = add(&office, &admin, "lan", "Lan", "member", office.unit("15367.01"));
    done(&office, &format!("/accounts/{lan}/suspend"), &admin, &[]);
    let found = |query: &str| {
        let page = shown(&office, &format!("/audit?{query}"), &admin);
        let table = page
            .split_once("<tbody>")
            .map(|(_, rest)| rest.split_once("</tbody>").unwrap().0);
        table.unwrap_or_default().matches("<tr>").count()
    };
    assert_eq!(found("act=account_suspended"), 1);
    assert_eq!(found("act=account_resumed"), 0);
    assert_eq!(found(&format!("subject={lan}")), 3);
    assert_eq!(found("account=quantri"), 3);
    assert_eq!(found("account=nobody"), 0);
    assert_eq!(found("from=2025-03-03&to=2025-03-03"), 3);
    assert_eq!(found("from=2025-03-04"), 0);
    for n in 0..60 {
        let act = if n % 2 == 0 { "resume" } else { "suspend" };
        done(&office, &format!("/accounts/{lan}/{act}"), &admin, &[]);
    }
    let first = shown(&office, "/audit?account=quantri", &admin);
    let next = between(&first, r#"rel="next" href="/audit?"#, "\"")
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    assert_eq!(found(&next), 13, "{next}");
}

#[test]
fn a_password_is_set_by_a_code_and_changed_in_ones_own_account() {
    let (office, admin) = district();
    let lan = add(&office, &admin, "lan", "Lan", "official", office.unit("15367"));
    let made = html(&send(&office, &format!("/accounts/{lan}/reset"), &admin, &[]));
    let code = between(&made, r#"<code class="code">"#, "<").to_owned();
    let reset = |code: &str, new: &str, again: &str| {
        let fields = [("code", code), ("password-new", new), ("password-again", again)];
        let answer = send(&office, "/reset", &Credentials::default(), &fields);
        (answer.status.as_u16(), html(&answer))
    };
    assert!(
        reset(&code, "mười ký tự trở lên", "khác")
            .1
            .contains("không giống nhau")
    );
    assert_eq!(reset(&code, "ngắn", "ngắn").0, 422);
    assert_eq!(reset(&code, "mười ký tự trở lên", "mười ký tự trở lên").0, 200);
    assert_eq!(
        reset(&code, "mười ký tự trở lên", "mười ký tự trở lên").0,
        422,
        "it is good once"
    );
    let session = office.log_in(lan);
    let change = |old: &str| {
        let fields = [
            ("password", old),
            ("password-new", "một mật khẩu khác"),
            ("password-again", "một mật khẩu khác"),
        ];
        send(&office, "/account", &session, &fields)
    };
    let wrong = change("không phải");
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!html(&wrong).contains("không phải"), "no password comes back");
    assert_eq!(change("mười ký tự trở lên").status, StatusCode::SEE_OTHER);
    assert!(shown(&office, "/account?done=password", &session).contains("Đã đổi mật khẩu"));
}

#[test]
fn everybody_who_is_logged_in_has_a_page_about_themselves() {
    let (office, admin) = district();
    let hamlet = office.unit("15367.01");
    let account = add(&office, &admin, "lan", "Nguyễn Thị <b>Lan</b>", "member", hamlet);
    let mut phone = office.phone(account);
    phone.sync(&office);
    office.phone(office.account("minh", Role::Member, hamlet));
    let lan = office.log_in(account);
    let about = shown(&office, "/account", &lan);
    for told in [
        "Nguyễn Thị &#60;b&#62;Lan",
        "Thành viên tổ",
        "Thôn Một",
        "phiên này",
    ] {
        assert!(about.contains(told), "{told}: {about}");
    }
    assert_eq!(
        about.matches("Liên lạc cuối").count(),
        1,
        "one phone, and nobody else's: {about}"
    );
    assert!(!about.contains("/account/sessions"), "there is one session alone");
    assert_eq!(office.count("SELECT count(*) FROM device"), 2);
    for path in ["/", "/records", "/conflicts", "/drafts"] {
        assert_eq!(page(&office, path, &lan).status, StatusCode::FORBIDDEN, "{path}");
    }

    office.pass(60_000);
    let elsewhere = office.log_in(account);
    let about = shown(&office, "/account", &lan);
    assert_eq!(about.matches("Đăng nhập lúc").count(), 2);
    for _ in 0..2 {
        assert_eq!(
            done(&office, "/account/sessions", &lan, &[]),
            "/account?done=sessions"
        );
    }
    assert_eq!(
        shown(&office, "/account", &lan).matches("Đăng nhập lúc").count(),
        1
    );
    assert_eq!(
        send(&office, "/account/sessions", &elsewhere, &[]).status,
        StatusCode::UNAUTHORIZED
    );
    assert!(
        shown(&office, "/account", &admin).contains("phiên này"),
        "those of others go on"
    );
}

#[test]
fn phones_are_summed_by_the_unit_above_theirs() {
    let (office, admin) = district();
    for (name, code) in [("lan", "15367.01"), ("minh", "15367.02"), ("hoa", "15379.01")] {
        let hamlet = office.unit(code);
        office
            .phone(office.account(name, Role::Member, hamlet))
            .sync(&office);
    }
    let page = shown(&office, "/phones", &admin);
    assert!(
        page.contains("Theo xã, thôn") && !page.contains(r#"class="late""#),
        "{page}"
    );
    office.travel_to(date(2025, 3, 20));
    let admin = office.log_in(office.account("quantri2", Role::Admin, office.unit("393")));
    let page = shown(&office, "/phones", &admin);
    let commune = office.unit("15367");
    let row = between(
        &page,
        &format!(r#"<a href="/phones?unit={commune}">Xã Vĩnh Hưng</a>"#),
        "</tr>",
    );
    let silent = format!(r#"href="/phones?unit={commune}&amp;state=silent">2</a>"#);
    assert!(row.contains(">2</td>") && row.contains(&silent), "{row}");
    let one = shown(&office, &format!("/phones?unit={commune}"), &admin);
    assert!(!one.contains("Theo xã, thôn"), "one unit needs no sum");
}
