//! Stories of programs that read the API's own description: it tells what is there, and what it tells is true.
//!
//! That answers are as they are told, every story proves: `harness/described.rs` looks at each.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header;
use jiff::civil::date;
use langso_server::http::{Code, Operation, TAGS, routes};
use langso_server::policy::Role;
use serde_json::{Value, json};

use crate::harness::described::{document, misfits};
use crate::harness::office::{Answer, Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
";

fn office() -> Office {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    office
}

/// An office, and who may do something in it: a leader, and an admin.
fn staffed() -> (Office, [Credentials; 2]) {
    let office = office();
    let district = office.unit("393");
    let logged_in = [("lanh-dao", Role::Leader), ("quan-tri", Role::Admin)]
        .map(|(name, role)| office.log_in(office.account(name, role, district)));
    (office, logged_in)
}

/// Every operation that is described: method, path, and what is told of it.
fn told() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, told)| (method.to_uppercase(), path.as_str(), told))
    })
}

/// Every operation of the table, by method and path.
fn operations() -> BTreeMap<(String, String), Operation> {
    let described = routes().into_iter().filter_map(|route| {
        let operation = route.operation?;
        Some(((route.method.to_owned(), route.path.to_owned()), operation))
    });
    described.collect()
}

/// Every schema of what travels as JSON, with its examples and where it stands.
fn contents() -> Vec<(String, &'static Value, Vec<&'static Value>)> {
    let of = |place: &str, content: &'static Value| -> Option<_> {
        let (kind, content) = content.as_object()?.iter().next()?;
        let alone = content.get("example").into_iter();
        let named = content["examples"].as_object().into_iter().flatten();
        let examples = alone.chain(named.map(|(_, example)| &example["value"]));
        ["application/json", "application/problem+json"]
            .contains(&kind.as_str())
            .then(|| (place.to_owned(), &content["schema"], examples.collect()))
    };
    let mut contents = Vec::new();
    for (method, path, told) in told() {
        contents.extend(of(
            &format!("{method} {path}, body"),
            &told["requestBody"]["content"],
        ));
        for (status, answer) in told["responses"].as_object().unwrap() {
            contents.extend(of(&format!("{method} {path}, {status}"), &answer["content"]));
        }
    }
    contents
}

#[test]
fn every_route_of_programs_is_described_and_everything_described_is_routed() {
    let of_programs =
        |path: &str| path.starts_with("/v1/") || ["/healthz", "/readyz", "/openapi.json"].contains(&path);
    for route in routes() {
        assert_eq!(
            route.operation.is_some(),
            of_programs(route.path),
            "{route:?} is for programs and stands in server/src/http/api.rs, or it is a page"
        );
    }
    let told: BTreeSet<_> = told()
        .map(|(method, path, _)| (method, path.to_owned()))
        .collect();
    let routed: BTreeSet<_> = operations().into_keys().collect();
    assert_eq!(told, routed);
}

#[test]
fn every_operation_says_what_it_is_for_who_may_and_how_it_answers() {
    let mut ids = BTreeSet::new();
    for (method, path, told) in told() {
        let place = format!("{method} {path}");
        assert!(
            ids.insert(told["operationId"].as_str().unwrap()),
            "{place}: an id of its own"
        );
        assert!(!told["summary"].as_str().unwrap().is_empty(), "{place}");
        assert!(
            told["description"].as_str().unwrap().contains("**Who may**: "),
            "{place}"
        );
        assert!(
            TAGS.iter().any(|(tag, _)| told["tags"] == json!([tag])),
            "{place}"
        );
        assert!(
            !told["responses"]["200"]["content"].is_null(),
            "{place} is answered something"
        );
        assert!(told["responses"]["500"].is_object(), "{place} can fail");
        let in_path = told["parameters"].as_array().into_iter().flatten();
        let in_path = in_path.filter(|parameter| parameter["in"] == "path");
        let names: Vec<_> = in_path
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        assert_eq!(names.len(), path.matches('{').count(), "{place}");
        assert!(names.iter().all(|name| path.contains(name)), "{place}: {names:?}");
        for parameter in told["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{place}: {parameter}");
        }
    }
}

#[test]
fn the_document_refers_to_nothing_that_is_not_in_it_and_its_schemas_are_schemas() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(document(), &mut found);
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    let known: BTreeSet<_> = schemas
        .keys()
        .map(|name| format!("#/components/schemas/{name}"))
        .collect();
    assert_eq!(
        found.difference(&known).collect::<Vec<_>>(),
        [""; 0],
        "referred to and not there"
    );
    assert_eq!(
        known.difference(&found).collect::<Vec<_>>(),
        [""; 0],
        "there, and nobody refers to it"
    );
    for (name, schema) in schemas {
        assert!(
            jsonschema::draft202012::meta::is_valid(schema),
            "{name}: {schema:#}"
        );
    }
    assert_eq!(document()["openapi"], "3.1.0");
}

