//! The story of who looks at the overview and follows each of its numbers to the list behind it.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use langso_server::audit::By;
use langso_server::clock::midnight_ms;
use langso_server::policy::{Role, console};
use langso_server::realm;
use langso_server::units::change::{self, Change};
use serde_json::{Value, json};
use sync_core::edit::{AssistanceField, Edit, NewAssistance, Personal};
use sync_core::ids::{RecordId, UnitId};
use sync_core::record::RetractReason;

use crate::harness::browser::{between, form_to, html, leads_to, set, unescaped};
use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
15367.03,15367,hamlet,Thôn Ba
15379.01,15379,hamlet,Thôn Bốn
15379.02,15379,hamlet,Thôn Năm
";
/// A Wednesday.
const TODAY: Date = date(2025, 3, 19);

struct District {
    office: Office,
    leader: Credentials,
    official: Credentials,
}

/// Records one act of help to so many people, as it was given at noon of a day.
fn help(phone: &mut OfficePhone, office: &Office, unit: UnitId, day: Date, people: u32) -> RecordId {
    let at_ms = midnight_ms(day).unwrap() + 12 * 3_600_000;
    let id = RecordId::from_parts(at_ms as u64, phone.chance());
    let new = NewAssistance {
        id,
        unit,
        occurred_at_ms: at_ms,
        category: "dich_vu_cong".into(),
        procedure: None,
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        people,
        minutes: None,
        satisfaction: Some(people.min(5) as u8),
        personal: Personal::default(),
    };
    phone
        .edit(&Edit::LogAssistance(Box::new(new)), office.now_ms())
        .unwrap();
    id
}

/// Two phones say something else of a record without seeing each other.
fn disagree(office: &Office, mut phones: [&mut OfficePhone; 2], record: RecordId) {
    for (phone, outcome) in phones.iter_mut().zip(["hen_lai", "that_bai"]) {
        let fields = vec![AssistanceField::Outcome(outcome.into())];
        let edit = Edit::AmendAssistance { record, fields };
        assert!(phone.edit(&edit, office.now_ms()).unwrap());
    }
    phones.iter_mut().for_each(|phone| phone.sync(office));
}

