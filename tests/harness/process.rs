//! Phones as processes, which can be killed, and what they said before.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use sync_core::ids::{ChangeHash, Class, DeviceId, DocumentId, RecordId};
use sync_core::local_store::sqlite::SqliteStore;
use sync_core::local_store::{ListQuery, LocalStore};
use sync_core::projection::RowChange;

/// The program: `langso`, and an app without a screen.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_langso-of-tests");

/// A phone of which the process may die; its file stays.
#[derive(Clone, Debug)]
pub struct Device {
    pub store: PathBuf,
    /// The file that says where the server is.
    pub server: PathBuf,
    pub code: String,
    pub unit: String,
}

impl Device {
    /// Starts its app. Every start needs another seed.
    pub fn start(&self, seed: u64, arguments: &[&str]) -> PhoneProcess {
        // A file that would become too large is a failed write, not the end of the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM])
            .arg("phone")
            .arg("--store")
            .arg(&self.store)
            .arg("--server")
            .arg(&self.server)
            .args(["--code", &self.code, "--unit", &self.unit])
            .args(["--seed", &seed.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (hear, said) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // What was said before a kill is in the pipe, and is read to its end.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| hear.send(line)));
        PhoneProcess {
            child,
            said,
            heard: Vec::new(),
        }
    }
}

/// A running app. It is killed when this is dropped.
#[derive(Debug)]
pub struct PhoneProcess {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl PhoneProcess {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says something that begins so; gives everything up to it.
    pub fn until(&self, beginning: &str) -> Vec<String> {
        let mut said = Vec::new();
        while said
            .last()
            .is_none_or(|line: &String| !line.starts_with(beginning))
        {
            said.push(self.said.recv().unwrap());
        }
        said
    }

    /// Which device it says it is, and how many changes have their receipt since it was started; `None` before it was
    /// enrolled.
    pub fn receipted(&mut self) -> Option<(DeviceId, usize)> {
        self.heard.extend(self.said.try_iter());
        let said = |word: &str| {
            let mut lines = self.heard.iter().rev();
            lines.find_map(|line| line.strip_prefix(word))
        };
        let device = said("is ")?.parse().unwrap();
        Some((
            device,
            said("exchanged ").map_or(0, |count| count.parse().unwrap()),
        ))
    }

    /// Kills it on the spot; gives what it had said.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.heard.extend(self.said.iter());
        std::mem::take(&mut self.heard)
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let said = self.said.iter().collect();
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for PhoneProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the file of a phone holds.
pub struct Held {
    /// Its own records, and for how many people.
    pub rows: BTreeMap<RecordId, u32>,
    /// Everybody's.
    pub all: BTreeMap<RecordId, u32>,
    /// Its own changes that have a receipt.
    pub receipted: Vec<(DocumentId, ChangeHash)>,
    pub pending: usize,
}

impl Held {
    pub fn read(store: &Path) -> Self {
        let store = SqliteStore::open(store).unwrap();
        // It may have died before it had so much as a key.
        let enrolment = store.credentials().unwrap().and_then(|known| known.enrolment);
        let device = enrolment.map(|enrolment| enrolment.device);
        let mut held = Self {
            rows: BTreeMap::new(),
            all: BTreeMap::new(),
            receipted: Vec::new(),
            pending: store.unsent().unwrap().len(),
        };
        let rows = store.rows(Class::Ledger, ListQuery::default()).unwrap();
        for row in rows {
            let RowChange::Assistance(row) = row else {
                panic!("{row:?} in a ledger")
            };
            held.all.insert(row.id, row.people);
            if Some(row.device) == device {
                held.rows.insert(row.id, row.people);
            }
        }
        for document in store.documents().unwrap() {
            let own = store.own(document.id).unwrap();
            held.receipted
                .extend(own.iter().map(|own| (document.id, own.hash)));
        }
        held
    }
}

/// One phone: its device, its process while it lives, and what it has promised.
pub struct Promising {
    pub device: Device,
    pub process: Option<PhoneProcess>,
    pub promised: BTreeMap<RecordId, u32>,
    /// How many of its changes had their receipt when it died last.
    pub receipted: usize,
    pub edits: u64,
}

impl Promising {
    pub fn new(device: Device) -> Self {
        Self {
            device,
            process: None,
            promised: BTreeMap::new(),
            receipted: 0,
            edits: 0,
        }
    }

    /// After a death: what was called saved is there, and nothing is there that was not tried.
    pub fn check(&mut self, said: &[String]) -> Held {
        let mut tried = None;
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["tries", record, people] => tried = Some((record.parse().unwrap(), people.parse().unwrap())),
                ["saved", record, people] => {
                    tried = None;
                    self.edits += 1;
                    self.promised
                        .insert(record.parse().unwrap(), people.parse().unwrap());
                }
                ["is", _] | ["exchanged", _] => {}
                // A server that is away, or that still has the exchange of the life before.
                ["unanswered", ..] if !line.contains("the exchange") || line.contains("busy") => {}
                _ => panic!("a phone says: {line}"),
            }
        }
        let held = Held::read(&self.device.store);
        let mut expected = self.promised.clone();
        if let Some((record, people)) = tried.filter(|(record, people)| held.rows.get(record) == Some(people))
        {
            expected.insert(record, people);
        }
        assert_eq!(held.rows, expected, "what a phone holds of its own");
        self.promised = expected;
        self.receipted = held.receipted.len();
        held
    }
}