#[test]
fn every_code_is_told_in_the_one_shape_of_problems() {
    let words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(document()["components"]["schemas"]["Code"]["enum"], json!(words));
    for (place, schema, _) in contents() {
        let problem = schema.to_string().contains("#/components/schemas/Problem");
        assert_eq!(
            problem,
            !place.ends_with("200") && !place.ends_with("body"),
            "{place}"
        );
    }
}

#[test]
fn every_example_fits_its_schema_and_is_read_as_its_handler_reads_it() {
    let operations = operations();
    for (place, schema, examples) in contents() {
        assert!(!examples.is_empty(), "{place} has an example");
        for example in examples {
            assert_eq!(misfits(schema, example), [""; 0], "{place}: {example:#}");
        }
    }
    for (method, path, told) in told() {
        let Some(reads) = operations[&(method.clone(), path.to_owned())].sketch.reads else {
            continue;
        };
        let content = &told["requestBody"]["content"]["application/json"];
        let named = content["examples"].as_object().into_iter().flatten();
        let named = named.map(|(_, example)| &example["value"]);
        for example in content.get("example").into_iter().chain(named) {
            reads(example.clone()).unwrap_or_else(|error| panic!("{method} {path}: {error} in {example:#}"));
        }
    }
}

/// Whether a parameter of an export says that records are asked by it.
fn told_of_records(parameter: &Value) -> bool {
    let about = parameter["description"].as_str().unwrap();
    about.starts_with("Of records")
}

/// A path with the examples of its parameters, in the path and – but for units, which are others here – in the query.
fn filled(path: &str, told: &Value) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in told["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let example = match &parameter["example"] {
            Value::String(text) => text.replace(' ', "+"),
            other => other.to_string(),
        };
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &example),
            // Each file of an export can be asked something else: here it is records.
            Some("query") if path.starts_with("/v1/exports/") && !told_of_records(parameter) => {}
            Some("query")
                if (name != "unit" || parameter["required"] == true) && !parameter["example"].is_null() =>
            {
                query.push(format!("{name}={example}"));
            }
            _ => {}
        }
    }
    match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    }
}

#[test]
fn what_the_examples_ask_is_understood_by_the_router() {
    let (office, people) = staffed();
    for (method, path, told) in told() {
        let content = &told["requestBody"]["content"];
        let asked = filled(path, told);
        let ask = |who: &Credentials| -> Vec<Answer> {
            office.pass(10_000);
            let json = &content["application/json"];
            let named = json["examples"].as_object().into_iter().flatten();
            let examples = json
                .get("example")
                .into_iter()
                .chain(named.map(|(_, example)| &example["value"]));
            match (method.as_str(), content.is_null()) {
                ("GET", _) => vec![office.get(&asked, who)],
                (_, true) => vec![office.post(&asked, who, &json!({}))],
                (_, false) => examples.map(|body| office.post(&asked, who, body)).collect(),
            }
        };
        let answers: Vec<_> = people.iter().flat_map(ask).collect();
        let misunderstood = [
            "body_invalid",
            "parameter_invalid",
            "request_invalid",
            "method_not_allowed",
        ];
        for answer in &answers {
            assert!(
                !misunderstood.contains(&answer.code().as_str()),
                "{method} {asked}: {}",
                answer.json()
            );
        }
        if method == "GET" && !path.contains('{') {
            assert!(
                answers.iter().any(|answer| answer.status == 200),
                "{method} {asked}"
            );
        }
    }
}

#[test]
fn lists_are_asked_for_and_answered_in_one_way() {
    for (method, path, told) in told() {
        let parameters = told["parameters"].as_array().into_iter().flatten();
        let names: BTreeSet<_> = parameters
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let Some(example) = told["responses"]["200"]["content"]["application/json"].get("example") else {
            continue;
        };
        let place = format!("{method} {path}");
        let is_list = example.get("items").is_some();
        assert_eq!(is_list, example.get("next").is_some(), "{place}");
        let lists = |value: &Value| {
            value
                .as_object()
                .is_some_and(|members| members.values().any(Value::is_array))
        };
        if method == "GET" {
            assert_eq!(is_list, names.contains("cursor"), "{place}");
            assert!(!is_list || names.contains("limit"), "{place}");
            let said = told["description"].as_str().unwrap();
            let whole = said.contains("Not paged")
                || path.contains('{')
                || path == "/v1/me"
                || path == "/openapi.json";
            assert!(
                is_list || whole || !lists(example),
                "{place} comes page by page, or says why not"
            );
        }
    }
}

