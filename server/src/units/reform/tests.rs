//! The reform of 2025-07-01 on the province's real data, and the hamlets of Vĩnh Lộc.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use sync_core::ids::AccountId;

use super::*;
use crate::policy::{Grant, Personal, console};
use crate::store::open_connection;
use crate::units;
use crate::units::change::{Part, Period};

const PROVINCE_2024: &str = include_str!("../../../data/thanh-hoa-2024.csv");
const PROVINCE_2025: &str = include_str!("../../../data/thanh-hoa-2025.csv");
const REFORM: &str = include_str!("../../../data/thanh-hoa-reform-2025.csv");
const HAMLETS: &str = include_str!("../../../data/vinh-loc-hamlets.csv");
const DAY: Date = date(2025, 7, 1);
const BEFORE: Date = date(2025, 6, 30);

struct Realm {
    _dir: tempfile::TempDir,
    conn: Connection,
    ids: u64,
}

impl Realm {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = open_connection(&dir.path().join("langso.db")).unwrap();
        crate::store::migrate(&mut conn).unwrap();
        Self {
            _dir: dir,
            conn,
            ids: 0,
        }
    }

    fn province() -> Self {
        let mut realm = Self::new();
        assert_eq!(realm.import(PROVINCE_2024, date(2020, 1, 1)).unwrap(), 574);
        assert_eq!(realm.import(HAMLETS, date(2020, 1, 1)).unwrap(), 111);
        realm
    }

    fn fresh(&mut self) -> UnitId {
        self.ids += 1;
        UnitId::from_parts(self.ids, 0)
    }

    fn import(&mut self, csv: &str, from: Date) -> Result<usize, UnitsError> {
        let rows = units::parse(csv.as_bytes())?;
        let mut ids = self.ids;
        let tx = self.conn.transaction().unwrap();
        let permit = console(realm::all_units(&tx).unwrap());
        let added = units::import(&tx, &permit, &By::console(0), &rows, from, || {
            ids += 1;
            UnitId::from_parts(ids, 0)
        });
        if added.is_ok() {
            tx.commit().unwrap();
        }
        self.ids = ids;
        added
    }

    fn reform(&mut self, csv: &str, roles: &str, unknown: Unknown) -> Result<Report, UnitsError> {
        let (rows, roles) = (parse(csv.as_bytes())?, parse_roles(roles.as_bytes())?);
        let mut ids = self.ids;
        let tx = self.conn.transaction().unwrap();
        let permit = console(realm::all_units(&tx).unwrap());
        let report = reform(&tx, &permit, &rows, &roles, unknown, &By::console(0), || {
            ids += 1;
            UnitId::from_parts(ids, 0)
        });
        if report.is_ok() {
            tx.commit().unwrap();
        }
        self.ids = ids;
        report
    }

    fn tree(&self, day: Date) -> Tree {
        realm::tree(&self.conn, day).unwrap()
    }

    fn code(&self, code: &str, day: Date) -> UnitId {
        units::by_code(&self.conn, code, &day.to_string())
            .unwrap()
            .unwrap()
    }

    fn account(&mut self, username: &str, role: Role, unit: UnitId) -> AccountId {
        let id = AccountId::from_parts(
            1,
            username.len() as u128 * 1000 + u128::from(username.as_bytes()[0]),
        );
        let account = realm::Account {
            id,
            display_name: username.into(),
            password_hash: None,
        };
        let tx = self.conn.transaction().unwrap();
        realm::add_account(&tx, &account, username, 0).unwrap();
        realm::grant(&tx, id, Grant::new(unit, role), date(2024, 1, 1)).unwrap();
        tx.commit().unwrap();
        id
    }
}

const NO_ROLES: &str = "username,role,old_code,new_code\n";

