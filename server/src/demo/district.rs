//! Vĩnh Lộc as it stood in 2024, with its teams, an official for each commune, a leader and an admin.

use std::path::Path;

use anyhow::Context;
use data_encoding::BASE32_NOPAD;
use jiff::civil::Date;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::ids::{AccountId, RecordId, UnitId};

use crate::accounts::fresh_account;
use crate::app::open_data;
use crate::audit::By;
use crate::catalogue;
use crate::clock::{Clock, random, random_bits};
use crate::drive::people;
use crate::policy::{self, Grant, Role};
use crate::realm::{self, Account};
use crate::session::hash_password;
use crate::store::Store;
use crate::teams::{add_codes, add_teams};
use crate::units;

/// Province, district, communes and hamlets; its README tells where they come from.
const UNITS: &str = include_str!("../../data/vinh-loc-2024.csv");
/// What records refer to.
const CATALOGUE: &str = include_str!("../../data/catalogue.csv");
/// The district's code.
const DISTRICT: &str = "393";
/// The first day on which these units hold.
const SINCE: Date = Date::constant(2024, 1, 1);
/// A second phone is in every hamlet of this many.
pub(super) const SECOND_PHONE_EVERY: usize = 10;

/// Somebody who can log in.
pub(super) struct Login {
    pub(super) role: &'static str,
    pub(super) username: String,
    pub(super) password: String,
}

/// A hamlet, and a code for each of its phones.
pub(super) struct Hamlet {
    pub(super) unit: UnitId,
    pub(super) codes: Vec<String>,
}

/// The district, ready for its phones.
pub(super) struct District {
    pub(super) unit: UnitId,
    pub(super) hamlets: Vec<Hamlet>,
    pub(super) leader_code: String,
    pub(super) logins: Vec<Login>,
}

/// Makes the realm in an empty data directory.
pub(super) fn set_up(data: &Path, seed: u64) -> anyhow::Result<District> {
    let (store, _) = open_data(data)?;
    let (rows, now_ms) = (units::parse(UNITS.as_bytes())?, Clock::system().now_ms());
    let fresh = move || UnitId::from_parts(now_ms as u64, random_bits());
    store.write_blocking(move |tx| {
        let by = By::console(now_ms);
        units::import(tx, &policy::console([]), &by, &rows, SINCE, fresh)
    })?;
    let entries = catalogue::parse(CATALOGUE.as_bytes())?;
    store.write_blocking(move |tx| {
        let fresh = || RecordId::from_parts(now_ms as u64, random_bits());
        let permit = policy::console(realm::all_units(tx)?);
        catalogue::import(tx, &permit, &entries, &By::console(now_ms), fresh).map(drop)
    })?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut people = || people::name(&mut rng);

    let tree = store.read_blocking(|conn| realm::tree(conn, crate::clock::day_of(now_ms)))?;
    let district = tree
        .units()
        .find(|unit| unit.code == DISTRICT)
        .context("the district is missing")?
        .id;
    let (leader, leads) = add_person(&store, "lanhdao", people(), Role::Leader, district)?;
    // Who manages the whole realm also sees its audit, and changes its catalogue.
    let top = tree.roots().first().copied().unwrap_or(district);
    let (_, administers) = add_person(&store, "quantri", people(), Role::Admin, top)?;
    let mut logins = vec![leads, administers];
    for commune in tree.units().filter(|unit| unit.parent == Some(district)) {
        let (username, role) = (format!("cb-{}", commune.code), Role::Official);
        // One of them can be tried out; a password for each would take seconds to hash.
        if logins.iter().any(|login| login.role == role.code()) {
            add_account(&store, username, people(), None, role, commune.id)?;
        } else {
            logins.push(add_person(&store, &username, people(), role, commune.id)?.1);
        }
    }
    let hamlets = add_teams(&store)?.into_iter().enumerate().map(|(at, team)| {
        let mut codes = add_codes(&store, team.account, 1)?;
        if at % SECOND_PHONE_EVERY == 0 {
            let username = format!("{}-2", team.username);
            let second = add_account(&store, username, people(), None, Role::Member, team.unit.id)?;
            codes.extend(add_codes(&store, second, 1)?);
        }
        Ok(Hamlet {
            unit: team.unit.id,
            codes,
        })
    });
    Ok(District {
        unit: district,
        hamlets: hamlets.collect::<anyhow::Result<_>>()?,
        leader_code: add_codes(&store, leader, 1)?.concat(),
        logins,
    })
}

/// Somebody with a role in the district and a fresh password.
fn add_person(
    store: &Store,
    username: &str,
    name: String,
    role: Role,
    unit: UnitId,
) -> anyhow::Result<(AccountId, Login)> {
    let password = BASE32_NOPAD.encode(&random::<8>()).to_lowercase();
    let hash = hash_password(&password, random()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let account = add_account(store, username.to_owned(), name, Some(hash), role, unit)?;
    Ok((
        account,
        Login {
            role: role.code(),
            username: username.to_owned(),
            password,
        },
    ))
}

fn add_account(
    store: &Store,
    username: String,
    display_name: String,
    password_hash: Option<String>,
    role: Role,
    unit: UnitId,
) -> anyhow::Result<AccountId> {
    let (id, now_ms) = (fresh_account(), Clock::system().now_ms());
    store.write_blocking(move |tx| {
        realm::add_account(
            tx,
            &Account {
                id,
                display_name,
                password_hash,
            },
            &username,
            now_ms,
        )?;
        realm::grant(tx, id, Grant::new(unit, role), crate::clock::day_of(now_ms)).map(drop)
    })?;
    Ok(id)
}