/// Every page of a list, and how many pages there were.
fn walk(office: &Office, path: &str, who: &Credentials) -> (Vec<Value>, usize) {
    let (mut all, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let answer = office.get(&format!("{path}?limit=2{cursor}"), who);
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{path}");
        all.extend(items.iter().cloned());
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (all, pages),
        }
    }
}

#[test]
fn accounts_devices_drafts_and_the_audit_are_read_page_by_page_and_nothing_comes_twice() {
    let (office, [_, admin]) = staffed();
    let commune = office.unit("15367");
    let official = office.account("can-bo", Role::Official, commune);
    let session = office.log_in(official);
    for n in 0..5 {
        let member = office.account(&format!("thanh-vien-{n}"), Role::Member, office.unit("15367.01"));
        office.phone(member);
        let draft =
            json!({ "unit": commune, "title": format!("Dự thảo {n}"), "urgency": "normal", "asks": "read" });
        assert_eq!(office.post("/v1/drafts", &session, &draft).status, 200);
    }
    let lists = [
        ("/v1/accounts", &admin, "id"),
        ("/v1/devices", &admin, "id"),
        ("/v1/drafts", &session, "id"),
    ];
    for (path, who, name) in lists.into_iter().chain([("/v1/audit", &admin, "position")]) {
        let whole = office.get(path, who).json()["items"].as_array().unwrap().clone();
        let (walked, pages) = walk(&office, path, who);
        assert!(whole.len() >= 5, "{path}");
        assert_eq!(
            (walked.len(), pages),
            (whole.len(), whole.len().div_ceil(2)),
            "{path}"
        );
        let ids: BTreeSet<_> = walked.iter().map(|item| item[name].to_string()).collect();
        assert_eq!(ids.len(), whole.len(), "{path}: nothing comes twice");
        assert_eq!(walked, whole, "{path}");
        let bent = office.get(&format!("{path}?cursor=%3F"), who);
        assert_eq!(bent.json()["parameter"], "cursor", "{path}");
        for limit in ["0", "501", "x"] {
            assert_eq!(
                office.get(&format!("{path}?limit={limit}"), who).status,
                400,
                "{path}"
            );
        }
    }
}

#[test]
fn a_problem_says_what_kind_it_is_and_where_that_is_explained() {
    let (office, [leader, _]) = staffed();
    let request = office.request("GET", "/v1/records?to=gestern", &leader);
    let answer = office.send(request.body(axum::body::Body::empty()).unwrap());
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let problem = answer.json();
    let told = [
        &problem["type"],
        &problem["code"],
        &problem["parameter"],
        &problem["status"],
    ];
    assert_eq!(
        told,
        [
            &json!("/api#parameter_invalid"),
            &json!("parameter_invalid"),
            &json!("to"),
            &json!(400)
        ]
    );
    assert_eq!(problem["title"], "Tham số không hợp lệ.");
    assert!(page(&office, "en").contains("id=\"parameter_invalid\""));
}

fn page(office: &Office, language: &str) -> String {
    let request = office.request("GET", "/api", &Credentials::default());
    let request = request.header(header::ACCEPT_LANGUAGE, language);
    let answer = office.send(request.body(axum::body::Body::empty()).unwrap());
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.bytes).unwrap()
}

#[test]
fn the_page_shows_every_operation_and_every_code_and_its_links_lead_somewhere() {
    let office = office();
    let (vi, en) = (page(&office, "vi"), page(&office, "en"));
    assert!(vi.contains("Mã lỗi") && en.contains("Codes of errors"));
    for html in [&vi, &en] {
        assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("http://"));
        let ids: Vec<_> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "an id stands once");
        let links = html
            .split("href=\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let lost: Vec<_> = links.filter(|to| !distinct.contains(to)).collect();
        assert_eq!(lost, [""; 0]);
        for (method, path, told) in told() {
            assert!(
                distinct.contains(told["operationId"].as_str().unwrap()),
                "{method} {path}"
            );
        }
        for code in Code::ALL {
            assert!(distinct.contains(code.word()), "{code:?}");
        }
    }
}

#[test]
fn the_description_and_its_page_are_small_when_compressed() {
    let office = office();
    for (path, kilobytes) in [("/openapi.json", 60), ("/api", 60)] {
        let request = office.request("GET", path, &Credentials::default());
        let request = request.header(header::ACCEPT_ENCODING, "gzip");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = office.send_unseen(request);
        assert_eq!(answer.headers[header::CONTENT_ENCODING], "gzip", "{path}");
        println!("{path}: {} bytes", answer.bytes.len());
        assert!(
            answer.bytes.len() < kilobytes * 1024,
            "{path}: {} bytes",
            answer.bytes.len()
        );
    }
}
