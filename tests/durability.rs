//! Stories of durability: what the operating system is asked to do between a request and its answer.
//!
//! A kill takes nothing that the system holds in memory; a power cut does. So the server is traced: between the last write
//! of each batch to the log and the answer to it there is a flush that has come back. That the trace would show it if
//! there were none is shown as well, on a server whose flushes go nowhere.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use langso_server::config::Config;
use langso_server::drive::server::pid_of;
use langso_server::drive::{Fate, Link, Phone, people};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::edit::Edit;
use sync_core::local_store::MemoryStore;

use crate::harness::live::settle;
use crate::harness::process::PROGRAM;

/// Batches of one run, one exchange each.
const BATCHES: usize = 8;
/// What is done to files and connections.
const CALLS: &str = "trace=read,recvfrom,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync";
/// Flushes that say they are done and do nothing.
const NO_FLUSH: &str =
    "int fsync(int fd) { (void)fd; return 0; } int fdatasync(int fd) { (void)fd; return 0; }\n";

/// One call to the system: lines of the trace on which it began and came back.
#[derive(Debug)]
struct Call {
    name: String,
    /// As the trace shows them: file descriptors with their paths, buffers by how they begin.
    arguments: String,
    began: usize,
    came_back: usize,
}

impl Call {
    /// A request arrived.
    fn is_request(&self) -> bool {
        ["read", "recvfrom"].contains(&self.name.as_str()) && self.arguments.contains("\"POST /v1/sync")
    }

    /// An answer goes out.
    fn is_answer(&self) -> bool {
        self.arguments.contains("\"HTTP/1.1 2")
    }

    fn is_log_write(&self) -> bool {
        ["pwrite64", "pwritev", "write"].contains(&self.name.as_str()) && self.is_about_log()
    }

    fn is_flush(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str()) && self.is_about_log()
    }

    fn is_about_log(&self) -> bool {
        self.arguments
            .split_once('>')
            .is_some_and(|(descriptor, _)| descriptor.ends_with("/langso.db-wal"))
    }
}

/// Reads a trace. A call during which another thread called stands on two lines.
fn calls(trace: &str) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::new(), Vec::<(String, Call)>::new());
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, said)) = line.split_once(' ') else {
            continue;
        };
        let said = said.trim_start();
        if let Some(resumed) = said.strip_prefix("<... ") {
            if let Some(place) = open.iter().position(|(of, _)| of == thread) {
                let (_, mut call) = open.remove(place);
                // What was read is known only now.
                call.arguments.push_str(resumed);
                call.came_back = at;
                calls.push(call);
            }
        } else if let Some((name, arguments)) = said.split_once('(') {
            let call = Call {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                began: at,
                came_back: at,
            };
            if arguments.ends_with("<unfinished ...>") {
                open.push((thread.to_owned(), call));
            } else {
                calls.push(call);
            }
        }
    }
    calls
}

/// Whether each of the last batches was written to the log and flushed before its answer went out; says of the first
/// that was not. The batches were sent one by one.
fn flushed_before_answered(calls: &[Call]) -> Result<(), String> {
    let requests: Vec<&Call> = calls.iter().filter(|call| call.is_request()).collect();
    assert!(
        requests.len() >= BATCHES,
        "only {} requests are in the trace",
        requests.len()
    );
    for (n, request) in requests[requests.len() - BATCHES..].iter().enumerate() {
        let answer = calls
            .iter()
            .filter(|call| call.is_answer() && call.began > request.came_back)
            .min_by_key(|call| call.began)
            .expect("every request is answered");
        let between = |call: &&Call| call.began > request.came_back && call.came_back < answer.began;
        let writes = calls.iter().filter(|call| call.is_log_write()).filter(between);
        let writes: Vec<usize> = writes.map(|call| call.came_back).collect();
        let flushes = calls.iter().filter(|call| call.is_flush()).filter(between);
        let flushed = flushes.map(|call| call.began).max().unwrap_or(0);
        match writes.into_iter().max() {
            Some(last) if last < flushed => {}
            Some(_) => return Err(format!("batch {n}: no flush between the log and the answer")),
            None => return Err(format!("batch {n}: nothing is written before the answer")),
        }
    }
    Ok(())
}

/// A server that is traced.
struct Traced {
    strace: Child,
    data: PathBuf,
    url: String,
    trace: PathBuf,
}

impl Traced {
    fn start(dir: &Path, preload: Option<&Path>) -> Self {
        let (data, trace) = (dir.join("data"), dir.join("trace"));
        let mut command = Command::new("strace");
        command
            .args(["-f", "-y", "-s", "16", "-e", CALLS, "-o"])
            .arg(&trace);
        if let Some(library) = preload {
            command.arg("-E").arg(format!("LD_PRELOAD={}", library.display()));
        }
        command
            .arg(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data);
        command
            .env("LANGSO_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut strace = command
            .spawn()
            .expect("strace is needed to see what is flushed: apt-get install strace");
        let mut first = String::new();
        BufReader::new(strace.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let url = first
            .trim()
            .rsplit_once(' ')
            .expect("the server starts under strace: is ptrace allowed here?");
        Self {
            url: url.1.to_owned(),
            strace,
            data,
            trace,
        }
    }

    /// Stops the server; gives what it asked of the system.
    fn stop(mut self) -> Vec<Call> {
        let server = pid_of(&self.data).unwrap().to_string();
        assert!(Command::new("kill").arg(server).status().unwrap().success());
        self.strace.wait().unwrap();
        calls(&std::fs::read_to_string(&self.trace).unwrap())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        drop(self.strace.kill());
        drop(self.strace.wait());
    }
}

/// A phone delivers some batches, one by one; gives what the server asked of the system.
fn deliver(preload: Option<&Path>) -> Vec<Call> {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (hamlet, _, codes) = settle(&Config {
        data,
        ..Config::default()
    });
    let server = Traced::start(dir.path(), preload);
    let (url, code) = (server.url.clone(), codes[0].clone());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let delivered = runtime.block_on(runtime.spawn(async move {
        let link = Link::to(&url, std::sync::Arc::default()).unwrap();
        let mut phone = Phone::enrol(link, &code, MemoryStore::default(), 1)
            .await
            .unwrap();
        phone.sync(|| Fate::Delivered).await.unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..BATCHES {
            let id = phone.fresh_record();
            let new = people::assistance(&mut rng, id, hamlet, phone.now_ms());
            phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
            phone.exchange(Fate::Delivered).await.unwrap().unwrap();
        }
        phone.delivered
    }));
    assert_eq!(delivered.unwrap(), BATCHES, "every batch has its receipt");
    server.stop()
}

/// Every few seconds the server writes down who was there, which may fall between a flush and its answer: so there is
/// another try, and each has to have every batch flushed to be good.
#[test]
fn every_receipt_is_given_after_the_log_is_flushed() {
    let mut told = Err(String::new());
    for _ in 0..3 {
        told = flushed_before_answered(&deliver(None));
        if told.is_ok() {
            break;
        }
    }
    assert_eq!(told, Ok(()));
}

#[test]
fn a_server_that_does_not_flush_is_found_out_by_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("no_flush.c"), dir.path().join("no_flush.so"));
    std::fs::write(&source, NO_FLUSH).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .status();
    assert!(compiled.unwrap().success());
    let found = flushed_before_answered(&deliver(Some(&library)));
    assert_eq!(
        found,
        Err("batch 0: no flush between the log and the answer".to_owned())
    );
}