#[test]
fn the_province_becomes_what_the_decree_says() {
    let mut realm = Realm::province();
    let report = realm.reform(REFORM, NO_ROLES, Unknown::Refuse).unwrap();
    assert_eq!((report.merged, report.kept, report.abolished), (525, 22, 26));
    assert_eq!((report.followed, report.skipped), (111, 0));
    let tree = realm.tree(DAY);
    let level = |level: &str| tree.units().filter(|unit| unit.level == level).count();
    assert_eq!(
        (
            level("province"),
            level("district"),
            level("commune"),
            level("hamlet")
        ),
        (1, 0, 166, 111)
    );
    // The file of the province as it is now says the same, unit by unit: it adds none and contradicts none.
    assert_eq!(realm.import(PROVINCE_2025, DAY).unwrap(), 0);
    // And yesterday is what it was.
    assert_eq!(realm.tree(BEFORE).units().count(), 685);
    assert_eq!(realm.import(PROVINCE_2024, BEFORE).unwrap(), 0);
}

#[test]
fn every_hamlet_has_exactly_one_parent_on_every_day() {
    let mut realm = Realm::province();
    realm.reform(REFORM, NO_ROLES, Unknown::Refuse).unwrap();
    let decree: BTreeMap<String, String> = parse(REFORM.as_bytes())
        .unwrap()
        .into_iter()
        .map(|row| (row.old_code, row.new_code))
        .collect();
    let sql = "SELECT count(*) FROM unit_period WHERE unit = ?1 AND parent IS NOT NULL
               AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)";
    let hamlets = units::parse(HAMLETS.as_bytes()).unwrap();
    for hamlet in &hamlets {
        let unit = realm.code(&hamlet.code, BEFORE);
        assert_eq!(
            unit,
            realm.code(&hamlet.code, DAY),
            "a hamlet outlives its commune"
        );
        let mut day = date(2025, 6, 1);
        while day < date(2025, 8, 1) {
            let parents: u32 = realm
                .conn
                .query_row(sql, (unit.to_bytes(), day.to_string()), |row| row.get(0))
                .unwrap();
            assert_eq!(parents, 1, "{} on {day}", hamlet.code);
            day = day.tomorrow().unwrap();
        }
        let parent = |day| {
            let tree = realm.tree(day);
            tree.ancestors(unit).next().unwrap().code.clone()
        };
        assert_eq!(parent(BEFORE), hamlet.parent_code);
        assert_eq!(parent(DAY), decree[&hamlet.parent_code]);
    }
}

#[test]
fn neighbours_that_fold_to_one_name_go_different_ways() {
    let mut realm = Realm::province();
    let (hung, hung_) = (realm.code("15367", BEFORE), realm.code("15379", BEFORE));
    realm.reform(REFORM, NO_ROLES, Unknown::Refuse).unwrap();
    let (before, after) = (realm.tree(BEFORE), realm.tree(DAY));
    let name = |unit: UnitId| before.unit(unit).unwrap().name.clone();
    assert_eq!(
        (name(hung), name(hung_)),
        ("Xã Vĩnh Hưng".into(), "Xã Vĩnh Hùng".into())
    );
    let went = |unit| after.unit(after.heir(unit).unwrap()).unwrap().name.clone();
    assert_eq!(
        (went(hung), went(hung_)),
        ("Xã Vĩnh Lộc".into(), "Xã Biện Thượng".into())
    );
    // All the pairs of the province, by code: each old unit is where its line says.
    for row in parse(REFORM.as_bytes()).unwrap() {
        let old = before.units().find(|unit| unit.code == row.old_code).unwrap();
        let heir = after.unit(after.heir(old.id).unwrap()).unwrap();
        assert_eq!(
            (&heir.code, &heir.name),
            (&row.new_code, &row.new_name),
            "{}",
            row.old_name
        );
    }
}

#[test]
fn a_code_means_the_town_before_and_the_commune_after() {
    let mut realm = Realm::province();
    realm.reform(REFORM, NO_ROLES, Unknown::Refuse).unwrap();
    let (town, commune) = (realm.code("15349", BEFORE), realm.code("15349", DAY));
    assert_ne!(town, commune);
    assert_eq!(realm.tree(BEFORE).unit(town).unwrap().name, "Thị trấn Vĩnh Lộc");
    assert_eq!(realm.tree(DAY).unit(commune).unwrap().name, "Xã Vĩnh Lộc");
    assert!(realm.tree(DAY).predecessors(commune).contains(&town));
    assert_eq!(realm.tree(DAY).predecessors(commune).len(), 5);
    // One that goes nowhere alone and keeps its code stays who it is, under another name.
    let muong_lat = realm.code("14845", BEFORE);
    assert_eq!(muong_lat, realm.code("14845", DAY));
    let name = |day| realm.tree(day).unit(muong_lat).unwrap().name.clone();
    assert_eq!(
        (name(BEFORE), name(DAY)),
        ("Thị trấn Mường Lát".into(), "Xã Mường Lát".into())
    );
}

