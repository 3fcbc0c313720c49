//! What is let in of each class besides the ledger: the table of a class decides, on both sides of the gate alike.

use std::borrow::Cow;

use super::*;
use crate::document::schema::Misfit;
use crate::edit::{DraftField, EditError, NewAcknowledgement, NewDirective, NewDraft, NewRemark, Write};
use crate::ids::Class;
use crate::record::{Asks, Directive, Issue, RemarkKind, Scalar, Stage, Targets, Urgency};
use crate::seal::RecordKey;
use crate::signature::DeviceKey;

struct Person {
    n: u8,
    key: DeviceKey,
    may: &'static [EditKind],
}

const EVERYTHING: &[EditKind] = &[
    EditKind::Create,
    EditKind::Reply,
    EditKind::Amend,
    EditKind::Retract,
    EditKind::Settle,
];

impl Authority for Person {
    fn owner(&self, _: &ActorId) -> Option<DeviceId> {
        None
    }

    fn may(&self, kind: EditKind, _: i64) -> bool {
        self.may.contains(&kind)
    }

    fn signed(&self, statement: &RecordStatement<'_>, signature: &Signature) -> bool {
        statement.verify(&self.key.public(), signature).is_ok()
    }
}

impl Person {
    fn new(n: u8) -> Self {
        Self {
            n,
            key: DeviceKey::from_seed([n; 32]),
            may: EVERYTHING,
        }
    }

    fn author(&self) -> Author {
        Author {
            account: AccountId::from_parts(3, self.n.into()),
            device: DeviceId::from_parts(2, self.n.into()),
            actor: ActorId::from([self.n; 16].as_slice()),
            now_ms: NOW_MS,
            device_now_ms: NOW_MS + 5,
            key: self.key.clone(),
        }
    }

    fn prepare(&self, document: &Document, edit: &Edit) -> Result<Write, EditError> {
        edit.prepare(document, &self.author(), Some(&RecordKey::from_bytes([4; 32])))
    }

    /// Writes into a copy of a document, as an app of any kind might; gives the change.
    fn write(&self, document: &Document, write: &Write) -> Vec<u8> {
        document.clone().write(write, &self.author()).unwrap().bytes
    }

    fn deliver(&self, document: &mut Document, chunk: &[u8]) -> Result<Vec<RowChange>, Refusal> {
        let author = self.author();
        let gate = Gate::Device {
            account: author.account,
            device: author.device,
            authority: self,
        };
        match admit(document, &[chunk], gate)? {
            Admission::Plan(plan) => Ok(document.adopt(*plan)),
            Admission::Duplicate => panic!("a new change"),
        }
    }

    fn make(&self, document: &mut Document, edit: &Edit) -> Result<RowChange, Refusal> {
        let write = self.prepare(document, edit).unwrap();
        let chunk = self.write(document, &write);
        let mut rows = self.deliver(document, &chunk)?;
        assert_eq!(rows.len(), 1);
        Ok(rows.remove(0))
    }
}

fn unit() -> UnitId {
    UnitId::from_parts(1, 1)
}

fn record(n: u64) -> RecordId {
    RecordId::from_parts(n, 9)
}

fn document(class: Class) -> Document {
    Document::new(DocumentId::new(class, unit(), Some(Month(58))).unwrap())
}

fn quarantined(code: &'static str) -> Result<Vec<RowChange>, Refusal> {
    Err(Refusal::Quarantined(code))
}

fn says(title: &str) -> Vec<DraftField> {
    vec![
        DraftField::Number(Some("12/UBND-VX".into())),
        DraftField::Title(title.into()),
        DraftField::Body(Some("Kính gửi:\r\n- các thôn".into())),
        DraftField::Urgency(Urgency::Urgent),
        DraftField::Signer(Some("Chủ tịch".into())),
        DraftField::Targets(Targets::subtree(unit())),
        DraftField::Asks(Asks::Report),
    ]
}

fn directive(title: &str) -> Edit {
    Edit::IssueDirective(Box::new(NewDirective {
        id: record(1),
        unit: unit(),
        directive: record(1),
        version: 1,
        draft: None,
        fields: says(title),
    }))
}

fn acknowledgement(n: u64, stage: Stage, note: Option<&str>) -> Edit {
    Edit::Acknowledge(Box::new(NewAcknowledgement {
        id: record(n),
        unit: unit(),
        issue: Issue {
            directive: record(1),
            version: 1,
            digest: [7; 32],
        },
        stage,
        note: note.map(str::to_owned),
        previous: None,
    }))
}

fn remark(n: u64, kind: RemarkKind, answers: Option<RecordId>) -> Edit {
    Edit::Remark(Box::new(NewRemark {
        id: record(n),
        unit: unit(),
        record: record(77),
        kind,
        answers,
        words: Some("số điện thoại thiếu một chữ số".into()),
    }))
}

