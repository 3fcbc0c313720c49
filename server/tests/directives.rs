//! One directive to the 111 hamlets of Vĩnh Lộc, over real sockets: written offline, answered in every way there is, and
//! proved afterwards by a file and a key.

#![expect(
    clippy::unwrap_used,
    reason = "a test that panics has said what it has to say"
)]

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use langso_server::accounts::fresh_account;
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::clock::{Clock, day_of, midnight_ms, random, random_bits};
use langso_server::config::Config;
use langso_server::drive::{Fate, Link, Phone, Traffic};
use langso_server::policy::{Action, Grant, Role, console, permit_write};
use langso_server::realm::{self, Account};
use langso_server::serve::serve;
use langso_server::tree::Unit;
use langso_server::units::change::{Change, change};
use langso_server::verify::{rebuild, verify};
use langso_server::{codes, log, units};
use serde_json::Value;
use sync_core::edit::{DraftField, Edit, NewDraft};
use sync_core::ids::{RecordId, UnitId};
use sync_core::local_store::MemoryStore;
use sync_core::preflight::chunk_hash;
use sync_core::record::{Asks, Stage, Targets, Urgency};

const UNITS: &str = include_str!("../data/vinh-loc-2024.csv");
const HOUR_MS: i64 = 3_600_000;

/// What a hamlet does with the directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Silent,
    Receives,
    Opens,
    Acknowledges,
    /// Reports it done in time, and has a signal.
    Reports,
    /// Reports it done in time, and has no signal until the next day.
    ReportsUnheard,
    /// Reports it done after the deadline.
    ReportsLate,
    Cannot,
}

fn plan(n: usize) -> Plan {
    match n {
        0..5 => Plan::Silent,
        5..15 => Plan::Receives,
        15..30 => Plan::Opens,
        30..60 => Plan::Acknowledges,
        // It is merged away before anybody hears of it.
        60 => Plan::ReportsUnheard,
        61..90 => Plan::Reports,
        90..100 => Plan::ReportsUnheard,
        100..105 => Plan::ReportsLate,
        _ => Plan::Cannot,
    }
}

struct District {
    app: Arc<App>,
    url: String,
    now_ms: Arc<AtomicI64>,
    traffic: Arc<Traffic>,
}

impl District {
    fn clock(&self) -> Clock {
        let told = Arc::clone(&self.now_ms);
        Clock::manual(move || told.load(Ordering::Relaxed))
    }

    /// It is this many hours into the first day.
    fn at(&self, begun_ms: i64, hours: i64) -> i64 {
        let now_ms = begun_ms + hours * HOUR_MS;
        self.now_ms.store(now_ms, Ordering::Relaxed);
        now_ms
    }

    async fn phone(&self, name: &str, role: Role, unit: UnitId) -> Phone<MemoryStore> {
        let account = Account {
            id: fresh_account(),
            display_name: name.to_owned(),
            password_hash: None,
        };
        let code = codes::code_of(random());
        let (stored, username, now_ms) = (code.clone(), name.to_owned(), self.now_ms.load(Ordering::Relaxed));
        write(&self.app, move |tx| {
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::grant(tx, account.id, Grant::new(unit, role), day_of(now_ms))?;
            codes::add(tx, &stored, account.id, unit, now_ms)
        });
        let link = Link::to(&self.url, Arc::clone(&self.traffic)).unwrap();
        let enrolled = Phone::enrol_at(link, &code, MemoryStore::default(), 1, self.clock());
        enrolled.await.unwrap()
    }
}

/// One transaction, from a task.
fn write<T: Send + 'static, E: std::fmt::Debug + Send + From<rusqlite::Error> + 'static>(
    app: &App,
    job: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
) -> T {
    tokio::task::block_in_place(|| app.store().write_blocking(job))
        .map_err(|error| format!("{error:?}"))
        .unwrap()
}

async fn sync(phone: &mut Phone<MemoryStore>) {
    phone.sync(|| Fate::Delivered).await.unwrap();
}

fn say(phone: &mut Phone<MemoryStore>, directive: RecordId, unit: UnitId, stage: Stage) {
    let note = (stage == Stage::Cannot).then(|| "mất điện cả tuần".to_owned());
    phone
        .work(|replica, now_ms, rng| replica.acknowledge(directive, unit, stage, note, now_ms, rng))
        .unwrap();
}