fn issue(
    office: &Office,
    who: &Credentials,
    unit: UnitId,
    number: &str,
    relation: Option<(&str, &str)>,
) -> String {
    let relation = relation.map(|(kind, directive)| json!({ "kind": kind, "directive": directive }));
    let body = json!({
        "unit": unit, "number": number, "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
        "targets": [{ "unit": unit }], "asks": "read", "relation": relation,
    });
    let answer = office.post("/v1/directives", who, &body);
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// An official asks something of a record, in a form.
fn ask(office: &Office, who: &Credentials, record: RecordId) {
    let path = format!("/records/{record}");
    let action = format!("{path}/remarks");
    let form = form_to(&office.shown(&path, who), &action);
    leads_to(&office.submit(
        &action,
        who,
        &set(form, &[("kind", "question"), ("words", "Ngày nào?")]),
    ));
}

impl District {
    /// Everything that the overview counts is there more than once, in both communes, and beside it what it must not count.
    fn new() -> Self {
        let office = Office::new(TODAY.saturating_sub(9.days()));
        office.import(UNITS, date(2024, 1, 1));
        let [district, commune] = ["393", "15367"].map(|code| office.unit(code));
        let hamlets = ["15367.01", "15367.02", "15367.03", "15379.01"].map(|code| office.unit(code));
        let mut phones = Vec::new();
        for (n, hamlet) in hamlets.into_iter().enumerate() {
            phones.push([0, 1].map(|m| {
                let account = office.account(&format!("m{n}{m}"), Role::Member, hamlet);
                let mut phone = office.phone(account);
                phone.sync(&office);
                phone
            }));
        }
        let official = office.account("hoa", Role::Official, commune);
        let leader = office.account("leader", Role::Leader, district);
        office.travel_to(TODAY.yesterday().unwrap());
        let mut disputed = Vec::new();
        for (n, (hamlet, phones)) in hamlets.into_iter().zip(&mut phones).enumerate() {
            // The phones of the third hamlet are not here again.
            if n != 2 {
                disputed.push(Self::week(&office, phones, hamlet, n as u32 + 1));
            }
        }
        // What the second hamlet has recorded, and what is in conflict there, is the first one's from now on.
        merge(&office, hamlets[1], hamlets[0]);
        office.travel_to(TODAY);
        let phone = &mut phones[3][0];
        help(phone, &office, hamlets[3], TODAY, 4);
        phone.sync(&office);
        late(&office, &mut phones[0][1], hamlets[0]);

        let (leader, official) = (office.log_in(leader), office.log_in(official));
        for record in &disputed {
            ask(&office, &leader, *record);
        }
        for (unit, who) in [(commune, &official), (district, &leader)] {
            let numbers =
                ["1/UBND", "2/UBND", "3/UBND"].map(|number| issue(&office, who, unit, number, None));
            issue(&office, who, unit, "4/UBND", Some(("replaces", &numbers[0])));
            issue(&office, who, unit, "5/UBND", Some(("withdraws", &numbers[1])));
        }
        Self {
            office,
            leader,
            official,
        }
    }

    /// What a hamlet does in a week, in the month and before; gives a record that is in conflict.
    fn week(office: &Office, [phone, other]: &mut [OfficePhone; 2], hamlet: UnitId, people: u32) -> RecordId {
        let yesterday = TODAY.yesterday().unwrap();
        let days = [yesterday, date(2025, 3, 17), date(2025, 3, 5), date(2025, 2, 27)];
        let made = days.map(|day| help(phone, office, hamlet, day, people));
        let taken_back = help(phone, office, hamlet, date(2025, 3, 17), 50);
        let retract = Edit::RetractAssistance {
            record: taken_back,
            reason: RetractReason::Duplicate,
        };
        assert!(phone.edit(&retract, office.now_ms()).unwrap());
        phone.sync(office);
        other.sync(office);
        disagree(office, [phone, other], made[1]);
        made[1]
    }
}

/// A unit goes into another, today.
fn merge(office: &Office, unit: UnitId, into: UnitId) {
    let what = Change::Merge {
        units: vec![unit],
        into,
    };
    let (by, day) = (By::console(office.now_ms()), office.today());
    let done = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        change::change(tx, &permit, day, &what, &by)
    });
    done.unwrap();
}

/// A member whose role has ended delivers what was made since: it waits for a decision.
fn late(office: &Office, phone: &mut OfficePhone, unit: UnitId) {
    let account = phone.replica.identity().account;
    let ended = office
        .app
        .store()
        .write_blocking(move |tx| realm::revoke(tx, account, unit, Role::Member, "2025-03-18"));
    ended.unwrap();
    phone.renew(office);
    phone.log(unit, office.now_ms());
    phone.exchange(office).unwrap();
}

/// Where a number leads, and what it is.
#[derive(Debug)]
struct Number {
    leads_to: String,
    shown: String,
}

