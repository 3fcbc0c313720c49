//! Stories of long lists: each is read page by page to its end, everything on it once, and no page of it is heavy.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::ToSpan;
use jiff::civil::date;
use langso_server::audit::By;
use langso_server::catalogue;
use langso_server::clock::{midnight_ms, random_bits};
use langso_server::policy::{Role, console};
use langso_server::realm;
use serde_json::json;
use sync_core::edit::{Edit, NewAssistance, Personal};
use sync_core::ids::{RecordId, UnitId};

use crate::harness::browser::{between, form_to, html, set, unescaped, value};
use crate::harness::office::{Credentials, Office, OfficePhone, TWO_COMMUNES};

/// What a page may bring over the line, compressed, with style and scripts.
const PAGE_BYTES: usize = 60_000;

fn district() -> (Office, Credentials) {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    let admin = office.account("admin", Role::Admin, office.unit("393"));
    let admin = office.log_in(admin);
    (office, admin)
}

/// What stands between two texts, each time.
fn all_between<'a>(page: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    page.split(begin)
        .skip(1)
        .filter_map(|rest| rest.split_once(end))
        .map(|(text, _)| text)
        .collect()
}

/// What is on a list, page by page, by the link to the next one; and how many pages that were.
fn read(office: &Office, path: &str, who: &Credentials, (begin, end): (&str, &str)) -> (Vec<String>, usize) {
    let (mut found, mut path, mut pages) = (Vec::new(), path.to_owned(), 0);
    loop {
        let page = office.shown(&path, who);
        found.extend(all_between(&page, begin, end).into_iter().map(str::to_owned));
        pages += 1;
        assert!(pages < 50, "{path} has no end");
        match between(&page, r#"rel="next" href=""#, "\"") {
            Some(next) => path = unescaped(next),
            None => return (found, pages),
        }
    }
}

/// Each is there once.
fn once(mut found: Vec<String>, expected: usize) {
    assert_eq!(found.len(), expected);
    found.sort();
    found.dedup();
    assert_eq!(
        found.len(),
        expected,
        "some stand there twice, and others not at all"
    );
}

fn phones(office: &Office, code: &str, count: usize) -> Vec<OfficePhone> {
    let unit = office.unit(code);
    let phone = |n: usize| {
        let (username, name) = (
            format!("t{n:03}.{}", code.replace('.', "x")),
            format!("Trần Thị {n:03}"),
        );
        office.phone(office.person(&username, &name, Role::Member, unit))
    };
    (0..count).map(phone).collect()
}