#[test]
fn roles_go_with_their_units_or_where_the_file_says_and_the_rest_is_listed() {
    let mut realm = Realm::province();
    let (district, hung) = (realm.code("393", BEFORE), realm.code("15367", BEFORE));
    realm.account("quantri", Role::Admin, district);
    realm.account("lanhdao", Role::Leader, district);
    let official = realm.account("canbo", Role::Official, hung);
    let refused = realm.reform(REFORM, NO_ROLES, Unknown::Refuse).unwrap_err();
    assert!(
        refused.to_string().contains("no admin would be left"),
        "{refused}"
    );
    assert_eq!(realm.tree(DAY).units().count(), 685, "nothing was changed");

    let roles = "username,role,old_code,new_code\nquantri,admin,393,38\n";
    let report = realm.reform(REFORM, roles, Unknown::Refuse).unwrap();
    assert_eq!(
        report.without_reach,
        [("lanhdao".to_owned(), "leader", "393".to_owned())]
    );
    let on = |account, day| -> Vec<Grant> {
        let held = realm::held_by(&realm.conn, account).unwrap();
        held.iter()
            .filter(|held| held.on(day))
            .map(|held| held.grant)
            .collect()
    };
    assert_eq!(on(official, BEFORE), [Grant::new(hung, Role::Official)]);
    let vinh_loc = realm.code("15349", DAY);
    assert_eq!(on(official, DAY), [Grant::new(vinh_loc, Role::Official)]);
    assert_eq!(on(official, DAY)[0].personal, Personal::Read);
    let bad = "username,role,old_code,new_code\nnobody,admin,393,38\nlanhdao,admin,393,38\n";
    let refused = Realm::province()
        .reform(REFORM, bad, Unknown::Refuse)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("line 2") && refused.contains("line 3"),
        "{refused}"
    );
}

#[test]
fn a_realm_that_is_a_part_takes_its_part_of_the_decree() {
    let mut realm = Realm::new();
    let district: String = PROVINCE_2024
        .lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            ["code", "38", "393"].contains(&fields[0]) || fields[1] == "393"
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(realm.import(&district, date(2020, 1, 1)).unwrap(), 15);
    let refused = realm
        .reform(REFORM, NO_ROLES, Unknown::Refuse)
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused.lines().count(),
        534,
        "every line that is not ours is named"
    );
    let report = realm.reform(REFORM, NO_ROLES, Unknown::Skip).unwrap();
    assert_eq!(
        (report.merged, report.kept, report.abolished, report.skipped),
        (13, 0, 1, 534)
    );
    let names: BTreeSet<String> = realm.tree(DAY).units().map(|unit| unit.name.clone()).collect();
    let expected = ["Tỉnh Thanh Hóa", "Xã Vĩnh Lộc", "Xã Tây Đô", "Xã Biện Thượng"];
    assert_eq!(names, expected.map(str::to_owned).into());
}