/// The numbers of a page that are links, in their order.
fn numbers(page: &str) -> Vec<Number> {
    let (_, page) = page.split_once("<main").unwrap();
    let links = page
        .split("<a ")
        .skip(1)
        .map(|link| link.split("</a>").next().unwrap());
    let links = links.filter_map(|link| {
        let (tag, inner) = link.split_once('>').unwrap();
        let inner = match inner.split_once(r#"<span class="hidden">"#) {
            Some((before, hidden)) => before.to_owned() + hidden.split_once("</span>").unwrap().1,
            None => inner.to_owned(),
        };
        let inner = inner.replace("<b>", "").replace("</b>", " ");
        let shown = inner.split([' ', '/']).next().unwrap().to_owned();
        let is_number = shown == "–" || shown.chars().all(|c| c.is_ascii_digit() || ".,".contains(c));
        let leads_to = unescaped(between(tag, r#"href=""#, "\"")?);
        (is_number && !shown.is_empty()).then_some(Number { leads_to, shown })
    });
    links.collect()
}

/// The records that a page lists, with those of its further pages.
fn records(office: &Office, who: &Credentials, path: &str) -> Vec<Value> {
    let filter = path
        .split_once('?')
        .unwrap()
        .1
        .replace("retracted=no", "retracted=false");
    let answer = office.get(&format!("/v1/exports/records.ndjson?{filter}"), who);
    let text = html(&answer);
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<Value> = rows.filter(|row| row.get("export").is_none()).collect();
    // The page shows as many of them as it has room for.
    let shown = office.shown(path, who).matches(r#"href="/records/"#).count();
    assert_eq!(shown, rows.len().min(50), "{path}");
    rows
}

/// How many of something a page and its further pages have.
fn counted(office: &Office, who: &Credentials, path: &str, begin: &str) -> usize {
    let (mut next, mut count) = (Some(path.to_owned()), 0);
    while let Some(path) = next {
        let page = office.shown(&path, who);
        count += page.matches(begin).count();
        next = between(&page, r#"rel="next" href=""#, "\"").map(unescaped);
    }
    count
}

/// The average of the stars that the charts count.
fn satisfaction(office: &Office, who: &Credentials, path: &str) -> String {
    let page = office.shown(path, who);
    let stars = (1..=5_u32).map(|star| {
        let row = format!(r#"<th scope="row">{star} sao</th><td class="number">"#);
        (star, between(&page, &row, "<").unwrap().parse::<u32>().unwrap())
    });
    let (sum, all) = stars.fold((0, 0), |(sum, all), (star, n)| (sum + star * n, all + n));
    match all {
        0 => "–".to_owned(),
        all => format!("{:.1}", f64::from(sum) / f64::from(all)).replace('.', ","),
    }
}

#[test]
fn each_number_of_the_overview_is_that_of_the_list_behind_it() {
    let district = District::new();
    let office = &district.office;
    for (who, name, records_of_the_month, conflicts, directives) in [
        (&district.leader, "leader", 10, 3, 4),
        // Those of the district are for an official of a commune as well.
        (&district.official, "official", 6, 2, 4),
    ] {
        let page = office.shown("/", who);
        let numbers = numbers(&page);
        let mut of = std::collections::BTreeMap::<&str, Vec<&str>>::new();
        for (at, number) in numbers.iter().enumerate() {
            let Number { leads_to, shown } = number;
            let path = leads_to.split('?').next().unwrap();
            let behind = match path {
                // In the table of periods records come first, and then their people.
                "/records" if at < 9 && at % 3 == 1 => {
                    let people = records(office, who, leads_to);
                    let people = people.iter().map(|row| row["people"].as_u64().unwrap());
                    people.sum::<u64>().to_string()
                }
                "/records" => records(office, who, leads_to).len().to_string(),
                "/charts" => satisfaction(office, who, leads_to),
                "/hamlets" => counted(office, who, leads_to, r#"<th scope="row""#).to_string(),
                "/directives" => counted(office, who, leads_to, r#"<section class="directive"#).to_string(),
                "/remarks" => counted(office, who, leads_to, r#"<section class="remark""#).to_string(),
                "/conflicts" => counted(office, who, leads_to, r#"<section class="conflict""#).to_string(),
                "/quarantine" => counted(office, who, leads_to, "<tr data-id=").to_string(),
                other => panic!("{name}: nobody has counted what is behind {other}"),
            };
            assert_eq!(*shown, behind, "{name}: {number:?}");
            of.entry(path).or_default().push(shown);
        }
        // It was about something: three periods, and each commune and hamlet.
        assert_eq!(
            of["/records"][4],
            records_of_the_month.to_string(),
            "{name}: {of:?}"
        );
        assert_eq!(of["/hamlets"].len(), 2, "{of:?}");
        assert_eq!(of["/directives"], [directives.to_string()], "{name}");
        assert_eq!(of["/conflicts"][0], conflicts.to_string(), "{name}");
        assert_eq!(of["/remarks"], [conflicts.to_string()], "{name}");
    }
    let waiting = office.shown("/", &district.official);
    let waiting = numbers(&waiting)
        .into_iter()
        .find(|number| number.leads_to == "/quarantine");
    assert_eq!(waiting.unwrap().shown, "1");
}

#[test]
fn hamlets_are_listed_by_how_they_stand_and_page_by_page() {
    let district = District::new();
    let (office, leader) = (&district.office, &district.leader);
    let names = |path: &str| {
        let page = office.shown(path, leader);
        ["Một", "Hai", "Ba", "Bốn", "Năm"].map(|name| page.contains(&format!("Thôn {name}, ")))
    };
    // The second is no more, the third was not here for a week, the fifth has no phone.
    assert_eq!(names("/hamlets"), [true, false, true, true, true]);
    assert_eq!(names("/hamlets?state=active"), [true, false, false, true, false]);
    assert_eq!(names("/hamlets?state=silent"), [false, false, true, false, true]);
    let first = office.unit("15367.01");
    assert_eq!(
        names(&format!("/hamlets?after={first}")),
        [false, false, true, true, true]
    );
    for wrong in ["/hamlets?state=x", "/hamlets?after=x"] {
        assert_eq!(office.page(wrong, leader).status, 400, "{wrong}");
    }
}

/// What stands in a page about how complete it is.
fn complete(page: &str) -> Vec<String> {
    let sentences = page.split(" thôn đã đồng bộ từ ").collect::<Vec<_>>();
    let pairs = sentences.windows(2);
    let told = pairs.map(|pair| {
        let before = pair[0].rsplit(['>', '(']).next().unwrap();
        let after = pair[1].split('<').next().unwrap().trim_end_matches('.');
        format!("{before} | {after}")
    });
    told.collect()
}

#[test]
fn every_page_of_numbers_says_how_complete_they_are_for_the_days_that_it_shows() {
    let district = District::new();
    let (office, leader, official) = (&district.office, &district.leader, &district.official);
    // Of the four hamlets of today, one was here a minute ago; another yesterday at eight; the third ten days ago; the last never.
    let yesterday = "2 trong 4 | 18/03/2025 08:00";
    assert_eq!(
        complete(&office.shown("/", leader)),
        [yesterday; 2],
        "the numbers, and the picture"
    );
    let charts = complete(&office.shown("/charts", leader));
    let figures = office.shown("/charts", leader).matches("<figure>").count();
    assert_eq!(charts.len(), figures, "each picture");
    assert_eq!(charts[0], yesterday);
    assert_eq!(
        charts[figures - 2],
        "1 trong 2 | 18/03/2025 08:00",
        "of the hamlets of one commune"
    );
    // Of days that are over it matters who was here since.
    let past = complete(&office.shown("/charts?from=2025-03-01&to=2025-03-10", leader));
    assert_eq!(past[0], "2 trong 4 | 11/03/2025 00:00");
    let before = complete(&office.shown("/charts?from=2025-02-01&to=2025-03-09", leader));
    assert_eq!(before[0], "3 trong 4 | 10/03/2025 00:00");
    let own = complete(&office.shown("/charts?to=2025-03-09", official));
    assert_eq!(own[0], "2 trong 2 | 10/03/2025 00:00");
    let report = office.shown("/report?month=2025-02", leader);
    assert!(
        report.contains("3 trong 4 thôn đã đồng bộ từ 01/03/2025 00:00"),
        "{report}"
    );
}
