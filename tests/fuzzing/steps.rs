//! One step of a sequence: an honest phone does something, or the hostile one sends a lie.

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use sync_core::document::Document;

use crate::lies;
use crate::village::{HOSTILE, Village, take, works_on};

/// How often a lie was answered in which way.
pub type Counts = BTreeMap<String, u64>;

/// One step of somebody, or a lie and how it was answered.
pub fn step(village: &mut Village, rng: &mut impl Rng, counts: &mut Counts) {
    let phone = rng.random_range(0..2);
    match rng.random_range(0..10) {
        0 => village.edit(phone, rng),
        1 => village.push(phone),
        2 => village.pull(phone),
        3 => village.restart(phone),
        4 => {
            let lie = lies::change(rng, &village.phones[phone].clone(), &village.server).cast();
            to_a_phone(&village.phones[phone], &lie, rng);
        }
        5 => {
            // Two in one batch, the second on the first or beside it.
            let first = lies::change(rng, &village.server, &village.server);
            let mut second = lies::change(rng, &village.server, &village.server);
            if rng.random_bool(0.7) {
                second.deps = vec![sync_core::preflight::chunk_hash(&first.cast())];
                second.start_op = first.start_op.saturating_add(first.ops.len() as u64);
                second.seq = if second.actor == first.actor {
                    first.seq.saturating_add(1)
                } else {
                    second.seq
                };
            }
            if rng.random_bool(0.3) {
                for op in &mut second.ops {
                    op.object = first.ops.first().and_then(|op| op.object).or(Some(first.id(0)));
                }
            }
            tell(village, &[first.cast(), second.cast()], counts);
        }
        _ => {
            let seen = match rng.random_range(0..3) {
                0 => village.server.clone(),
                _ => village.phones[phone].clone(),
            };
            let lie = lies::change(rng, &seen, &village.server).cast();
            let lie = if rng.random_bool(0.1) {
                lies::bent_chunk(rng, &lie)
            } else {
                lie
            };
            tell(village, &[lie], counts);
        }
    }
}

fn tell(village: &mut Village, chunks: &[Vec<u8>], counts: &mut Counts) {
    let answer = match village.deliver(HOSTILE, chunks) {
        Ok(0) => "duplicate".to_owned(),
        Ok(_) => "taken".to_owned(),
        Err(refusal) => refusal
            .to_string()
            .split(|c: char| c.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    *counts.entry(answer).or_default() += 1;
}

/// A hostile server gives a lie to a phone. If the phone takes it, it must still work and load – on its own, for the
/// real server does not have it.
fn to_a_phone(phone: &Document, lie: &[u8], rng: &mut impl Rng) {
    let mut phone = phone.clone();
    if take(&mut phone, &[lie]).is_ok() {
        works_on(phone, rng);
    }
}
