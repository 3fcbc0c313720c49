//! Stories of programs that read the merged records.

use std::collections::BTreeSet;

use serde_json::Value;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::record::RetractReason;

use crate::harness::Village;

const DAY_MS: i64 = 24 * 3600 * 1000;

fn get(village: &mut Village, path: &str) -> (u16, Value) {
    let answered = village.honest[0].get(path);
    let answer = village.runtime.block_on(answered).unwrap();
    let body = serde_json::from_slice(&answer.body).unwrap();
    (answer.status.as_u16(), body)
}

/// The ids that a query finds.
fn found(village: &mut Village, query: &str) -> BTreeSet<String> {
    let path = format!("/v1/records{query}");
    let records = village.honest[0].get_all(&path);
    let records = village.runtime.block_on(records).unwrap();
    let ids: Vec<String> = records
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "nothing comes twice");
    distinct
}

fn day(at_ms: i64) -> String {
    langso_server::clock::day_of(at_ms).to_string()
}

#[test]
fn records_are_found_by_unit_day_category_outcome_and_state() {
    let mut village = Village::new();
    let now_ms = village.now_ms();
    let (old, taken_back) = (village.log(0), village.log(0));
    let set = |record, field| Edit::AmendAssistance {
        record,
        fields: vec![field],
    };
    village.edit(0, &set(old, AssistanceField::OccurredAt(now_ms - 40 * DAY_MS)));
    village.edit(0, &set(old, AssistanceField::Category("viec_rieng".into())));
    village.edit(0, &set(old, AssistanceField::Outcome("that_bai".into())));
    village.edit(0, &set(taken_back, AssistanceField::Outcome("hoan_thanh".into())));
    village.edit(
        0,
        &Edit::RetractAssistance {
            record: taken_back,
            reason: RetractReason::Mistake,
        },
    );
    village.sync(0);
    let (old, taken_back) = (old.to_string(), taken_back.to_string());
    let all = found(&mut village, "");
    assert_eq!(all.len(), 4);

    let before = format!("?to={}", day(now_ms - 39 * DAY_MS));
    assert_eq!(found(&mut village, &before), BTreeSet::from([old.clone()]));
    let on_the_day = format!("?from={0}&to={0}", day(now_ms - 40 * DAY_MS));
    assert_eq!(found(&mut village, &on_the_day), BTreeSet::from([old.clone()]));
    let since = format!("?from={}", day(now_ms - 39 * DAY_MS));
    assert_eq!(found(&mut village, &since).len(), 3);
    assert!(found(&mut village, "?category=viec_rieng").contains(&old));
    assert_eq!(
        found(&mut village, "?outcome=that_bai&category=viec_rieng"),
        BTreeSet::from([old.clone()])
    );
    assert_eq!(
        found(&mut village, "?retracted=true"),
        BTreeSet::from([taken_back])
    );
    assert_eq!(found(&mut village, "?retracted=false").len(), 3);
    let hamlet = village.hamlet;
    assert_eq!(found(&mut village, &format!("?unit={hamlet}")), all);
}

#[test]
fn a_list_is_read_page_by_page_and_every_record_comes_once() {
    let mut village = Village::new();
    for _ in 0..9 {
        village.log(0);
    }
    village.sync(0);
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&mut village, &format!("/v1/records?limit=2{cursor}"));
        assert_eq!(status, 200);
        let records = page["items"].as_array().unwrap();
        assert!(records.len() <= 2);
        ids.extend(records.iter().map(|record| record["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids.len(), 11);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 11);
}

#[test]
fn what_cannot_be_asked_is_refused_and_what_may_not_be_seen_is_not_there() {
    let mut village = Village::new();
    let absurd = [
        "?limit=0",
        "?limit=100000",
        "?from=yesterday",
        "?to=9999-99-99",
        "?unit=x",
        "?cursor=AAAA",
        "?retracted=perhaps",
        "?include=everything",
        "?unknown=1",
    ];
    for query in absurd {
        let (status, problem) = get(&mut village, &format!("/v1/records{query}"));
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some("parameter_invalid")),
            "{query}"
        );
    }
    let elsewhere = village.other_hamlet;
    let (status, problem) = get(&mut village, &format!("/v1/records?unit={elsewhere}"));
    let nowhere = sync_core::ids::UnitId::from_parts(1, 1);
    let (same, as_if) = get(&mut village, &format!("/v1/records?unit={nowhere}"));
    assert_eq!(
        (status, &problem["code"]),
        (same, &as_if["code"]),
        "no telling apart"
    );
    assert_eq!(status, 404);
}
