//! What the documents say of the phone: the README's session, and what each command prints.

use std::process::Command;

use serde_json::{Value, json};

use crate::district::District;

const README: &str = include_str!("../../../README.md");
/// How the README calls the phone.
const CALL: &str = "cargo run --quiet -p mobile-ffi --bin langso-phone -- --home phone1";

/// The block of the README that begins with the phone's alias.
fn session() -> Vec<&'static str> {
    let (_, after) = README.split_once("```sh\nalias phone=").unwrap();
    let (block, _) = after.split_once("```").unwrap();
    block.lines().collect()
}

#[test]
fn the_session_of_the_readme_does_what_it_shows() {
    let district = District::start();
    let lines = session();
    let (alias, commands) = lines.split_first().unwrap();
    assert!(alias.starts_with(&format!("'{CALL}'")), "{alias}");
    assert_eq!(lines.len(), 5, "README shows a session of five lines");
    let mut script = format!(
        "set -e\nphone() {{ '{}' --home phone1 \"$@\"; }}\n",
        env!("CARGO_BIN_EXE_langso-phone")
    );
    for command in commands {
        script.push_str(
            &command
                .replace("http://127.0.0.1:8080", &district.url)
                .replace("CODE", &district.codes[0]),
        );
        script.push('\n');
    }
    let output = Command::new("sh")
        .arg("-c")
        .arg(&script)
        .current_dir(district.dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let rows: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(
        (&rows[0]["citizen_name"], &rows[0]["delivery"]),
        (&"Lê Thị Hoa".into(), &"delivered".into())
    );
}

const DOCUMENT: &str = include_str!("../../../docs/langso-phone.md");

/// Every key in a value, at any depth.
fn keys(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                into.push(key.clone());
                keys(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_command_and_every_key_that_is_printed_is_in_the_document() {
    let district = District::start();
    district.publish("kind,code,name_vi\nprocedure,1.004194,Đăng ký tạm trú\n");
    let (head, deputy) = (district.phone("head", 0), district.phone("deputy", 1));
    let official = district.official("official");
    let id = head.record("Lê Thị Hoa");
    let mut printed = vec![json!({ "id": id }), head.json(&["sync"])];
    deputy.json(&["sync"]);
    official.json(&["sync"]);
    for (phone, note) in [(&head, "thứ hai"), (&deputy, "thứ ba")] {
        printed.push(phone.json(&["amend", &id, "--note", note]));
        phone.json(&["sync"]);
    }
    official.json(&["remark", &id, "verified"]);
    let home = head.json(&["status"])["homes"][0].clone();
    official.issue("Rà soát", home.as_str().unwrap());
    official.json(&["sync"]);
    deputy.json(&["sync"]);
    for command in [
        vec!["list"],
        vec!["show", &id],
        vec!["conflicts"],
        vec!["directives"],
        vec!["procedures"],
        vec!["status"],
    ] {
        printed.push(deputy.json(&command));
    }
    printed.push(official.json(&["remarks", &id]));
    district.suspend();
    head.record("Trần Văn Nam");
    head.json(&["sync"]);
    printed.push(head.json(&["set-aside"]));
    for value in &printed {
        assert!(
            !matches!(value, Value::Array(items) if items.is_empty()),
            "{printed:?}"
        );
        let mut found = Vec::new();
        keys(value, &mut found);
        for key in found {
            let named = [format!("`{key}`"), format!("\"{key}\"")];
            assert!(
                named.iter().any(|name| DOCUMENT.contains(name)),
                "{key} is not in the document"
            );
        }
    }
    let help = Command::new(env!("CARGO_BIN_EXE_langso-phone"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty());
    for name in names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
    {
        assert!(
            DOCUMENT.contains(&format!("| `{name}")),
            "{name} is not in the document"
        );
    }
}
