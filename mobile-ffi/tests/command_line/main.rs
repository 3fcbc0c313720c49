//! `langso-phone` through its real door: a process, a server on a port, exit codes and JSON.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

mod district;
mod documents;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use district::{District, Phone};

#[test]
fn a_district_can_be_scripted() {
    let district = District::start();
    let (head, deputy) = (district.phone("head", 0), district.phone("deputy", 1));
    let id = head.record("Lê Thị Hoa");
    assert_eq!(head.json(&["status"])["pending"], 1);
    assert_eq!(head.json(&["sync"])["confirmed"], 1);
    deputy.json(&["sync"]);
    let seen = deputy.json(&["show", &id]);
    assert_eq!(
        (&seen["citizen_name"], &seen["delivery"]),
        (&"Lê Thị Hoa".into(), &"delivered".into())
    );

    for (phone, note) in [(&head, "thứ hai"), (&deputy, "thứ ba")] {
        assert_eq!(phone.json(&["amend", &id, "--note", note])["changed"], true);
        phone.json(&["sync"]);
    }
    let conflicts = deputy.json(&["conflicts"]);
    let value = &conflicts[0]["values"][1]["id"];
    deputy.json(&["resolve", &id, "note", value.as_str().unwrap()]);
    assert_eq!(deputy.json(&["conflicts"]), json!([]));
    deputy.json(&["sync"]);
    head.json(&["sync"]);
    for (phone, people) in [(&head, "2"), (&deputy, "3")] {
        phone.json(&["amend", &id, "--people", people]);
    }
    head.json(&["sync"]);
    deputy.json(&["sync"]);
    let unfit = deputy.fails(&["resolve", &id, "people", "--other", "many"]);
    assert_eq!(unfit, (6, "field_people".to_owned()));
    let settled = deputy.json(&["resolve", &id, "people", "--other", "4"]);
    assert_eq!(settled, json!({ "changed": true }));
    let over = deputy.fails(&["resolve", &id, "people", "--other", "4"]);
    assert_eq!(over, (6, "no_such_conflict".to_owned()));
    assert_eq!(deputy.run(&["resolve", &id, "people"]).status.code(), Some(2));
    deputy.json(&["retract", &id, "--reason", "citizen_request"]);
    deputy.json(&["sync"]);
    head.json(&["sync"]);
    let rows = head.json(&["list"]);
    assert_eq!(
        (rows.as_array().unwrap().len(), &rows[0]["retracted"]),
        (1, &"citizen_request".into())
    );
    assert_eq!(rows[0]["people"], 4);
}

#[test]
fn exit_codes_tell_a_script_what_to_do() {
    let district = District::start();
    let stranger = Phone(district.dir.path().join("stranger"));
    assert_eq!(stranger.fails(&["status"]), (3, "not_enrolled".to_owned()));
    assert_eq!(stranger.run(&["frobnicate"]).status.code(), Some(2));
    let refused = stranger.fails(&["enrol", &district.url, "NO-SUCH-CODE"]);
    assert_eq!(refused, (3, "code_unknown".to_owned()));
    let away = stranger.fails(&["enrol", "http://127.0.0.1:9", "CODE"]);
    assert_eq!(away, (75, "unreachable".to_owned()));
    let head = district.phone("head", 0);
    // Who is enrolled keeps its server, whatever else is tried.
    let again = head.fails(&["enrol", "http://127.0.0.1:9", "CODE"]);
    assert_eq!(again, (6, "enrolled_already".to_owned()));
    assert!(head.run(&["sync"]).status.success());
    let unfit = head.fails(&["record", "--category", "x", "--outcome", "y", "--people", "0"]);
    assert_eq!(unfit, (6, "field_people".to_owned()));
    assert_eq!(head.run(&["record", "--category", "x"]).status.code(), Some(2));
    assert_eq!(
        head.fails(&["show", "01JF0000000000000000000000"]),
        (6, "no_such_record".to_owned())
    );
    std::fs::write(head.0.join("key"), "00".repeat(32)).unwrap();
    assert_eq!(head.fails(&["status"]), (7, "store_wrong_key".to_owned()));
}

