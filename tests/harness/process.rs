//! Phones as processes, which can be killed, and what they said before.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

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
        let mut child = Command::new(PROGRAM)
            .arg("phone")
            .arg("--store")
            .arg(&self.store)
            .arg("--server")
            .arg(&self.server)
            .args([
                "--code",
                &self.code,
                "--unit",
                &self.unit,
                "--seed",
                &seed.to_string(),
            ])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        // What was said before a kill is in the pipe, and is read to its end.
        let said = std::thread::spawn(move || said.lines().map_while(Result::ok).collect());
        PhoneProcess {
            child,
            said: Some(said),
        }
    }
}

/// A running app. It is killed when this is dropped.
#[derive(Debug)]
pub struct PhoneProcess {
    child: Child,
    said: Option<JoinHandle<Vec<String>>>,
}

impl PhoneProcess {
    /// Kills it on the spot; gives what it had said.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.take().unwrap().join().unwrap()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        (status, self.said.take().unwrap().join().unwrap())
    }
}

impl Drop for PhoneProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
