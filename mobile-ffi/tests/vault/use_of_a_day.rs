//! What an app does in a day.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use langso_mobile::{
    Asks, AssistanceField, AssistanceFilter, Change, ChangeListener, Delivery, DirectiveText, Due,
    HttpAnswer, HttpRequest, Page, Reach, RemarkKind, RetractReason, Stage, SyncProgress, SyncStep, Target,
    Transport, TransportError, Urgency, Vault, VaultError,
};

use crate::district::{District, Way, Weather, help, long_draft};

fn all(vault: &Vault) -> Vec<langso_mobile::Assistance> {
    let page = vault.assistances(
        AssistanceFilter::default(),
        Page {
            limit: Some(1000),
            after: None,
        },
    );
    page.unwrap().items
}

#[test]
fn records_made_offline_reach_the_commune_and_the_other_phone() {
    let district = District::new();
    let (head, way) = district.phone("head");
    let (deputy, deputys_way) = district.phone("deputy");
    for n in 0..50 {
        head.record_assistance(help(&format!("Nguyễn Văn {n}"))).unwrap();
    }
    let status = head.status().unwrap();
    assert_eq!((status.pending, status.last_receipt_ms), (50, None));
    assert_eq!(
        status.oldest_pending_ms,
        all(&head).iter().map(|row| row.recorded_at_ms).min()
    );
    assert!(all(&head).iter().all(|row| row.delivery == Delivery::Waiting));

    head.shut();
    drop(head);
    let head = district.reopen("head");
    assert_eq!(all(&head).len(), 50, "what was recorded survives the process");
    let report = district.sync(&head, &way).unwrap();
    assert_eq!((report.finished, report.total.confirmed), (true, 50));
    assert!(all(&head).iter().all(|row| row.delivery == Delivery::Delivered));
    let status = head.status().unwrap();
    assert_eq!((status.pending, status.complete), (0, true));
    assert!(status.last_sync_ms.is_some() && status.vault_bytes > 0 && status.free_bytes.is_some());
    assert!(status.last_receipt_ms.is_some() && status.last_receipt_ms <= status.last_sync_ms);
    assert_eq!((status.oldest_pending_ms, status.update_needed), (None, false));
    let receipt_ms = status.last_receipt_ms;
    district.sync(&head, &way).unwrap();
    assert_eq!(
        head.status().unwrap().last_receipt_ms,
        receipt_ms,
        "nothing new was delivered"
    );

    district.sync(&deputy, &deputys_way).unwrap();
    let rows = all(&deputy);
    assert_eq!(rows.len(), 50);
    assert_eq!(rows[0].citizen_phone.as_deref(), Some("0912345678"));
    assert_eq!(district.sync(&deputy, &deputys_way).unwrap().requests, 1);
}

#[test]
fn a_conflict_of_two_phones_is_shown_and_resolved_by_a_person() {
    let district = District::new();
    let (head, way) = district.phone("head");
    let (deputy, deputys_way) = district.phone("deputy");
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    district.sync(&head, &way).unwrap();
    district.sync(&deputy, &deputys_way).unwrap();
    let note = |text: &str| {
        vec![AssistanceField::Note {
            text: Some(text.into()),
        }]
    };
    assert!(head.amend(id.clone(), note("hẹn thứ sáu")).unwrap());
    assert!(
        !head.amend(id.clone(), note("hẹn thứ sáu")).unwrap(),
        "nothing new"
    );
    assert!(deputy.amend(id.clone(), note("hẹn thứ bảy")).unwrap());
    district.sync(&head, &way).unwrap();
    district.sync(&deputy, &deputys_way).unwrap();

    let conflicts = deputy.conflicts().unwrap();
    assert_eq!((conflicts.len(), conflicts[0].field.as_str()), (1, "note"));
    let value = |text| {
        let value = conflicts[0]
            .values
            .iter()
            .find(|value| value.text.as_deref() == Some(text));
        value.unwrap().id.clone()
    };
    let (friday, _saturday) = (value("hẹn thứ sáu"), value("hẹn thứ bảy"));
    assert!(deputy.resolve(conflicts[0].clone(), friday.clone()).unwrap());
    assert!(deputy.conflicts().unwrap().is_empty());
    let again = deputy.resolve(conflicts[0].clone(), friday).unwrap_err();
    assert_eq!(again.code(), "no_such_conflict");
    district.sync(&deputy, &deputys_way).unwrap();
    district.sync(&head, &way).unwrap();
    let row = head.assistance(id).unwrap().unwrap();
    assert_eq!(
        (row.note.as_deref(), row.conflicts.len()),
        (Some("hẹn thứ sáu"), 0)
    );
}

