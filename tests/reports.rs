//! Stories of the month's report, and of the history of a record.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
use jiff::civil::date;
use langso_server::policy::{Action, Role, permit_read};
use langso_server::report::{Permits, Report, report};
use serde_json::{Value, json};
use sync_core::edit::{AssistanceField, Edit};
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::{RetractReason, Stage};

use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Bái Xuân
15367.02,15367,hamlet,Thôn Đa Bút
15379.01,15379,hamlet,Thôn Đồng Mực
";

struct District {
    office: Office,
    phones: Vec<(UnitId, OfficePhone)>,
    leader: Credentials,
}

/// Three hamlets of two communes; two of them have recorded something, on the third of March.
fn district() -> District {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let mut phones = Vec::new();
    for (n, code) in ["15367.01", "15367.02", "15379.01"].into_iter().enumerate() {
        let hamlet = office.unit(code);
        let account = office.account(&format!("m{n}"), Role::Member, hamlet);
        let mut phone = office.phone(account);
        for k in 0..n {
            phone.log(hamlet, office.now_ms() + k as i64);
        }
        phone.sync(&office);
        phones.push((hamlet, phone));
    }
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    District {
        office,
        phones,
        leader,
    }
}

fn told(office: &Office, username: &str, unit: UnitId, month: jiff::civil::Date) -> Option<Report> {
    let now_ms = office.now_ms();
    office.runtime.block_on(office.app.flush_presence());
    let made = office.app.store().read_blocking(|conn| {
        let account = langso_server::realm::account_id(conn, username)?.unwrap();
        let authority = office.app.authority(conn)?;
        let permit = |action| permit_read(authority.grants(account), &authority.tree, action, None).unwrap();
        let permits = Permits {
            records: permit(Action::ReadRecords),
            boards: permit(Action::Hold(Class::Board)),
            phones: permit(Action::Oversee),
        };
        report(conn, &permits, unit, month, now_ms)
    });
    made.unwrap()
}

#[test]
fn a_report_is_of_the_month_the_unit_and_what_is_below_it() {
    let district = district();
    let office = &district.office;
    let march = told(office, "leader", office.unit("393"), date(2025, 3, 1)).unwrap();
    assert_eq!((march.total.records, march.before.records), (3, 0));
    let units: Vec<(&str, usize, u64)> = march
        .units
        .iter()
        .map(|line| (line.name.as_str(), line.depth, line.sums.records))
        .collect();
    assert_eq!(
        units,
        [
            ("Xã Vĩnh Hưng", 1, 1),
            ("Thôn Bái Xuân", 2, 0),
            ("Thôn Đa Bút", 2, 1),
            ("Xã Vĩnh Hùng", 1, 2),
            ("Thôn Đồng Mực", 2, 2),
        ]
    );
    assert_eq!(march.categories[0].1.records, 3);
    assert_eq!((march.complete.synced, march.complete.hamlets), (3, 3));
    assert_eq!(march.position as i64, office.count("SELECT max(last) FROM entry"));
    let commune = told(office, "leader", office.unit("15367"), date(2025, 3, 1)).unwrap();
    assert_eq!(
        (commune.total.records, commune.above.as_deref()),
        (1, Some("Huyện Vĩnh Lộc"))
    );
    let april = told(office, "leader", office.unit("393"), date(2025, 4, 1)).unwrap();
    assert_eq!((april.total.records, april.before.records), (0, 3));
    assert_eq!(
        told(office, "leader", office.unit("393"), date(2023, 1, 1)),
        None,
        "it was not there yet"
    );
}

#[test]
fn a_report_says_which_hamlets_have_not_synced_since_the_month_ended() {
    let mut district = district();
    district.office.travel_to(date(2025, 4, 2));
    let (_, phone) = &mut district.phones[1];
    phone.sync(&district.office);
    let office = &district.office;
    let march = told(office, "leader", office.unit("393"), date(2025, 3, 1)).unwrap();
    assert_eq!((march.complete.synced, march.complete.hamlets), (1, 3));
    let missing: Vec<&str> = march
        .complete
        .missing
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(missing, ["Thôn Bái Xuân", "Thôn Đồng Mực"]);
}

#[test]
fn a_report_counts_who_has_done_what_a_directive_asks_and_who_on_time() {
    let mut district = district();
    let official = district
        .office
        .account("official", Role::Official, district.office.unit("15367"));
    let official = district.office.log_in(official);
    let office = &district.office;
    let commune = office.unit("15367");
    let issue = json!({
        "unit": commune, "number": "12/UBND", "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
        "deadline_ms": office.now_ms() + 86_400_000, "targets": [{ "unit": commune, "reach": "subtree" }], "asks": "read",
    });
    let issued = office.post("/v1/directives", &official, &issue).json();
    let directive: RecordId = issued["id"].as_str().unwrap().parse().unwrap();
    let now_ms = office.now_ms();
    let (hamlet, phone) = &mut district.phones[0];
    phone.sync(&district.office);
    phone.acknowledge(directive, *hamlet, Stage::Acknowledged, now_ms + 1000);
    phone.sync(&district.office);
    let office = &district.office;
    let march = told(office, "leader", commune, date(2025, 3, 1)).unwrap();
    let [line] = &march.directives[..] else {
        panic!("{:?}", march.directives)
    };
    assert_eq!((line.number.as_str(), line.counts.targeted), ("12/UBND", 2));
    assert_eq!((line.counts.finished, line.counts.on_time), (1, 1));
    assert_eq!(march.done().targeted, 2);
    let other = told(office, "leader", office.unit("15379"), date(2025, 3, 1)).unwrap();
    assert_eq!(other.directives, []);
}