/// A change to a record that is there, with these values.
fn change(n: u64, puts: &[(&str, Scalar)], clears: &[&'static str]) -> Write {
    let puts = puts
        .iter()
        .map(|(key, value)| (Cow::Owned((*key).to_owned()), value.clone()));
    Write {
        record: record(n),
        create: false,
        puts: puts.collect(),
        clears: clears.to_vec(),
    }
}

fn issued(row: RowChange) -> Directive {
    match row {
        RowChange::Directive(directive) => *directive,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directive_is_admitted_as_it_was_issued_and_never_changes() {
    let (official, mut board) = (Person::new(1), document(Class::Board));
    let row = issued(
        official
            .make(&mut board, &directive("Ra quân dịch vụ công"))
            .unwrap(),
    );
    assert_eq!(row.body.as_deref(), Some("Kính gửi:\n- các thôn"));
    assert_eq!(row.issued_by, official.author().account);
    let statement = RecordStatement {
        document: row.document,
        record: row.id,
        fields: &row.fields(),
    };
    assert_eq!(
        statement.digest(),
        row.issue.digest,
        "the row makes the same bytes again"
    );
    let text = |text: &str| Scalar::Text(text.into());
    let attempts = [
        change(1, &[("title", text("Khác"))], &[]),
        change(1, &[("deadline", Scalar::Int(NOW_MS))], &[]),
        change(1, &[("added_later", text("x"))], &[]),
        change(1, &[("signature", Scalar::Bytes(vec![0; 64]))], &[]),
        change(1, &[], &["body"]),
    ];
    for attempt in attempts {
        let chunk = official.write(&board, &attempt);
        assert_eq!(
            official.deliver(&mut board, &chunk),
            quarantined("field_not_open"),
            "{attempt:?}"
        );
    }
    assert_eq!(board.row(record(1)).map(issued), Some(row));
}

#[test]
fn a_directive_without_the_signature_of_its_device_is_not_let_in() {
    let (official, other, board) = (Person::new(1), Person::new(2), document(Class::Board));
    let honest = official.prepare(&board, &directive("Một")).unwrap();
    let mut bent = honest.clone();
    let title = bent.puts.iter_mut().find(|(key, _)| key == "title").unwrap();
    title.1 = Scalar::Text("Hai".into());
    let mut added = honest.clone();
    added.puts.push((Cow::Borrowed("from_later"), Scalar::Int(1)));
    for write in [bent, added] {
        let chunk = official.write(&board, &write);
        assert_eq!(
            official.deliver(&mut board.clone(), &chunk),
            quarantined("record_signature")
        );
    }
    // Somebody else's directive is not made one's own …
    let chunk = other.write(&board, &honest);
    assert_eq!(
        other.deliver(&mut board.clone(), &chunk),
        quarantined("field_not_open")
    );
    // … and what was signed for one document means nothing in another.
    let elsewhere = Document::new(DocumentId::new(Class::Board, unit(), Some(Month(59))).unwrap());
    let chunk = official.write(&elsewhere, &honest);
    assert_eq!(
        official.deliver(&mut elsewhere.clone(), &chunk),
        quarantined("record_signature")
    );
}

#[test]
fn a_paper_that_bears_a_degree_of_secrecy_is_refused_on_both_sides() {
    let (official, mut drafts) = (Person::new(1), document(Class::Drafts));
    let secret = |title: &str, body: &str| {
        let mut fields = says(title);
        fields.push(DraftField::Body(Some(body.into())));
        Edit::StartDraft(Box::new(NewDraft {
            id: record(2),
            unit: unit(),
            fields,
        }))
    };
    for edit in [secret("TỐI MẬT", "x"), secret("Kế hoạch", "Số 1\nMẬT\nKính gửi")] {
        let refused = official.prepare(&drafts, &edit).unwrap_err();
        assert_eq!(refused.code(), "secret_class");
    }
    let mut write = official.prepare(&drafts, &secret("Kế hoạch", "x")).unwrap();
    let title = write.puts.iter_mut().find(|(key, _)| key == "title").unwrap();
    title.1 = Scalar::Text("Tuyệt mật".into());
    let chunk = official.write(&drafts, &write);
    assert_eq!(official.deliver(&mut drafts, &chunk), quarantined("secret_class"));
}

#[test]
fn a_draft_is_written_by_several_and_disagreement_is_shown() {
    let (one, two) = (Person::new(1), Person::new(2));
    let mut drafts = document(Class::Drafts);
    let start = Edit::StartDraft(Box::new(NewDraft {
        id: record(2),
        unit: unit(),
        fields: says("Dự thảo"),
    }));
    one.make(&mut drafts, &start).unwrap();
    let revise = |title: &str| Edit::ReviseDraft {
        record: record(2),
        fields: vec![DraftField::Title(title.into())],
    };
    let base = drafts.clone();
    let chunks = [
        one.write(&base, &one.prepare(&base, &revise("Bản một")).unwrap()),
        two.write(&base, &two.prepare(&base, &revise("Bản hai")).unwrap()),
    ];
    one.deliver(&mut drafts, &chunks[0]).unwrap();
    two.deliver(&mut drafts, &chunks[1]).unwrap();
    let Some(RowChange::Draft(draft)) = drafts.row(record(2)) else {
        panic!("a draft")
    };
    assert_eq!(draft.conflicts.len(), 1);
    assert_eq!(
        NewDirective::of(&draft, record(3), None),
        Err(EditError::NotReady("title".into())),
        "what is not settled is not issued"
    );
    let value = draft.conflicts[0].values[1].value.clone();
    let settle = Edit::SettleConflict {
        record: record(2),
        field: "title".into(),
        value,
    };
    let RowChange::Draft(draft) = one.make(&mut drafts, &settle).unwrap() else {
        panic!("a draft")
    };
    assert!(draft.conflicts.is_empty());
    assert_eq!(NewDirective::of(&draft, record(3), None).unwrap().version, 1);
    let RowChange::Draft(draft) = two
        .make(&mut drafts, &Edit::DiscardDraft { record: record(2) })
        .unwrap()
    else {
        panic!("a draft")
    };
    assert!(draft.discarded && NewDirective::of(&draft, record(3), None).is_err());
}

#[test]
fn an_acknowledgement_is_its_authors_alone_and_stays_as_it_was_said() {
    let (head, other, mut acks) = (Person::new(1), Person::new(2), document(Class::Acks));
    let row = head
        .make(&mut acks, &acknowledgement(5, Stage::Opened, None))
        .unwrap();
    let RowChange::Acknowledgement(event) = row else {
        panic!("an event")
    };
    assert_eq!((event.at_ms, event.device_at_ms), (NOW_MS, NOW_MS + 5));
    let statement = RecordStatement {
        document: event.document,
        record: event.id,
        fields: &event.fields(),
    };
    assert_eq!(
        statement.digest(),
        event.digest,
        "the row makes the same bytes again"
    );
    for person in [&head, &other] {
        let attempt = change(5, &[("stage", Scalar::Text("done".into()))], &[]);
        let chunk = person.write(&acks, &attempt);
        assert_eq!(person.deliver(&mut acks, &chunk), quarantined("field_not_open"));
    }
    // An event that another device signed cannot be brought as one's own, nor in its name.
    let write = head
        .prepare(&acks, &acknowledgement(6, Stage::Done, None))
        .unwrap();
    let chunk = other.write(&acks, &write);
    assert_eq!(other.deliver(&mut acks, &chunk), quarantined("field_not_open"));
}

#[test]
fn who_cannot_says_why() {
    let (head, acks) = (Person::new(1), document(Class::Acks));
    let refused = head
        .prepare(&acks, &acknowledgement(5, Stage::Cannot, None))
        .unwrap_err();
    assert_eq!(refused, EditError::Record(Misfit::Incomplete));
    let said = acknowledgement(5, Stage::Cannot, Some("mất điện"));
    let mut write = head.prepare(&acks, &said).unwrap();
    assert!(head.make(&mut acks.clone(), &said).is_ok());
    write.puts.retain(|(key, _)| key != "note");
    let chunk = head.write(&acks, &write);
    assert_eq!(
        head.deliver(&mut acks.clone(), &chunk),
        quarantined("record_incomplete")
    );
}

#[test]
fn a_team_answers_remarks_and_makes_none() {
    let (official, mut remarks) = (Person::new(1), document(Class::Remarks));
    let team = Person {
        may: &[EditKind::Reply],
        ..Person::new(2)
    };
    official
        .make(&mut remarks, &remark(5, RemarkKind::Question, None))
        .unwrap();
    let asked = team.make(&mut remarks, &remark(6, RemarkKind::Correct, None));
    assert_eq!(asked, Err(Refusal::Quarantined("not_permitted")));
    let answer = remark(6, RemarkKind::Answer, Some(record(5)));
    let mut dressed_up = team.prepare(&remarks, &answer).unwrap();
    let RowChange::Remark(row) = team.make(&mut remarks, &answer).unwrap() else {
        panic!("a remark")
    };
    assert_eq!(row.answers, Some(record(5)));
    assert!(row.sealed.len() == 1, "the words are sealed");
    // "Verified" in the coat of an answer is neither.
    dressed_up.record = record(8);
    let kind = dressed_up.puts.iter_mut().find(|(key, _)| key == "kind").unwrap();
    kind.1 = Scalar::Text("verified".into());
    let chunk = team.write(&remarks, &dressed_up);
    assert_eq!(
        team.deliver(&mut remarks, &chunk),
        quarantined("record_incomplete")
    );
}

#[test]
fn an_edit_of_one_class_is_no_edit_of_another() {
    let (person, acks) = (Person::new(1), document(Class::Acks));
    assert_eq!(
        person.prepare(&acks, &directive("Một")).unwrap_err(),
        EditError::WrongClass
    );
}

#[test]
fn the_canonical_bytes_of_a_directive_never_change() {
    let (official, mut board) = (Person::new(1), document(Class::Board));
    let row = issued(official.make(&mut board, &directive("Ra quân")).unwrap());
    let digest: String = row
        .issue
        .digest
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        digest,
        "5abd67f8834c66c45bc1f30043fbbee5fc9c69a39b44165a41cc1ca4f4f60dc6"
    );
}