fn langso(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_langso"))
        .args(args)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directive_to_111_hamlets_is_proved_by_a_file_and_exactly_the_forged_word_is_found() {
    let dir = tempfile::tempdir().unwrap();
    // Yesterday, so that the commands, which know no other time than the machine's, look back on it.
    let today = day_of(Clock::system().now_ms());
    let begun_ms = midnight_ms(today.yesterday().unwrap()).unwrap();
    let now_ms = Arc::new(AtomicI64::new(begun_ms));
    let told = Arc::clone(&now_ms);
    let config = Config {
        data: dir.path().to_owned(),
        ..Config::default()
    };
    let clock = Clock::manual(move || told.load(Ordering::Relaxed));
    let app = tokio::task::block_in_place(|| App::open(config, clock)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let district = District {
        app: Arc::clone(&app),
        url: format!("http://{}", listener.local_addr().unwrap()),
        now_ms,
        traffic: Arc::default(),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, Arc::clone(&app), async { drop(stopped.await) }));
    let rows = units::parse(UNITS.as_bytes()).unwrap();
    let from = "2024-01-01".parse().unwrap();
    let fresh = || UnitId::from_parts(1_700_000_000_000, random_bits());
    write(&app, move |tx| {
        units::import(tx, &console([]), &By::console(begun_ms), &rows, from, fresh)
    });
    let tree = app
        .store()
        .read_blocking(|conn| realm::tree(conn, today))
        .unwrap();
    let root = tree.roots()[0];
    let hamlets: Vec<Unit> = tree
        .units()
        .filter(|unit| unit.level == "hamlet")
        .cloned()
        .collect();
    assert_eq!(hamlets.len(), 111);

    // Everybody has a phone, and is in step.
    district.at(begun_ms, 6);
    let mut official = district.phone("lanh-dao", Role::Leader, root).await;
    sync(&mut official).await;
    let mut phones = Vec::new();
    for (n, hamlet) in hamlets.iter().enumerate() {
        let mut phone = district.phone(&format!("to-{n}"), Role::Member, hamlet.id).await;
        sync(&mut phone).await;
        phones.push(phone);
    }

    // 07:00, offline: a draft, and what is issued from it. 09:00: a signal.
    let written_ms = district.at(begun_ms, 7);
    let deadline_ms = begun_ms + 18 * HOUR_MS;
    let draft = official.fresh_record();
    let body = "Kính gửi: Tổ công nghệ số cộng đồng các thôn\n\n1. Rà soát hộ chưa có tài khoản định danh.\n\
                2. Hướng dẫn nộp hồ sơ trực tuyến tại nhà văn hóa thôn.\n3. Báo cáo kết quả trước 18 giờ hôm nay.";
    let fields = vec![
        DraftField::Number(Some("123/UBND-VX".into())),
        DraftField::Title("Ra quân hỗ trợ người dân sử dụng dịch vụ công trực tuyến".into()),
        DraftField::Body(Some(body.into())),
        DraftField::Urgency(Urgency::Urgent),
        DraftField::Deadline(Some(deadline_ms)),
        DraftField::Signer(Some("Phó Chủ tịch Nguyễn Văn Hưng".into())),
        DraftField::Targets(Targets::subtree(root)),
        DraftField::Asks(Asks::Report),
    ];
    let new = NewDraft {
        id: draft,
        unit: root,
        fields,
    };
    official.edit(&Edit::StartDraft(Box::new(new))).unwrap();
    let directive = official
        .work(|replica, now_ms, rng| replica.issue(draft, now_ms, rng))
        .unwrap();
    district.at(begun_ms, 9);
    sync(&mut official).await;

    // What the exchange costs when nothing is new, and when the directive comes and its receipt goes.
    let measured = |traffic: &Traffic| traffic.counted();
    let before = measured(&district.traffic);
    for (phone, _) in phones
        .iter_mut()
        .zip(0..)
        .filter(|(_, n)| plan(*n) != Plan::Silent)
    {
        sync(phone).await;
    }
    let arrived = measured(&district.traffic);
    for (phone, _) in phones
        .iter_mut()
        .zip(0..)
        .filter(|(_, n)| plan(*n) != Plan::Silent)
    {
        sync(phone).await;
    }
    let idle = measured(&district.traffic);
    let reached = phones.len() as u64 - 5;
    let cost = |from: (u64, u64, u64), to: (u64, u64, u64)| (to.0 - from.0, to.1 - from.1, to.2 - from.2);
    let (first, second) = (cost(before, arrived), cost(arrived, idle));
    let directive_bytes = (first.1 + first.2).saturating_sub(second.1 + second.2);
    println!(
        "a directive to {reached} hamlets: {} requests, {} B up, {} B down; an exchange without news {} B; so {} B in all, \
         {} B a hamlet, its signed receipt included",
        first.0,
        first.1,
        first.2,
        (second.1 + second.2) / reached,
        directive_bytes,
        directive_bytes / reached,
    );
    assert!(
        directive_bytes / reached <= 4 * 1024,
        "{} B a hamlet",
        directive_bytes / reached
    );

    // The day, offline: each opens it, and goes as far as it goes.
    for hours in [10, 14, 17, 20] {
        district.at(begun_ms, hours);
        for (n, phone) in phones.iter_mut().enumerate() {
            let unit = hamlets[n].id;
            let stage = match (plan(n), hours) {
                (Plan::Silent | Plan::Receives, _) => continue,
                (Plan::ReportsLate, 20) => Stage::Done,
                (_, 10) => Stage::Opened,
                (Plan::Acknowledges | Plan::Reports | Plan::ReportsUnheard | Plan::ReportsLate, 14) => {
                    Stage::Acknowledged
                }
                (Plan::Reports | Plan::ReportsUnheard, 17) => Stage::Done,
                (Plan::Cannot, 17) => Stage::Cannot,
                (_, _) => continue,
            };
            say(phone, directive, unit, stage);
            if plan(n) == Plan::Reports && stage == Stage::Done {
                sync(phone).await;
            }
        }
    }
    // Evening: a signal for most. The last hamlet's phone speaks on without one, is revoked, and speaks on.
    district.at(begun_ms, 21);
    for (phone, n) in phones.iter_mut().zip(0..) {
        if !matches!(plan(n), Plan::Silent | Plan::ReportsUnheard) {
            sync(phone).await;
        }
    }
    let last = hamlets[110].id;
    say(&mut phones[110], directive, last, Stage::Acknowledged);
    let (revoked, revoked_at) = (phones[110].identity().device, district.at(begun_ms, 22));
    let revoke = "UPDATE device SET revoked_at = ?2 WHERE id = ?1";
    write(&app, move |tx| {
        tx.execute(revoke, rusqlite::params![revoked.to_bytes(), revoked_at])
    });

    // Night: one hamlet, which has reported and was not heard, is merged into one that has only opened it.
    let (gone, into) = (hamlets[60].id, hamlets[20].id);
    let by = By {
        account: None,
        origin: "test".to_owned(),
        now_ms: district.at(begun_ms, 23),
    };
    let admin = [Grant::new(root, Role::Admin)];
    let permit = permit_write(&admin, &tree, Action::ManageUnits, None).unwrap();
    let merge = Change::Merge {
        units: vec![gone],
        into,
    };
    write(&app, move |tx| change(tx, &permit, today, &merge, &by));
    say(&mut phones[110], directive, last, Stage::Done);
    // The next morning the rest comes; what the revoked phone delivers waits until a person takes it in.
    let morning = district.at(begun_ms, 24 + 8);
    for (phone, n) in phones.iter_mut().zip(0..) {
        if plan(n) == Plan::ReportsUnheard {
            sync(phone).await;
            assert_eq!(
                phone.unsent().unwrap(),
                (0, 0),
                "{n}: what it said before the merger is taken"
            );
        }
    }
    phones[110].exchange(Fate::Delivered).await.unwrap();
    let waiting = |conn: &rusqlite::Connection| {
        let mut statement = conn.prepare("SELECT id FROM quarantine ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get::<_, i64>(0))?;
        ids.collect::<rusqlite::Result<Vec<_>>>()
    };
    let waiting = app.store().read_blocking(waiting).unwrap();
    assert!(!waiting.is_empty());
    for id in waiting {
        let permit = console([last]);
        app.exchange
            .release(&permit, id, &By::console(morning))
            .await
            .unwrap();
    }

    // The board tells it as it was.
    let path = format!("/v1/directives/{directive}/acknowledgements");
    let board: Value = official.get(&path).await.unwrap().json().unwrap();
    let counts = &board["counts"];
    assert_eq!(counts["targeted"], 110, "two hamlets are one");
    assert_eq!(counts["in_stage"]["done"], 45);
    assert_eq!(counts["in_stage"]["received"], 10);
    assert_eq!(
        counts["in_stage"]["opened"], 14,
        "the heir is done with what it took over"
    );
    assert_eq!(counts["in_stage"]["acknowledged"], 30);
    assert_eq!(counts["in_stage"]["cannot"], 6);
    assert_eq!((&counts["on_time"], &counts["late"]), (&40.into(), &5.into()));
    assert_eq!(counts["silent"], 5);
    let units = board["units"].as_array().unwrap();
    let late: Vec<_> = units.iter().filter(|unit| unit["arrived_late"] == true).collect();
    assert_eq!(late.len(), 11, "in time, and heard of afterwards");
    let heir = units
        .iter()
        .find(|unit| unit["unit"] == into.to_string())
        .unwrap();
    assert_eq!(
        (&heir["stage"], &heir["on_time"]),
        (&"done".into(), &true.into()),
        "by what it took over"
    );
    // Who has no phone that was here since is told from who has, and did not do it.
    let calls = board["to_call"].as_array().unwrap();
    assert_eq!(calls.len(), 65);
    for call in calls {
        let n = hamlets
            .iter()
            .position(|hamlet| call["unit"] == hamlet.id.to_string());
        let expected = if n.unwrap() < 5 { "not_synced" } else { "not_done" };
        assert_eq!(call["why"], expected, "{n:?}");
    }
    let of_last = units
        .iter()
        .find(|unit| unit["unit"] == last.to_string())
        .unwrap();
    assert_eq!(
        of_last["stage"], "cannot",
        "what was said after the revocation counts for nothing"
    );
    assert_eq!(written_ms, board["directive"]["issued_at_ms"].as_i64().unwrap());
    let report = app
        .store()
        .read_blocking(|conn| verify(conn, &app.exchange.ingest.master))
        .unwrap();
    assert_eq!(report.problems, []);

    // The file proves it; then one word is forged in the database, and exactly that one is found.
    drop(stop);
    served.await.unwrap();
    let (data, file) = (dir.path().to_str().unwrap(), dir.path().join("receipts.json"));
    let (id, file) = (directive.to_string(), file.to_str().unwrap());
    let key = BASE64URL_NOPAD.encode(&app.realm_key.public().to_bytes());
    let exported = langso(&["receipts", "export", &id, "--out", file, "--data", data]);
    assert!(exported.status.success(), "{}", printed(&exported));
    let verify_file = || printed(&langso(&["receipts", "verify", file, "--realm-key", &key]));
    let export = || langso(&["receipts", "export", &id, "--out", file, "--data", data]);
    let lines = |said: &str, word: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.contains(word));
        lines.map(str::to_owned).collect()
    };
    // Only the word after the revocation is in doubt; those before it are told from it, and count.
    let said = verify_file();
    assert!(said.contains("110 units, 5 missing, 1 events in doubt"), "{said}");
    assert_eq!(
        lines(&said, "done: signed after the device was revoked").len(),
        1,
        "{said}"
    );
    let before = lines(&said, "valid, device revoked later");
    let stages = ["received", "opened", "cannot", "acknowledged"];
    assert_eq!(before.len(), stages.len(), "{said}");
    assert!(
        stages
            .iter()
            .all(|stage| before.iter().any(|line| line.contains(stage))),
        "{said}"
    );
    assert!(lines(&said, "broken signature").is_empty(), "{said}");

    // One bit of a row is flipped: exactly that word is found.
    let flip = |sql: &'static str| {
        let forged = write(&app, move |tx| {
            let (record, mut note): ([u8; 16], Vec<u8>) = tx.query_row(
                // Of a hamlet that said nothing after it: the next word would be in doubt as well.
                "SELECT record, CAST(note AS BLOB) FROM acknowledgement
                 WHERE stage = 'cannot' AND device NOT IN (SELECT id FROM device WHERE revoked_at IS NOT NULL)
                 ORDER BY record LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            *note.last_mut().unwrap() ^= 1;
            tx.execute(sql, rusqlite::params![String::from_utf8(note).unwrap(), record])?;
            Ok::<_, rusqlite::Error>(record)
        });
        RecordId::from_bytes(forged).to_string()
    };
    let forged = flip("UPDATE acknowledgement SET note = ?1 WHERE record = ?2");
    assert!(export().status.success());
    let said = verify_file();
    let broken = lines(&said, "broken signature");
    assert!(
        matches!(broken.as_slice(), [line] if line.contains(&forged)),
        "{said}"
    );
    assert!(said.contains("2 events in doubt"), "{said}");
    assert!(
        printed(&langso(&["verify", "--data", data]))
            .contains("acknowledgement: 1 rows missing or different")
    );

    // One bit of the log is flipped: the store's own proof names the document, and nothing else.
    let in_log = forged.clone();
    let (entry, document, packed) = app
        .store()
        .read_blocking(|conn| {
            let record = in_log.parse::<RecordId>().unwrap().to_bytes();
            let sql = "SELECT e.last, e.document, e.changes FROM acknowledgement a
                         JOIN actor x ON x.document = a.document AND x.actor = a.actor
                         JOIN change c ON c.actor = x.id AND c.seq = a.seq
                         JOIN entry e ON e.document = a.document AND e.last >= c.position
                       WHERE a.record = ? ORDER BY e.last LIMIT 1";
            conn.query_row(sql, [record], |row| {
                Ok((
                    row.get::<_, u64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            })
        })
        .unwrap();
    let put = |bytes: Vec<u8>| {
        let put = "UPDATE entry SET changes = ?1 WHERE last = ?2";
        write(&app, move |tx| tx.execute(put, rusqlite::params![bytes, entry]))
    };
    let name = app
        .store()
        .read_blocking(|conn| log::document_by_row(conn, document))
        .unwrap()
        .to_string();
    let mut bent = packed.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    put(bent);
    let said = printed(&langso(&["verify", "--data", data]));
    assert_eq!(
        lines(&said, &format!("{name}: does not replay")).len(),
        1,
        "{said}"
    );
    assert_eq!(lines(&said, "does not replay").len(), 1, "{said}");

    // Somebody does it well: the change reads right again, and every row is derived from it. The device's word is not.
    let mut plain = zstd::decode_all(packed.as_slice()).unwrap();
    let note = "mất điện cả tuần".as_bytes();
    let at = plain
        .windows(note.len())
        .position(|window| window == note)
        .unwrap()
        + note.len()
        - 1;
    plain[at] ^= 1;
    let mut from = 0;
    while from < plain.len() {
        let length = u32::from_be_bytes(plain[from..from + 4].try_into().unwrap()) as usize;
        let chunk = &mut plain[from + 4..from + 4 + length];
        let checksum = chunk_hash(chunk);
        chunk[4..8].copy_from_slice(&checksum[..4]);
        from += 4 + length;
    }
    put(zstd::encode_all(plain.as_slice(), 3).unwrap());
    let worker = Arc::clone(&app);
    write(&app, move |tx| rebuild(tx, &worker.exchange.ingest.master));
    assert!(export().status.success());
    let said = verify_file();
    let broken = lines(&said, "broken signature");
    assert!(
        matches!(broken.as_slice(), [line] if line.contains(&forged)),
        "{said}"
    );
    assert!(said.contains("2 events in doubt"), "{said}");
    let said = printed(&langso(&["verify", "--data", data]));
    assert_eq!(
        lines(
            &said,
            &format!("{name}: entry {entry}: the signature does not fit")
        )
        .len(),
        1,
        "{said}"
    );

    // Another realm's key, a hamlet left out, a hamlet's word left out: each is seen.
    let other = BASE64URL_NOPAD.encode(
        &sync_core::signature::DeviceKey::from_seed([9; 32])
            .public()
            .to_bytes(),
    );
    let refused = langso(&["receipts", "verify", file, "--realm-key", &other]);
    assert!(
        !refused.status.success() && printed(&refused).contains("somebody else"),
        "{}",
        printed(&refused)
    );
    let whole: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut shorter = whole.clone();
    shorter["roster"].as_array_mut().unwrap().remove(3);
    std::fs::write(file, shorter.to_string()).unwrap();
    let refused = langso(&["receipts", "verify", file, "--realm-key", &key]);
    assert!(
        printed(&refused).contains("somebody else"),
        "{}",
        printed(&refused)
    );
    // Events are listed unit by unit, in the order in which they were said.
    let mut without = whole.clone();
    let events = without["events"].as_array_mut().unwrap();
    let said = |event: &Value| event["fields"]["stage"]["text"].as_str().unwrap().to_owned();
    let after = events
        .iter()
        .position(|event| said(event) == "acknowledged")
        .unwrap();
    assert_eq!(said(&events.remove(after - 1)), "opened");
    std::fs::write(file, without.to_string()).unwrap();
    let gap = langso(&["receipts", "verify", file, "--realm-key", &key]);
    let gaps = printed(&gap).matches("the event before it is not here").count();
    assert_eq!(gaps, 1, "{}", printed(&gap));
}