#[test]
fn the_workbook_has_the_layout_of_official_papers() {
    let District { office, leader, .. } = district();
    let unit = office.unit("15379");
    let answer = office.get(&format!("/v1/reports/2025-03.xlsx?unit={unit}"), &leader);
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.code());
    let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(answer.bytes)).unwrap();
    let sheet = book.worksheet_range("Báo cáo tháng").unwrap();
    let at = |row, column| match sheet.get_value((row, column)) {
        Some(Data::String(text)) => text.clone(),
        _ => String::new(),
    };
    assert_eq!(at(0, 0), "HUYỆN VĨNH LỘC");
    assert_eq!(at(0, 2), "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM");
    assert_eq!(
        (at(1, 0), at(1, 2)),
        ("XÃ VĨNH HÙNG".into(), "Độc lập – Tự do – Hạnh phúc".into())
    );
    assert_eq!(at(5, 0), "BÁO CÁO THÁNG 3 NĂM 2025");
    let rows: Vec<Vec<String>> = sheet
        .rows()
        .map(|row| row.iter().map(ToString::to_string).collect())
        .collect();
    let find = |name: &str| rows.iter().find(|row| row[1] == name).unwrap().clone();
    assert_eq!(find("Thôn Đồng Mực")[2..4], ["2", "2"]);
    assert_eq!(find("Dịch vụ công trực tuyến")[2], "2");
    let text = rows.concat().join("\n");
    assert!(
        text.contains("1/1 thôn, tổ dân phố đã đồng bộ dữ liệu từ 00:00 03/03/2025"),
        "{text}"
    );
    assert!(text.contains("(Ký, ghi rõ họ tên, đóng dấu)"));
    for bad in ["2025-13.xlsx", "x.xlsx", "2025-03-04.xlsx"] {
        let answer = office.get(&format!("/v1/reports/{bad}?unit={unit}"), &leader);
        assert_eq!(answer.code(), "parameter_invalid", "{bad}");
    }
    assert_eq!(
        office.get("/v1/reports/2025-03.xlsx", &leader).code(),
        "parameter_invalid"
    );
    assert_eq!(
        office
            .get(&format!("/v1/reports/1999-01.xlsx?unit={unit}"), &leader)
            .status
            .as_u16(),
        404
    );
}

#[test]
fn the_history_of_a_record_tells_who_wrote_what_on_which_phone() {
    let district = district();
    let account = district
        .office
        .account("second", Role::Member, district.phones[2].0);
    let mut second = district.office.phone(account);
    second.sync(&district.office);
    let record = second.rows()[0].id;
    let now_ms = district.office.now_ms();
    let amended = Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::Outcome("hen_lai".into())],
    };
    assert!(second.edit(&amended, now_ms + 1000).unwrap());
    let retracted = Edit::RetractAssistance {
        record,
        reason: RetractReason::Mistake,
    };
    assert!(second.edit(&retracted, now_ms + 2000).unwrap());
    second.sync(&district.office);
    let (office, leader) = (&district.office, &district.leader);
    let told = office
        .get(&format!("/v1/records/{record}/history"), leader)
        .json();
    let steps = told["history"].as_array().unwrap();
    let kinds: Vec<&Value> = steps.iter().map(|step| &step["kind"]).collect();
    assert_eq!(kinds, ["created", "amended", "retracted"]);
    assert_eq!(steps[0]["fields"]["citizen_name"], "Nguyễn Thị Lan");
    assert_eq!(steps[0]["fields"]["outcome"], "hoan_thanh");
    assert_eq!(steps[1]["fields"], json!({ "outcome": "hen_lai" }));
    assert_eq!(
        (&steps[1]["by"], &steps[1]["at_ms"]),
        (&json!(account.to_string()), &json!(now_ms + 1000))
    );
    assert_eq!(steps[1]["device"], second.replica.identity().device.to_string());
    assert_eq!(steps[1]["arrived_at_ms"], now_ms);
    assert_ne!(steps[0]["device"], steps[1]["device"]);
    // Without the right to citizens' data one sees that there was something.
    let admin = office.account("admin", Role::Admin, office.unit("393"));
    let admin = office.log_in(admin);
    let told = office
        .get(&format!("/v1/records/{record}/history"), &admin)
        .json();
    assert_eq!(
        told["history"][0]["fields"]["citizen_name"],
        json!({ "sealed": true })
    );
    let one = office
        .get(&format!("/v1/records/{record}?include=personal"), leader)
        .json();
    assert_eq!(
        (&one["outcome"], &one["personal"]["citizen_name"]),
        (&json!("hen_lai"), &json!("Nguyễn Thị Lan"))
    );
    let refused = office.get(&format!("/v1/records/{record}?include=personal"), &admin);
    assert_eq!(refused.code(), "personal_denied");
    let elsewhere = office.account("elsewhere", Role::Official, office.unit("15367"));
    let elsewhere = office.log_in(elsewhere);
    for path in [
        format!("/v1/records/{record}"),
        format!("/v1/records/{record}/history"),
    ] {
        assert_eq!(office.get(&path, &elsewhere).status.as_u16(), 404);
    }
}
