//! Made-up people and what they come for: the same for the same seed, and of the size that real ones have.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use sync_core::edit::{NewAssistance, Personal};
use sync_core::ids::{RecordId, UnitId};
use sync_core::seal::SealedField;

const FAMILY: [&str; 14] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Trịnh", "Lưu",
];
const MIDDLE: [&str; 9] = ["Văn", "Thị", "Đức", "Thu", "Minh", "Xuân", "Ngọc", "Hữu", "Thanh"];
const GIVEN: [&str; 18] = [
    "An", "Bình", "Cường", "Dũng", "Giang", "Hà", "Hải", "Hạnh", "Hiền", "Hùng", "Khánh", "Lan", "Loan",
    "Mai", "Nam", "Phương", "Thảo", "Tuấn",
];
/// Category and the procedure that goes with it.
const HELP: [(&str, Option<&str>); 8] = [
    ("dich_vu_cong", Some("1.004194")),
    ("dich_vu_cong", Some("2.000635")),
    ("dich_vu_cong", Some("1.001193")),
    ("dinh_danh", None),
    ("thanh_toan", Some("2.000815")),
    ("thanh_toan", None),
    ("khac", Some("1.001776")),
    ("an_toan", None),
];
const CHANNELS: [&str; 4] = ["tai_nha", "nha_van_hoa", "dien_thoai", "tai_xa"];
/// What can come of it.
pub const OUTCOMES: [&str; 4] = ["hoan_thanh", "dang_xu_ly", "hen_lai", "that_bai"];
const NOTES: [&str; 10] = [
    "Hướng dẫn cài đặt VNeID mức 2, bà con chưa có điện thoại thông minh.",
    "Đã nộp hồ sơ trực tuyến, hẹn trả kết quả sau 3 ngày làm việc.",
    "Máy yếu, phải khởi động lại hai lần.",
    "Hẹn quay lại chiều thứ sáu tại nhà văn hóa thôn.",
    "Cấp lại thẻ bảo hiểm y tế cho mẹ, đi cùng con trai.",
    "Chưa có mã định danh của cháu nhỏ, đã chuyển công an xã.",
    "Thanh toán tiền điện qua ứng dụng ngân hàng lần đầu.",
    "Người dân quên mật khẩu, đã lấy lại bằng căn cước.",
    "Đăng ký khai sinh liên thông, thiếu giấy chứng sinh.",
    "Trợ cấp tuổi già, cần xác nhận của trưởng thôn.",
];

/// One of several.
pub fn pick<T: Copy, const N: usize>(rng: &mut StdRng, from: [T; N]) -> T {
    let at = rng.random_range(0..N);
    from.get(at)
        .copied()
        .unwrap_or_else(|| unreachable!("the index is within the array"))
}

/// A person's name.
pub fn name(rng: &mut StdRng) -> String {
    format!("{} {} {}", pick(rng, FAMILY), pick(rng, MIDDLE), pick(rng, GIVEN))
}

/// A note.
pub fn note(rng: &mut StdRng) -> String {
    pick(rng, NOTES).to_owned()
}

/// One act of help, given some time in the eight hours before `now_ms`.
pub fn assistance(rng: &mut StdRng, id: RecordId, unit: UnitId, now_ms: i64) -> NewAssistance {
    let (category, procedure) = pick(rng, HELP);
    let mut personal = BTreeMap::from([
        (SealedField::CitizenName, name(rng)),
        (
            SealedField::CitizenPhone,
            format!("09{:08}", rng.random_range(0..100_000_000)),
        ),
    ]);
    if rng.random_bool(0.3) {
        personal.insert(
            SealedField::CitizenId,
            format!("038{:09}", rng.random_range(0..1_000_000_000)),
        );
    }
    if rng.random_bool(0.8) {
        personal.insert(SealedField::Note, note(rng));
    }
    NewAssistance {
        id,
        unit,
        occurred_at_ms: now_ms - 1000 * rng.random_range(0..8 * 3600),
        category: category.to_owned(),
        procedure: procedure.map(str::to_owned),
        channel: pick(rng, CHANNELS).to_owned(),
        outcome: pick(rng, OUTCOMES).to_owned(),
        people: rng.random_range(1..=3),
        minutes: rng.random_bool(0.7).then(|| 5 * rng.random_range(1..=12)),
        satisfaction: rng.random_bool(0.8).then(|| rng.random_range(3..=5)),
        personal: Personal(personal),
    }
}