#[test]
fn a_remark_is_made_and_answered_and_a_procedure_found() {
    let district = District::start();
    district.publish("kind,code,name_vi\nprocedure,1.004194,Đăng ký tạm trú\nprocedure,2.000815,Nộp hồ sơ\n");
    let head = district.phone("head", 0);
    let official = district.official("official");
    let id = head.record("Lê Thị Hoa");
    head.json(&["sync"]);
    official.json(&["sync"]);
    let asked = official.json(&["remark", &id, "question", "--words", "Hồ sơ nào?"]);
    assert_eq!(asked["changed"], true);
    official.json(&["sync"]);
    head.json(&["sync"]);
    let remarks = head.json(&["remarks", &id]);
    assert_eq!(
        (&remarks[0]["kind"], &remarks[0]["words"]),
        (&json!("question"), &json!("Hồ sơ nào?"))
    );
    let question = remarks[0]["id"].as_str().unwrap();
    assert_eq!(head.json(&["answer", question, "Thẻ bảo hiểm"])["changed"], true);
    head.json(&["sync"]);
    official.json(&["sync"]);
    let answers = official.json(&["remarks", &id]);
    assert!(
        answers
            .as_array()
            .unwrap()
            .iter()
            .any(|remark| { remark["answers"] == *question && remark["words"] == "Thẻ bảo hiểm" }),
        "{answers}"
    );
    let nobody = head.fails(&["answer", "01JF0000000000000000000000", "?"]);
    assert_eq!(nobody, (6, "no_such_record".to_owned()));

    let found = head.json(&["procedures", "ho so"]);
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["code"]),
        (1, &json!("2.000815"))
    );
    assert_eq!(head.json(&["procedures"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_directive_is_read_and_reported_done() {
    let district = District::start();
    let (head, official) = (district.phone("head", 0), district.official("official"));
    let home = head.json(&["status"])["homes"][0].clone();
    let id = official.issue("Rà soát định danh điện tử", home.as_str().unwrap());
    official.json(&["sync"]);
    head.json(&["sync"]);
    let seen = head.json(&["directives"]);
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(
        (&seen[0]["id"], &seen[0]["urgency"]),
        (&json!(id), &json!("urgent"))
    );
    let silent = head.fails(&["ack", &id, "cannot"]);
    assert_eq!(silent.0, 6, "who cannot says why: {silent:?}");
    for (stage, due) in [("acknowledged", "open"), ("done", "finished")] {
        head.json(&["ack", &id, stage, "--note", "12 hộ"]);
        let seen = head.json(&["directives"]);
        assert_eq!((&seen[0]["stage"], &seen[0]["due"]), (&json!(stage), &json!(due)));
    }
    let report = head.json(&["sync"]);
    assert_eq!(
        (&report["refused"], &report["finished"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(head.json(&["status"])["pending"], 0);
}

#[test]
fn what_the_server_did_not_merge_is_set_aside_and_listed() {
    let district = District::start();
    let head = district.phone("head", 0);
    assert_eq!(head.json(&["set-aside"]), json!([]));
    district.suspend();
    let id = head.record("Lê Thị Hoa");
    let report = head.json(&["sync"]);
    assert_eq!((&report["refused"], &report["wiped"]), (&json!(1), &json!(false)));
    let aside = head.json(&["set-aside"]);
    assert_eq!(
        (&aside[0]["record"], &aside[0]["discarded"]),
        (&json!(id), &Value::Null)
    );
    assert!(aside[0]["code"].is_string());
    assert_eq!(aside[0]["shown"]["citizen_name"], "Lê Thị Hoa");
    let status = head.json(&["status"]);
    assert_eq!((&status["pending"], &status["refused"]), (&json!(1), &json!(1)));
}

#[test]
fn a_phone_that_was_revoked_delivers_and_is_gone() {
    let district = District::start();
    let head = district.phone("head", 0);
    head.record("Lê Thị Hoa");
    district.revoke(head.json(&["status"])["device"].as_str().unwrap());
    let report = head.json(&["sync"]);
    assert_eq!(
        (&report["wiped"], &report["refused"], &report["finished"]),
        (&json!(true), &json!(1), &json!(true))
    );
    let left: Vec<_> = std::fs::read_dir(&head.0).unwrap().collect();
    assert!(left.is_empty(), "the key goes with the vault: {left:?}");
    assert_eq!(head.fails(&["list"]), (3, "not_enrolled".to_owned()));
    // The directory is a new phone for who has a new code.
    assert!(
        head.run(&["enrol", &district.url, &district.codes[1]])
            .status
            .success()
    );
    assert_eq!(
        head.json(&["list"]),
        json!([]),
        "what an official has not decided is not here"
    );
}

#[test]
fn a_full_storage_refuses_the_entry_and_keeps_every_other() {
    let district = District::start();
    let head = district.phone("head", 0);
    let id = head.record("Lê Thị Hoa");
    let entry = ["record", "--category", "dich_vu_cong", "--outcome", "hoan_thanh"];
    assert_eq!(when_full(&head, &entry), (5, "store_full".to_owned()));
    let rows = head.json(&["list"]);
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["id"]), (1, &id.into()));
    assert_eq!(head.json(&["sync"])["confirmed"], 1);
}

#[test]
fn a_full_storage_takes_no_answer_and_asks_for_it_again() {
    let district = District::start();
    let (head, deputy) = (district.phone("head", 0), district.phone("deputy", 1));
    head.record("Lê Thị Hoa");
    head.json(&["sync"]);
    deputy.record("Trần Văn Nam");
    assert_eq!(when_full(&deputy, &["sync"]), (5, "store_full".to_owned()));
    assert_eq!(deputy.json(&["status"])["pending"], 1, "no receipt was kept");
    assert_eq!(deputy.json(&["list"]).as_array().unwrap().len(), 1);
    // The server had it already; it is told so once more, and nothing is there twice.
    assert_eq!(deputy.json(&["sync"])["confirmed"], 1);
    head.json(&["sync"]);
    for phone in [&head, &deputy] {
        assert_eq!(phone.json(&["list"]).as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_full_storage_makes_no_half_a_phone() {
    let district = District::start();
    let head = Phone(district.dir.path().join("head"));
    for blocks in [0, 1] {
        let full = when_no_larger(&head, &["enrol", &district.url, &district.codes[0]], blocks);
        assert_eq!(full, (5, "store_full".to_owned()), "{blocks} blocks");
    }
    let enrolled = head.run(&["enrol", &district.url, &district.codes[0]]);
    assert!(enrolled.status.success(), "the same code: {enrolled:?}");
}

/// How a command fails where no file may grow beyond a few hundred bytes: who writes more gets an error, as from a full
/// disk. The exit code, and the code that the error names.
fn when_full(phone: &Phone, arguments: &[&str]) -> (i32, String) {
    when_no_larger(phone, arguments, 1)
}

/// The same where no file may grow beyond so many blocks.
fn when_no_larger(phone: &Phone, arguments: &[&str], blocks: u32) -> (i32, String) {
    let limited = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {} --home {} --json {}",
        env!("CARGO_BIN_EXE_langso-phone"),
        quoted(&phone.0),
        arguments.join(" "),
    );
    let output = Command::new("sh").arg("-c").arg(limited).output().unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"], "storage_full");
    (
        output.status.code().unwrap(),
        error["code"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn a_phone_is_one_process_at_a_time() {
    let district = District::start();
    let head = district.phone("head", 0);
    let held = head.vault();
    assert_eq!(head.fails(&["status"]), (75, "store_in_use".to_owned()));
    drop(held);
    head.json(&["status"]);
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}
