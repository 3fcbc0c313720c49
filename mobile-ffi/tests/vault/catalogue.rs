//! What a form offers.

use langso_mobile::{CatalogueKind, Vault};

use crate::district::District;

const CSV: &str = "kind,code,name_vi,name_en,parent,weight,valid_to
category,dich_vu_cong,Dịch vụ công trực tuyến,Online public service,,,
procedure,1.004194,Đăng ký tạm trú,Temporary residence,dich_vu_cong,3,
procedure,1.001193,Xóa đăng ký tạm trú,,dich_vu_cong,1,
procedure,2.000815,Chứng thực bản sao,,,,
procedure,2.000816,Nộp hồ sơ Vĩnh Hưng,,,,
procedure,2.000817,Nộp hồ sơ Vĩnh Hùng,,,,
procedure,9.999999,Đăng ký hồ sơ cũ,,,,2025-07-01
outcome,hoan_thanh,Hoàn thành,Done,,,
";

fn names(vault: &Vault, search: &str) -> Vec<String> {
    let found = vault.procedures(search.into()).unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn a_procedure_is_found_as_vietnamese_is_typed() {
    let district = District::new();
    district.publish(CSV);
    let (head, _) = district.phone("head");
    for search in ["dang ky tam tru", "đăng ký tạm trú", "ĐĂNG KÍ", "dang ki tam"] {
        let expected = ["Đăng ký tạm trú", "Xóa đăng ký tạm trú"];
        assert_eq!(names(&head, search), expected, "{search}");
    }
    assert_eq!(names(&head, "ho so").len(), 2);
    assert_eq!(
        names(&head, "vĩnh hùng"),
        ["Nộp hồ sơ Vĩnh Hùng", "Nộp hồ sơ Vĩnh Hưng"],
        "what bears the accents comes first, and the neighbour is there"
    );
    // As some keyboards send it: letters and their marks apart.
    assert_eq!(names(&head, "ho\u{302}\u{300} so\u{31b}").len(), 2);
    let by_code = head.procedures("1.004194".into()).unwrap();
    assert_eq!((by_code.len(), by_code[0].code.as_str()), (1, "1.004194"));
    assert_eq!(by_code[0].category.as_deref(), Some("dich_vu_cong"));
    assert_eq!(names(&head, "temporary"), ["Đăng ký tạm trú"]);
    assert_eq!(names(&head, "").len(), 5, "all that may be chosen today");
}

#[test]
fn an_entry_that_ended_is_not_offered_and_one_that_says_something_else_takes_its_place() {
    let district = District::new();
    district.publish(CSV);
    let (head, way) = district.phone("head");
    assert!(!names(&head, "").contains(&"Đăng ký hồ sơ cũ".to_owned()));
    let categories = head.catalogue(CatalogueKind::Category).unwrap();
    assert_eq!(categories[0].name, "Dịch vụ công trực tuyến");
    assert_eq!(head.catalogue(CatalogueKind::Outcome).unwrap().len(), 1);
    assert_eq!(head.catalogue(CatalogueKind::Channel).unwrap(), []);

    district.publish(&CSV.replace("Chứng thực bản sao", "Chứng thực bản sao từ bản chính"));
    district.sync(&head, &way).unwrap();
    drop(head);
    let head = district.reopen("head");
    assert_eq!(names(&head, "chung thuc"), ["Chứng thực bản sao từ bản chính"]);
}
