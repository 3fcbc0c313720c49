//! Directives of the demo: the district has issued some, urgent ones and one that is overdue, and its hamlets answer in
//! all the ways there are. What the API tells of it is compared with what the hamlets said.

use anyhow::Context;
use sync_core::edit::DraftField;
use sync_core::ids::{RecordId, UnitId};
use sync_core::local_store::MemoryStore;
use sync_core::record::{Asks, Stage, Targets, Urgency};

use super::day::Played;
use crate::drive::{Fate, Phone};

const HOUR_MS: i64 = 3_600_000;
/// Every so many-th hamlet has had no signal since.
const SILENT_EVERY: usize = 12;

/// Number, title, urgency, hours since it was issued, hours until the deadline, what it asks.
type Paper = (&'static str, &'static str, Urgency, i64, i64, Asks);

const PAPERS: [Paper; 4] = [
    (
        "121/UBND-VX",
        "Rà soát hộ dân chưa có tài khoản định danh điện tử mức 2",
        Urgency::Normal,
        70,
        -20,
        Asks::Report,
    ),
    (
        "122/UBND-VX",
        "Hướng dẫn thanh toán học phí không dùng tiền mặt đầu năm học",
        Urgency::Normal,
        48,
        240,
        Asks::Acknowledge,
    ),
    (
        "123/UBND-VX",
        "Ra quân hỗ trợ người dân nộp hồ sơ trực tuyến tại nhà văn hóa thôn",
        Urgency::Urgent,
        20,
        28,
        Asks::Report,
    ),
    (
        "124/UBND-VX",
        "Cảnh báo cuộc gọi giả danh cán bộ xã thu phí định danh điện tử",
        Urgency::Flash,
        3,
        9,
        Asks::Read,
    ),
];

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Directives issued.
    pub(super) directives: usize,
    /// Where the API tells another state than the hamlet said: ids alone.
    pub(super) differences: Vec<String>,
}

/// Issues the papers, lets the hamlets answer, and compares the boards with what they said.
pub(super) async fn play(
    leader: &mut Phone<MemoryStore>,
    unit: UnitId,
    hamlets: &mut [Played],
) -> anyhow::Result<Answered> {
    leader.sync(|| Fate::Delivered).await?;
    let mut issued = Vec::new();
    for paper in PAPERS {
        issued.push(issue(leader, unit, paper)?);
    }
    draft(leader, unit)?;
    leader.sync(|| Fate::Delivered).await?;
    let heard = |at: usize| at % SILENT_EVERY != SILENT_EVERY - 1;
    for (at, hamlet) in hamlets.iter_mut().enumerate().filter(|(at, _)| heard(*at)) {
        let unit = hamlet.unit;
        let phone = hamlet.phones.first_mut().context("a hamlet without a phone")?;
        phone.sync(|| Fate::Delivered).await?;
        for (n, (directive, paper)) in issued.iter().zip(PAPERS).enumerate() {
            for (stage, ago) in says(at + 3 * n, paper) {
                let note = (stage == Stage::Cannot).then(|| "Thôn mất điện, xin lùi thời hạn".to_owned());
                phone.work(|replica, now_ms, rng| {
                    replica.acknowledge(*directive, unit, stage, note, now_ms - ago, rng)
                })?;
            }
        }
        phone.sync(|| Fate::Delivered).await?;
    }
    let mut answered = Answered {
        directives: issued.len(),
        ..Answered::default()
    };
    for (n, (directive, paper)) in issued.iter().zip(PAPERS).enumerate() {
        let path = format!("/v1/directives/{directive}/acknowledgements");
        let board = leader.get(&path).await?.json().context("the board")?;
        let units = board.get("units").and_then(|units| units.as_array());
        for (at, hamlet) in hamlets.iter().enumerate() {
            let last = says(at + 3 * n, paper)
                .last()
                .map_or(Stage::Received, |(stage, _)| *stage);
            let said = heard(at).then(|| last.code());
            let id = hamlet.unit.to_string();
            let told = units
                .into_iter()
                .flatten()
                .find(|told| told.get("unit").is_some_and(|unit| *unit == id));
            if told.is_none_or(|told| told.get("stage").and_then(|stage| stage.as_str()) != said) {
                answered
                    .differences
                    .push(format!("directive {directive}, hamlet {id}"));
            }
        }
    }
    Ok(answered)
}

fn issue(leader: &mut Phone<MemoryStore>, unit: UnitId, paper: Paper) -> anyhow::Result<RecordId> {
    let (number, title, urgency, ago, left, asks) = paper;
    leader.work(|replica, now_ms, rng| {
        let fields = vec![
            DraftField::Number(Some(number.to_owned())),
            DraftField::Title(title.to_owned()),
            DraftField::Body(Some(format!(
                "Kính gửi: Tổ công nghệ số cộng đồng các thôn\n\n{title}.\n\n- Báo cáo kết quả trên ứng dụng."
            ))),
            DraftField::Urgency(urgency),
            DraftField::Deadline(Some(now_ms + left * HOUR_MS)),
            DraftField::Signer(Some("Phó Chủ tịch UBND huyện".to_owned())),
            DraftField::Targets(Targets::subtree(unit)),
            DraftField::Asks(asks),
        ];
        let written_ms = now_ms - ago * HOUR_MS;
        let draft = replica.start_draft(Some(unit), fields, written_ms, rng)?;
        replica.issue(draft, written_ms, rng)
    })
}

/// Begins a paper that nobody has issued yet.
fn draft(leader: &mut Phone<MemoryStore>, unit: UnitId) -> anyhow::Result<()> {
    leader.work(|replica, now_ms, rng| {
        let fields = vec![
            DraftField::Title("Kế hoạch ra quân Ngày Chuyển đổi số quốc gia".to_owned()),
            DraftField::Urgency(Urgency::Normal),
            DraftField::Targets(Targets::subtree(unit)),
            DraftField::Asks(Asks::Report),
        ];
        replica.start_draft(Some(unit), fields, now_ms, rng)
    })?;
    Ok(())
}

/// What a hamlet says to a paper after "received", and how long ago, in milliseconds.
fn says(turn: usize, (_, _, _, ago, left, _): Paper) -> Vec<(Stage, i64)> {
    let (opened, understood) = (
        (Stage::Opened, (ago - 1) * HOUR_MS),
        (Stage::Acknowledged, (ago - 2) * HOUR_MS),
    );
    // By the deadline where it is past, else just now.
    let in_time = (Stage::Done, (-left).max(0) * HOUR_MS + 60_000);
    match turn % 7 {
        0 => Vec::new(),
        1 => vec![opened],
        2 => vec![opened, understood],
        3 => vec![opened, (Stage::Cannot, 60_000)],
        4 => vec![opened, (Stage::Done, 30_000)],
        _ => vec![opened, understood, in_time],
    }
}
