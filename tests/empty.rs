//! The story of a district in which nothing has happened yet: every empty page tells its reader what to do next, and nothing
//! that they cannot do.

use jiff::civil::date;
use langso_server::policy::Role;
use serde_json::json;

use crate::harness::office::{Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Bái Xuân
";

/// What the main part of a page says, without its marks.
fn said(office: &Office, path: &str, who: &Credentials) -> String {
    let page = office.shown(path, who);
    let (_, main) = page.split_once("<main").unwrap();
    let mut text = String::new();
    for part in main.split('<') {
        text.push_str(part.split_once('>').map_or("", |(_, words)| words));
    }
    text
}

#[test]
fn whoever_looks_at_an_empty_page_is_told_what_to_do_next() {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let log_in = |name: &str, role, code: &str| office.log_in(office.account(name, role, office.unit(code)));
    let leader = log_in("leader", Role::Leader, "393");
    let official = log_in("official", Role::Official, "15367");
    let auditor = log_in("auditor", Role::Auditor, "393");
    let admin = log_in("admin", Role::Admin, "393");
    for (who, path, told) in [
        (
            &leader,
            "/records",
            "hãy xem máy nào đã đăng ký và đã đồng bộ ở trang Điện thoại.",
        ),
        (&leader, "/records?outcome=hen_lai", "Hãy bỏ bớt điều kiện lọc"),
        (&leader, "/conflicts", "anh/chị không phải làm gì"),
        (&leader, "/charts", "hoặc chọn khoảng ngày khác"),
        (&leader, "/quarantine", "anh/chị không phải làm gì"),
        (
            &official,
            "/remarks",
            "Muốn ghi ý kiến, hãy mở một lượt hỗ trợ ở trang Lượt hỗ trợ.",
        ),
        (
            &official,
            "/remarks?all=true",
            "Chưa có ý kiến nào. Muốn ghi ý kiến",
        ),
        (&official, "/directives", "Bấm “Soạn văn bản” để ban hành"),
        (&official, "/drafts", "Bấm “Soạn văn bản” rồi “Lưu dự thảo”"),
        (&auditor, "/directives", "Khi cán bộ có thẩm quyền ban hành"),
        (&admin, "/phones", "Hãy in tờ mã"),
        (&auditor, "/phones", "Hãy đề nghị người quản trị in tờ mã"),
        (&admin, "/catalogue", "Hãy nhập danh mục từ tệp CSV ở dưới."),
        (&auditor, "/catalogue", "Người quản trị nhập danh mục"),
        (&auditor, "/audit?act=units_reformed", "Hãy bỏ bớt điều kiện lọc"),
    ] {
        let text = said(&office, path, who);
        assert!(text.contains(told), "{path} does not say “{told}”: {text}");
    }
    for (who, path, untold) in [
        (&leader, "/records", "bỏ bớt điều kiện lọc"),
        (&auditor, "/remarks", "hãy mở một lượt hỗ trợ"),
        (&auditor, "/directives", "Soạn văn bản"),
        (&auditor, "/phones", "Hãy in tờ mã"),
        (&auditor, "/catalogue", "ở dưới"),
    ] {
        let text = said(&office, path, who);
        assert!(!text.contains(untold), "{path} says “{untold}”: {text}");
    }
    // What is over is told from what never was.
    let unit = office.unit("15367");
    let issue = |number: &str, relation| {
        let directive = json!({
            "unit": unit, "number": number, "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
            "targets": [{ "unit": unit }], "asks": "read", "relation": relation,
        });
        let answer = office.post("/v1/directives", &official, &directive);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let first = issue("1/UBND", json!(null));
    issue("2/UBND", json!({ "kind": "withdraws", "directive": first }));
    let text = said(&office, "/directives?state=in_force", &official);
    assert!(text.contains("Không có văn bản nào đang có hiệu lực"), "{text}");
    assert!(!text.contains("Bấm “Soạn văn bản”"), "{text}");
}