/// A phone, its way to the server, and what it says.
type Saying<'a> = (&'a Vault, &'a Arc<Way>, AssistanceField);

/// Each phone says something else of a record without seeing what the others say; then all know.
fn disagree(district: &District, record: &str, said: &[Saying<'_>]) {
    for (vault, _, field) in said {
        assert!(vault.amend(record.into(), vec![field.clone()]).unwrap());
    }
    for (vault, way, _) in said.iter().chain(said) {
        district.sync(vault, way).unwrap();
    }
}

#[test]
fn a_conflict_is_settled_by_a_value_that_nobody_had_said() {
    let district = District::new();
    let (head, way) = district.phone("head");
    let (deputy, deputys_way) = district.phone("deputy");
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    district.sync(&head, &way).unwrap();
    district.sync(&deputy, &deputys_way).unwrap();
    let note = |text: &str| AssistanceField::Note {
        text: Some(text.into()),
    };
    let people = |count| AssistanceField::People { count };
    for (one, other, third, field) in [
        (note("hẹn thứ sáu"), note("hẹn thứ bảy"), "hẹn chủ nhật", "note"),
        (people(2), people(3), "4", "people"),
    ] {
        disagree(
            &district,
            &id,
            &[(&head, &way, one), (&deputy, &deputys_way, other)],
        );
        let conflict = deputy.conflicts().unwrap().remove(0);
        assert_eq!(conflict.field, field);
        assert!(deputy.resolve_otherwise(conflict.clone(), third.into()).unwrap());
        let again = deputy.resolve_otherwise(conflict, third.into()).unwrap_err();
        assert_eq!(again.code(), "no_such_conflict");
        district.sync(&deputy, &deputys_way).unwrap();
        district.sync(&head, &way).unwrap();
        assert_eq!(head.conflicts().unwrap(), []);
    }
    let row = head.assistance(id).unwrap().unwrap();
    assert_eq!((row.note.as_deref(), row.people), (Some("hẹn chủ nhật"), 4));
    assert_eq!(row.delivery, Delivery::Delivered);
    assert_eq!(
        (head.status().unwrap().refused, deputy.status().unwrap().refused),
        (0, 0)
    );
}

#[test]
fn who_did_not_see_every_value_settles_nothing() {
    let district = District::new();
    let phones = ["head", "deputy", "youth"].map(|name| district.phone(name));
    let [(head, way), (deputy, deputys_way), (youth, youths_way)] = &phones;
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    for (vault, way) in &phones {
        district.sync(vault, way).unwrap();
    }
    let people = |count| AssistanceField::People { count };
    // The third one says something, too, and has no signal yet.
    assert!(youth.amend(id.clone(), vec![people(4)]).unwrap());
    disagree(
        &district,
        &id,
        &[(head, way, people(2)), (deputy, deputys_way, people(3))],
    );
    let shown = head.conflicts().unwrap().remove(0);
    district.sync(youth, youths_way).unwrap();
    district.sync(head, way).unwrap();

    let chosen = shown.values[0].id.clone();
    for refused in [
        head.resolve(shown.clone(), chosen.clone()),
        head.resolve_otherwise(shown, "5".into()),
    ] {
        assert_eq!(
            refused.unwrap_err().to_string(),
            "not allowed (changed_meanwhile)"
        );
    }
    let now = head.conflicts().unwrap().remove(0);
    assert_eq!(now.values.len(), 3);
    let unfit = head.resolve_otherwise(now.clone(), "nhiều".into()).unwrap_err();
    assert_eq!(unfit.to_string(), "not allowed (field_people)");
    assert!(head.resolve(now, chosen).unwrap());
    assert_eq!(head.conflicts().unwrap(), []);
}

#[test]
fn a_record_that_was_taken_back_stays_readable() {
    let district = District::new();
    let (head, way) = district.phone("head");
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    assert!(head.retract(id.clone(), RetractReason::Duplicate).unwrap());
    district.sync(&head, &way).unwrap();
    let row = head.assistance(id).unwrap().unwrap();
    assert_eq!(row.retraction.unwrap().reason, RetractReason::Duplicate);
    assert_eq!(row.citizen_name.as_deref(), Some("Lê Thị Hoa"));
}

#[test]
fn a_list_comes_in_pages_newest_first() {
    let district = District::new();
    let (head, _) = district.phone("head");
    for n in 0..7 {
        let mut new = help("Lê Thị Hoa");
        new.occurred_at_ms = Some(1_731_049_200_000 + i64::from(n / 2));
        head.record_assistance(new).unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = head.assistances(
            AssistanceFilter::default(),
            Page {
                limit: Some(3),
                after,
            },
        );
        let page = page.unwrap();
        seen.extend(page.items.into_iter().map(|row| (row.occurred_at_ms, row.id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut expected = seen.clone();
    expected.sort_by(|a, b| b.cmp(a));
    assert_eq!((seen.len(), &seen), (7, &expected));
    let month = AssistanceFilter {
        from_ms: Some(1_731_049_200_002),
        ..AssistanceFilter::default()
    };
    assert_eq!(head.assistances(month, Page::default()).unwrap().items.len(), 3);
}

#[test]
fn a_list_shows_what_is_asked_for() {
    let district = District::new();
    let (head, way) = district.phone("head");
    let (deputy, deputys_way) = district.phone("deputy");
    let made = |at_ms| {
        let mut new = help("Lê Thị Hoa");
        new.occurred_at_ms = Some(at_ms);
        head.record_assistance(new).unwrap()
    };
    let ids = [1_731_049_200_000, 1_731_049_200_001, 1_731_049_200_002].map(made);
    district.sync(&head, &way).unwrap();
    district.sync(&deputy, &deputys_way).unwrap();
    let people = |count| AssistanceField::People { count };
    disagree(
        &district,
        &ids[1],
        &[(&head, &way, people(2)), (&deputy, &deputys_way, people(3))],
    );
    let list = |filter: AssistanceFilter| -> Vec<String> {
        let page = head.assistances(filter, Page::default()).unwrap();
        page.items.into_iter().map(|row| row.id).collect()
    };
    let newest_first = |wanted: &[usize]| -> Vec<String> { wanted.iter().map(|n| ids[*n].clone()).collect() };
    let home = head.status().unwrap().homes.remove(0);
    for (filter, expected) in [
        (
            AssistanceFilter {
                from_ms: Some(1_731_049_200_001),
                until_ms: Some(1_731_049_200_002),
                ..AssistanceFilter::default()
            },
            newest_first(&[1]),
        ),
        (
            AssistanceFilter {
                in_conflict: Some(true),
                ..AssistanceFilter::default()
            },
            newest_first(&[1]),
        ),
        (
            AssistanceFilter {
                in_conflict: Some(false),
                ..AssistanceFilter::default()
            },
            newest_first(&[2, 0]),
        ),
        (
            AssistanceFilter {
                unit: Some(home),
                ..AssistanceFilter::default()
            },
            newest_first(&[2, 1, 0]),
        ),
        (
            AssistanceFilter {
                unit: Some("01JF0000000000000000000000".into()),
                ..AssistanceFilter::default()
            },
            Vec::new(),
        ),
    ] {
        assert_eq!(list(filter.clone()), expected, "{filter:?}");
    }
}

#[test]
fn a_draft_that_was_given_up_stays_readable_and_is_not_issued() {
    let district = District::new();
    let (official, way) = district.official();
    let draft = official.draft(long_draft(1), None).unwrap();
    assert!(official.discard(draft.clone()).unwrap());
    assert!(!official.discard(draft.clone()).unwrap(), "nothing new");
    let drafts = official.drafts().unwrap();
    assert_eq!(
        (drafts.len(), drafts[0].discarded, drafts[0].text.title.as_str()),
        (1, true, "Rà soát lần 1")
    );
    assert!(matches!(
        official.issue(draft),
        Err(VaultError::NotAllowed { .. })
    ));
    assert_eq!(district.sync(&official, &way).unwrap().total.refused, 0);
}

#[test]
fn the_server_is_told_which_app_a_phone_has() {
    let district = District::new();
    let (head, way) = district.phone("head");
    head.set_app_version("Sổ tay thôn 1.4".into());
    district.sync(&head, &way).unwrap();
    district.runtime.block_on(district.app.flush_presence());
    let sql = "SELECT app_version FROM device_health";
    let told: Option<String> = district
        .app
        .store()
        .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
        .unwrap();
    assert_eq!(told.as_deref(), Some("Sổ tay thôn 1.4"));
}

#[test]
fn who_listens_is_told_until_the_subscription_ends() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<Change>>);
    impl ChangeListener for Heard {
        fn changed(&self, change: Change) {
            self.0.lock().unwrap().push(change);
        }
    }
    let district = District::new();
    let (head, way) = district.phone("head");
    let heard = Arc::new(Heard::default());
    let subscription = head.observe(heard.clone());
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    district.sync(&head, &way).unwrap();
    subscription.cancel();
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), [Change::Local, Change::Synced]);
}

#[test]
fn an_app_may_carry_each_request_itself() {
    let district = District::new();
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let request = head.next_request().unwrap();
    assert_eq!(request.path, "/v1/sync");
    head.request_failed().unwrap();
    let request = head.next_request().unwrap();
    // Recording goes on while a request is on its way.
    head.record_assistance(help("Trần Văn Nam")).unwrap();
    let answer: HttpAnswer = district.runtime.block_on(way.post(request)).unwrap();
    let step = head.receive(answer.clone()).unwrap();
    assert_eq!((step.confirmed, head.status().unwrap().pending), (1, 1));
    assert_eq!(head.receive(answer).unwrap_err().code(), "late");
}

#[test]
fn a_directive_is_issued_read_and_reported_done() {
    let district = District::new();
    let (official, officials_way) = district.official();
    let (head, way) = district.phone("head");
    let commune = official.directives().unwrap();
    assert!(commune.is_empty());
    let mut text = DirectiveText {
        title: "Rà soát định danh điện tử".into(),
        urgency: Urgency::Urgent,
        asks: Asks::Report,
        number: Some("12/UBND-VX".into()),
        body: Some("Trước thứ sáu.".into()),
        deadline_ms: None,
        signer: None,
        targets: head
            .status()
            .unwrap()
            .homes
            .into_iter()
            .map(|unit| Target {
                unit,
                reach: Reach::Subtree,
            })
            .collect(),
        levels: Vec::new(),
        roles: Vec::new(),
        related: None,
    };
    let draft = official.draft(text.clone(), None).unwrap();
    let unsigned = official.issue(draft.clone()).unwrap_err();
    assert_eq!(unsigned.to_string(), "not allowed (not_ready_signer)");
    text.signer = Some("Nguyễn Văn A, Chủ tịch".into());
    assert!(official.revise(draft.clone(), text.clone()).unwrap());
    assert_eq!(official.drafts().unwrap()[0].text, text);
    let directive = official.issue(draft).unwrap();
    district.sync(&official, &officials_way).unwrap();

    district.sync(&head, &way).unwrap();
    let seen = head.directives().unwrap();
    assert_eq!((seen.len(), &seen[0].id, &seen[0].text), (1, &directive, &text));
    head.mark_opened(directive.clone()).unwrap();
    let silent = head.acknowledge(directive.clone(), Stage::Cannot, None, None);
    assert!(silent.is_err(), "who cannot says why");
    head.acknowledge(directive.clone(), Stage::Done, Some("xong 12 hộ".into()), None)
        .unwrap();
    let seen = head.directives().unwrap();
    assert_eq!((seen[0].stage, seen[0].due), (Some(Stage::Done), Due::Finished));
    let report = district.sync(&head, &way).unwrap();
    assert!(report.total.confirmed >= 2 && report.total.refused == 0);
}

#[test]
fn a_remark_is_made_and_answered() {
    let district = District::new();
    let (official, officials_way) = district.official();
    let (head, way) = district.phone("head");
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    district.sync(&head, &way).unwrap();
    district.sync(&official, &officials_way).unwrap();
    let question = Some("Hồ sơ nào?".to_owned());
    assert!(
        official
            .remark(id.clone(), RemarkKind::Question, question.clone())
            .unwrap()
    );
    district.sync(&official, &officials_way).unwrap();
    district.sync(&head, &way).unwrap();
    let remarks = head.remarks(id.clone()).unwrap();
    assert_eq!((remarks.len(), &remarks[0].words), (1, &question));
    assert!(head.answer(remarks[0].id.clone(), "Thẻ bảo hiểm".into()).unwrap());
    district.sync(&head, &way).unwrap();
    district.sync(&official, &officials_way).unwrap();
    let answers = official.remarks(id).unwrap();
    let answer = answers
        .iter()
        .find(|remark| remark.kind == RemarkKind::Answer)
        .unwrap();
    assert_eq!(answer.words.as_deref(), Some("Thẻ bảo hiểm"));
}

#[test]
fn two_people_may_have_a_vault_each_on_one_phone() {
    let district = District::new();
    let (head, _) = district.phone("head");
    let (deputy, _) = district.phone("deputy");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    assert_eq!((all(&head).len(), all(&deputy).len()), (1, 0));
    assert_ne!(head.status().unwrap().device, deputy.status().unwrap().device);
}

#[test]
fn a_sync_that_is_cancelled_loses_nothing_and_blocks_nobody() {
    /// A network that takes requests and never answers.
    #[derive(Default)]
    struct Silent(AtomicU32);
    #[async_trait::async_trait]
    impl Transport for Silent {
        async fn post(&self, _: HttpRequest) -> Result<HttpAnswer, TransportError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }
    let district = District::new();
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let silent = Arc::new(Silent::default());
    // A future that is dropped in the middle is what a cancelled coroutine or task comes to.
    district.runtime.block_on(async {
        let sync = head.sync(silent.clone(), None);
        tokio::select! {
            biased;
            ended = sync => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    });
    assert_eq!(silent.0.load(Ordering::Relaxed), 1, "it was on its way");
    assert_eq!(head.status().unwrap().pending, 1);
    assert!(district.sync(&head, &way).unwrap().finished);
    assert_eq!(head.status().unwrap().pending, 0);
}

#[test]
fn each_step_of_a_sync_is_told_when_it_is_taken() {
    /// What each step said, and how much waited when it was told.
    struct Told(Arc<Vault>, Mutex<Vec<(SyncStep, u32)>>);
    impl SyncProgress for Told {
        fn step(&self, step: SyncStep) {
            let pending = self.0.status().unwrap().pending;
            self.1.lock().unwrap().push((step, pending));
        }
    }
    let district = District::new();
    let (official, way) = district.official();
    for n in 0..60 {
        official.draft(long_draft(n), None).unwrap();
    }
    let told = Arc::new(Told(official.clone(), Mutex::default()));
    let report = district
        .runtime
        .block_on(official.sync(way, Some(told.clone())))
        .unwrap();
    let told = told.1.lock().unwrap();
    assert_eq!(told.len(), report.requests as usize);
    assert!(told.len() > 1, "more than one request carries them: {report:?}");
    let mut confirmed = 0;
    for (step, pending) in told.iter() {
        confirmed += step.confirmed;
        assert_eq!(
            confirmed + pending,
            60,
            "told after it was taken, before the next"
        );
    }
    assert_eq!((confirmed, report.total.confirmed), (60, 60));
    let more: Vec<bool> = told.iter().map(|(step, _)| step.more).collect();
    assert!(more[..more.len() - 1].iter().all(|more| *more) && !more[more.len() - 1]);
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let district = District::new();
    let (vault, way) = (district.fresh("head"), district.way());
    let code = district.code();
    *way.weather.lock().unwrap() = Weather::AnswerLost;
    let lost = district.runtime.block_on(vault.enrol(code.clone(), way.clone()));
    assert_eq!(lost.unwrap_err().code(), "unreachable");
    drop(vault);
    let vault = district.reopen("head");
    *way.weather.lock().unwrap() = Weather::Fine;
    district.runtime.block_on(vault.enrol(code, way.clone())).unwrap();
    district.sync(&vault, &way).unwrap();
    vault.record_assistance(help("Lê Thị Hoa")).unwrap();
    district.trouble(&vault, &way, Weather::AnswerLost);
    let report = district.sync(&vault, &way).unwrap();
    assert_eq!((report.total.confirmed, all(&vault).len()), (1, 1));
}