#[test]
fn phones_and_accounts_are_read_to_the_last() {
    let (office, admin) = district();
    let mut phones = phones(&office, "15367.01", 130);
    let persons = (
        r#"<th scope="row" class="whole">Thôn Bái Xuân, Xã Vĩnh Hưng <small>"#,
        "</small>",
    );
    for path in ["/phones", "/phones?state=silent"] {
        let (found, pages) = read(&office, path, &admin, persons);
        assert_eq!(pages, 2, "{path}");
        once(found, 130);
    }
    // A phone that is here between one page and the next goes to the end of the list; no other is passed over.
    let first = office.shown("/phones", &admin);
    office.pass(60_000);
    let last_of_first = all_between(&first, persons.0, persons.1)[99].to_owned();
    for phone in &mut phones {
        let owner = phone.replica.identity().account;
        let name = office
            .app
            .store()
            .read_blocking(|conn| realm::display_name(conn, owner));
        if name.unwrap().unwrap() == last_of_first {
            phone.sync(&office);
        }
    }
    let next = unescaped(between(&first, r#"rel="next" href=""#, "\"").unwrap());
    let (rest, _) = read(&office, &next, &admin, persons);
    let mut met: Vec<String> = all_between(&first, persons.0, persons.1)
        .into_iter()
        .map(str::to_owned)
        .collect();
    met.extend(rest);
    assert_eq!(
        met.iter().filter(|name| **name == last_of_first).count(),
        2,
        "it is met again"
    );
    met.sort();
    met.dedup();
    assert_eq!(met.len(), 130);

    let people = (r#"<th scope="row"><a href="/accounts/"#, "\"");
    let (found, pages) = read(&office, "/accounts", &admin, people);
    assert_eq!(pages, 2);
    once(found, 131);
    let (found, _) = read(&office, "/accounts?name=tran+thi+01", &admin, people);
    once(found, 10);
    // Whoever manages another commune finds nobody of this one.
    let other = office.log_in(office.account("other", Role::Admin, office.unit("15379")));
    let (found, _) = read(&office, "/accounts", &other, people);
    once(found, 1);
    for bad in ["/phones?cursor=x", "/phones?cursor=AAAA"] {
        assert_eq!(office.page(bad, &admin).status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

fn import(office: &Office, procedures: usize) {
    let lines = (0..procedures).map(|n| {
        format!(
            "procedure,9.{n:06},Thủ tục về đất đai và hộ tịch số {n},Procedure number {n},dich_vu_cong,3,\n"
        )
    });
    let csv = format!(
        "kind,code,name_vi,name_en,parent,weight,valid_to\ncategory,dich_vu_cong,Dịch vụ công,,,,\n{}outcome,xong,Xong,,,,\n",
        lines.collect::<String>()
    );
    let (entries, by) = (
        catalogue::parse(csv.as_bytes()).unwrap(),
        By::console(office.now_ms()),
    );
    let imported = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx).unwrap());
        let fresh = || RecordId::from_parts(1, random_bits());
        catalogue::import(tx, &permit, &entries, &by, fresh)
            .map_err(|error| panic!("{error}"))
            .map(|_| ())
    });
    imported
        .map_err(|error: langso_server::store::WriteError<rusqlite::Error>| error.to_string())
        .unwrap();
}

#[test]
fn the_catalogue_is_read_to_the_last_by_kind_and_as_a_whole() {
    let (office, admin) = district();
    let nothing = office.shown("/catalogue", &admin);
    assert!(
        nothing.contains("Hãy nhập danh mục"),
        "what to do next: {nothing}"
    );
    import(&office, 230);
    let codes = (r#"<th scope="row" class="whole"><code>"#, "</code>");
    for (path, pages, entries) in [
        ("/catalogue", 3, 232),
        ("/catalogue?kind=procedure", 3, 230),
        ("/catalogue?kind=category", 1, 1),
        ("/catalogue?kind=channel", 1, 0),
    ] {
        let (found, read) = read(&office, path, &admin, codes);
        assert_eq!(read, pages, "{path}");
        once(found, entries);
    }
    let page = office.shown("/catalogue", &admin);
    assert!(page.contains("Thủ tục hành chính (230)"), "{page}");
    for bad in ["/catalogue?kind=x", "/catalogue?cursor=x"] {
        assert_eq!(office.page(bad, &admin).status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[test]
fn a_file_with_very_many_entries_is_looked_at_by_the_first_and_by_how_many() {
    let (office, admin) = district();
    let lines: String = (0..1000)
        .map(|n| format!("procedure,8.{n:06},Thủ tục {n}\n"))
        .collect();
    let form = form_to(&office.shown("/catalogue", &admin), "/catalogue");
    let form = set(form, &[("csv", &format!("kind,code,name_vi\n{lines}"))]);
    let page = html(&office.submit_parts("/catalogue", &admin, &form));
    assert!(
        page.contains("1.000 mục") && page.contains("và 800 mục nữa"),
        "{page}"
    );
    assert_eq!(page.matches("<code>8.").count(), 200);
}

#[test]
fn drafts_and_what_was_said_to_a_record_are_read_to_the_last() {
    let (office, _) = district();
    let official = office.log_in(office.account("hoa", Role::Official, office.unit("15367")));
    let unit = office.unit("15367");
    for n in 0..60 {
        let draft = json!({
            "unit": unit, "number": format!("{n}/DT"), "title": "Dự thảo", "urgency": "normal", "asks": "read",
            "signer": "Chủ tịch", "targets": [{ "unit": unit }],
        });
        assert_eq!(
            office.post("/v1/drafts", &official, &draft).status,
            StatusCode::OK
        );
    }
    let (found, pages) = read(
        &office,
        "/drafts",
        &official,
        (r#"<th scope="row" class="whole"><a href="/drafts/"#, "\""),
    );
    assert_eq!(pages, 2);
    once(found, 60);

    let [mut phone] = <[OfficePhone; 1]>::try_from(phones(&office, "15367.01", 1))
        .ok()
        .unwrap();
    let record = phone.log(office.unit("15367.01"), office.now_ms());
    phone.sync(&office);
    for n in 0..110 {
        let remark = json!({ "record": record, "kind": "question", "words": format!("Câu hỏi {n}") });
        assert_eq!(
            office.post("/v1/remarks", &official, &remark).status,
            StatusCode::OK
        );
    }
    let page = office.shown(&format!("/records/{record}"), &official);
    assert_eq!(page.matches("<li data-id=").count(), 100);
    let all = unescaped(between(&page, r#"href="/remarks?all=true"#, "\"").unwrap());
    let (found, pages) = read(
        &office,
        &format!("/remarks?all=true{all}"),
        &official,
        (r#"<section class="remark" data-id=""#, "\""),
    );
    assert_eq!(pages, 3);
    once(found, 110);
}

#[test]
fn what_is_found_by_words_goes_on_to_the_last_and_each_page_of_it_is_audited() {
    let (office, admin) = district();
    let leader = office.log_in(office.account("leader", Role::Leader, office.unit("393")));
    let [mut phone] = <[OfficePhone; 1]>::try_from(phones(&office, "15367.01", 1))
        .ok()
        .unwrap();
    for n in 0..120 {
        phone.log(office.unit("15367.01"), office.now_ms() - n);
    }
    phone.sync(&office);
    // The phone writes Nguyễn Thị Lan into each.
    let find = |who: &Credentials| {
        let mut form = form_to(&office.shown("/records", who), "/records/search");
        form = set(form, &[("q", "nguyen thi lan")]);
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let answer = office.submit("/records/search", who, &form);
            assert_eq!(answer.status, StatusCode::OK);
            let page = html(&answer);
            found.extend(
                all_between(&page, r#"<tr data-id=""#, "\"")
                    .into_iter()
                    .map(str::to_owned),
            );
            pages += 1;
            let Some(pager) = between(
                &page,
                r#"<form method="post" action="/records/search" class="pager">"#,
                "</form>",
            ) else {
                return (found, pages);
            };
            let pager = format!(r#"<form method="post" action="/records/search">{pager}</form>"#);
            form = form_to(&pager, "/records/search");
            assert_eq!(value(&form, "q"), "nguyen thi lan");
        }
    };
    let (found, pages) = find(&leader);
    assert!(pages > 1, "{pages}");
    once(found, 120);
    let audited = |who: &str| {
        office.count(&format!(
            "SELECT count(*) FROM audit WHERE act = 'personal_searched' AND {who}"
        ))
    };
    assert_eq!(audited("after LIKE '%\"words\":3%'"), pages);
    // Who has no right to citizens' data finds nobody, and there is nothing to audit.
    let (found, _) = find(&admin);
    assert_eq!((found.len(), audited("1")), (0, pages));
}

#[test]
fn a_report_leaves_no_directive_out() {
    let (office, _) = district();
    let official = office.log_in(office.account("hoa", Role::Official, office.unit("15367")));
    let unit = office.unit("15367");
    const DIRECTIVES: usize = 503;
    for n in 0..DIRECTIVES {
        let directive = json!({
            "unit": unit, "number": format!("{n}/UBND"), "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
            "targets": [{ "unit": unit }], "asks": "read",
        });
        let answer = office.post("/v1/directives", &official, &directive);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    }
    let page = office.shown("/report?month=2025-03", &official);
    let numbers = all_between(&page, r#"<tr><td><a href="/directives/"#, "</a>");
    once(numbers.into_iter().map(str::to_owned).collect(), DIRECTIVES);
}

/// A page as it travels, and with what else a browser fetches for it the first time.
fn weight(office: &Office, path: &str, who: &Credentials) -> usize {
    let fetch = |path: &str| {
        let request = office
            .request("GET", path, who)
            .header(header::ACCEPT, "text/html");
        let request = request.header(header::ACCEPT_ENCODING, "gzip");
        let answer = office.send_unseen(request.body(Body::empty()).unwrap());
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CONTENT_ENCODING], "gzip", "{path}");
        answer.bytes.len()
    };
    let assets = ["/static/langso.css", "/static/live.js", "/static/page.js"];
    fetch(path) + assets.into_iter().map(fetch).sum::<usize>()
}

#[test]
fn no_page_is_heavy_however_much_there_is() {
    let office = Office::new(date(2025, 3, 3));
    // Thirteen communes, a hundred and eleven hamlets.
    let mut units = "code,parent_code,level,name\n393,,district,Huyện Vĩnh Lộc\n".to_owned();
    for hamlet in 0..111 {
        let commune = 15_300 + hamlet % 13;
        if hamlet < 13 {
            units += &format!("{commune},393,commune,Xã Vĩnh Thịnh {commune}\n");
        }
        units += &format!("{commune}.{hamlet},{commune},hamlet,Thôn Đồng Minh {hamlet}\n");
    }
    office.import(&units, date(2023, 1, 1));
    let leader = office.log_in(office.account("leader", Role::Leader, office.unit("393")));
    let admin = office.log_in(office.account("admin", Role::Admin, office.unit("393")));
    import(&office, 600);
    // A year in which something happened in many hamlets each day; and phones as many as may be.
    let mut all: BTreeMap<usize, (UnitId, OfficePhone)> = BTreeMap::new();
    for n in 0..300 {
        let code = format!("{}.{}", 15_300 + (n % 111) % 13, n % 111);
        let unit = office.unit(&code);
        let person = office.person(
            &format!("p{n}"),
            &format!("Nguyễn Thị Kim {n}"),
            Role::Member,
            unit,
        );
        all.insert(n, (unit, office.phone(person)));
    }
    let mut rng = 7_u64;
    for (unit, phone) in all.values_mut().take(111) {
        for day in 0..366 {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if rng >> 59 != 0 {
                continue;
            }
            let at_ms = midnight_ms(office.today().saturating_sub(day.days())).unwrap() + (rng >> 40) as i64;
            let new = NewAssistance {
                id: RecordId::from_parts(at_ms as u64, phone.chance()),
                unit: *unit,
                occurred_at_ms: at_ms,
                category: "dich_vu_cong".into(),
                procedure: Some(format!("9.{:06}", rng % 600)),
                channel: "tai_nha".into(),
                outcome: "hoan_thanh".into(),
                people: (rng % 9) as u32 + 1,
                minutes: None,
                satisfaction: Some((rng % 5) as u8 + 1),
                personal: Personal::default(),
            };
            phone
                .edit(&Edit::LogAssistance(Box::new(new)), office.now_ms())
                .unwrap();
        }
        phone.sync(&office);
    }
    let mut heavy = Vec::new();
    for (who, path) in [
        (&leader, "/"),
        (&leader, "/charts"),
        (&leader, "/charts?from=2024-03-04&to=2025-03-03"),
        (&leader, "/records"),
        (&leader, "/records?from=2024-06-01"),
        (&leader, "/report"),
        (&leader, "/hamlets"),
        (&leader, "/directives/new"),
        (&admin, "/phones"),
        (&admin, "/accounts"),
        (&admin, "/catalogue"),
        (&admin, "/units"),
        (&admin, "/audit"),
    ] {
        let bytes = weight(&office, path, who);
        println!("{path}: {bytes} bytes");
        if bytes > PAGE_BYTES {
            heavy.push((path, bytes));
        }
    }
    assert!(heavy.is_empty(), "{heavy:?}");
}

#[test]
fn nor_is_one_of_a_whole_province() {
    let office = Office::new(date(2025, 3, 3));
    let mut units = "code,parent_code,level,name\n38,,province,Tỉnh Thanh Hóa\n".to_owned();
    for commune in 14_000..14_166 {
        units += &format!("{commune},38,commune,Xã Vĩnh Thịnh {commune}\n");
        for hamlet in 1..25 {
            units += &format!("{commune}.{hamlet:02},{commune},hamlet,Thôn Đồng Minh {hamlet}\n");
        }
    }
    office.import(&units, date(2024, 1, 1));
    let leader = office.log_in(office.account("leader", Role::Leader, office.unit("38")));
    let admin = office.log_in(office.account("admin", Role::Admin, office.unit("38")));
    let commune = office.unit("14007");
    let mut heavy = Vec::new();
    for (who, path) in [
        (&leader, "/".to_owned()),
        (&leader, "/charts".to_owned()),
        (&leader, format!("/charts?unit={commune}")),
        (&leader, "/records".to_owned()),
        (&leader, format!("/records?unit={commune}")),
        (&leader, "/report".to_owned()),
        (&leader, "/hamlets".to_owned()),
        (&leader, "/conflicts".to_owned()),
        (&admin, "/phones".to_owned()),
        (&admin, "/units".to_owned()),
        (&admin, format!("/accounts/sheet?unit={commune}")),
    ] {
        let bytes = weight(&office, &path, who);
        println!("{path}: {bytes} bytes");
        if bytes > PAGE_BYTES {
            heavy.push((path, bytes));
        }
    }
    assert!(heavy.is_empty(), "{heavy:?}");
    // What is not in the tree is a click away.
    let tree = office.shown("/units", &admin);
    let ids = all_between(&tree, "href=\"/units/", "\"");
    let units = ids.iter().filter(|id| id.parse::<UnitId>().is_ok());
    assert_eq!(units.count(), 1 + 166);
    let page = office.shown(&format!("/units/{commune}"), &admin);
    assert!(page.contains("Thôn Đồng Minh 24"), "{page}");
    let charts = office.shown(&format!("/charts?unit={commune}"), &leader);
    assert!(charts.contains("Thôn Đồng Minh 24"), "its hamlets, each day");
    let charts = office.shown("/charts", &leader);
    assert!(charts.contains("Hãy chọn một đơn vị ở trên"), "{charts}");
}
