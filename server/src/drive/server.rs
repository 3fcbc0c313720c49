//! A server as a process of its own, and what the operating system says it costs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor seconds, in itself and in the kernel for it.
    pub cpu_s: f64,
    /// The most memory it ever held, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// Reads it; `None` where the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in brackets and may hold anything; fields are counted after it, the state being the third.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let cpu_s = (ticks(11)? + ticks(12)?) as f64 / rustix::param::clock_ticks_per_second() as f64;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = peak.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(Self {
            cpu_s,
            peak_bytes: kilobytes * 1024,
        })
    }
}

/// The process that serves a data directory, if it says so there.
pub fn pid_of(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join("lock"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// A running `langso serve`. It is stopped when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl ServerProcess {
    /// Starts `program serve` and waits until it listens.
    ///
    /// # Errors
    /// When it does not start; why stands on its standard error.
    pub fn start(program: &Path, data: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", &listen.to_string()])
            .env(
                "LANGSO_LOG",
                std::env::var("LANGSO_LOG").unwrap_or_else(|_| "warn".to_owned()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut first = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut first)?;
        }
        let address = first
            .trim()
            .rsplit_once("http://")
            .and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else {
            drop(child.kill());
            drop(child.wait());
            anyhow::bail!("the server did not start");
        };
        Ok(Self { child, address })
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }

    /// Kills it on the spot, as a power cut would.
    pub fn kill(mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to stop and waits until it has.
    fn stop(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
        drop(self.child.wait());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.stop();
    }
}