#[test]
fn a_file_about_something_else_is_refused_line_by_line_and_nothing_is_done() {
    let header = "effective_from,old_code,old_name,new_code,new_name\n";
    let cases = [
        (
            "2025-07-01,15367,Xã Vĩnh Hùng,15349,Xã Vĩnh Lộc\n",
            "line 2: 15367 is Xã Vĩnh Hưng",
        ),
        (
            "2025-07-01,15367,Xã Vĩnh Hưng,15349,Xã Vĩnh Lộc\n",
            "15352 Xã Vĩnh Quang is not in the file",
        ),
        (
            "2025-07-01,99999,Xã X,15349,Xã Vĩnh Lộc\n",
            "line 2: there is no unit",
        ),
        (
            "2025-07-01,15367,Xã Vĩnh Hưng,1,A\n2025-07-02,15367,Xã Vĩnh Hưng,1,B\n",
            "line 3: another day",
        ),
    ];
    let mut realm = Realm::province();
    for (body, problem) in cases {
        let refused = realm.reform(&format!("{header}{body}"), NO_ROLES, Unknown::Refuse);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    assert_eq!(realm.tree(DAY).units().count(), 685);
    let changed = realm.import(
        "code,parent_code,level,name\n15367,393,commune,Xã Vĩnh Hùng\n",
        DAY,
    );
    assert!(
        changed.unwrap_err().to_string().starts_with("line 2"),
        "an import renames nothing"
    );
}

#[test]
fn one_unit_is_created_renamed_moved_split_merged_and_abolished_from_a_day_on() {
    let mut realm = Realm::province();
    let commune = realm.code("15367", BEFORE);
    let other = realm.code("15379", BEFORE);
    let hamlet = realm.code("15367.01", BEFORE);
    let second = realm.code("15367.02", BEFORE);
    let account = realm.account("lan", Role::Member, hamlet);
    let days = [1, 2, 3, 4, 5].map(|day| date(2026, 1, day));
    let new = realm.fresh();
    let part = |code: &str| Part {
        code: code.into(),
        name: code.into(),
    };
    let period = |code: &str| Period {
        level: "hamlet".into(),
        code: code.into(),
        name: code.into(),
        parent: Some(commune),
    };
    let halves = [realm.fresh(), realm.fresh()];
    let split = vec![(halves[0], part("a")), (halves[1], part("b"))];
    let changes = [
        Change::Rename {
            unit: hamlet,
            name: "Thôn Bái Xuân".into(),
            code: None,
        },
        Change::Move {
            unit: hamlet,
            parent: Some(other),
        },
        Change::Merge {
            units: vec![hamlet],
            into: second,
        },
        Change::Split {
            unit: second,
            into: split,
        },
        Change::Create {
            unit: new,
            period: period("c"),
        },
    ];
    for (day, change) in days.iter().zip(&changes) {
        let tx = realm.conn.transaction().unwrap();
        let permit = console(realm::all_units(&tx).unwrap());
        change::change(&tx, &permit, *day, change, &By::console(0)).unwrap();
        tx.commit().unwrap();
    }
    let on = |day: Date, unit| realm.tree(day).unit(unit).cloned();
    assert_eq!(on(days[0], hamlet).unwrap().name, "Thôn Bái Xuân");
    assert_eq!(on(days[1], hamlet).unwrap().parent, Some(other));
    assert_eq!(
        on(days[0], hamlet).unwrap().parent,
        Some(commune),
        "history stays"
    );
    assert!(on(days[2], hamlet).is_none() && on(days[3], second).is_none());
    let tree = realm.tree(days[4]);
    assert_eq!(
        tree.heir(hamlet),
        Some(halves[0]),
        "by way of the second hamlet to its main successor"
    );
    let held = realm::held_by(&realm.conn, account).unwrap();
    let last = held.iter().find(|held| held.on(days[4])).unwrap();
    assert_eq!(last.grant.unit, halves[0]);
    // What cannot be.
    let mut refuse = |day, change| {
        let tx = realm.conn.transaction().unwrap();
        let permit = console(realm::all_units(&tx).unwrap());
        let done = change::change(&tx, &permit, day, &change, &By::console(0));
        done.unwrap_err().to_string()
    };
    let cycle = Change::Move {
        unit: commune,
        parent: Some(new),
    };
    assert!(refuse(days[4], cycle).contains("own ancestor"));
    assert!(
        refuse(
            days[4],
            Change::Abolish {
                unit: other,
                heir: None
            }
        )
        .contains("move them first")
    );
    assert!(
        refuse(
            days[0],
            Change::Abolish {
                unit: hamlet,
                heir: None
            }
        )
        .contains("history is not edited")
    );
    let code = Change::Rename {
        unit: new,
        name: "x".into(),
        code: Some("a".into()),
    };
    assert!(refuse(days[4], code).contains("the code a"));
}
