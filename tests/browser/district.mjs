// A district to look at: `langso demo` as a process, with its phones going on, and phones of our own on the command line.

import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createServer } from "node:net";

const run = promisify(execFile);
const built = fileURLToPath(new URL("../../target/debug", import.meta.url));

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts the demo; resolves when its first day is played and its pages can be used. */
export async function startDistrict() {
  const home = await mkdtemp(join(tmpdir(), "langso-browser-"));
  const listen = `127.0.0.1:${await freePort()}`;
  const demo = spawn(join(built, "langso"), ["demo", "--data", join(home, "data"), "--listen", listen]);
  const logins = {};
  let said = "";
  let complained = "";
  demo.stderr.on("data", (text) => { complained += text; });
  await new Promise((ready, failed) => {
    demo.on("exit", (code) => failed(new Error(`the demo ended with ${code}: ${said}${complained}`)));
    demo.stdout.on("data", (text) => {
      said += text;
      for (const [, role, username, password] of said.matchAll(/^ {2}(\w+) +(\S+) \/ (\S+)$/gm)) {
        logins[role] = { username, password };
      }
      if (said.includes("Ctrl-C")) ready();
    });
  });
  demo.removeAllListeners("exit");
  return {
    url: `http://${listen}`,
    logins,
    home,
    /** Does something while nothing comes from the demo's phones: their process stands still, the server's does not. */
    async still(work) {
      demo.kill("SIGSTOP");
      try {
        return await work();
      } finally {
        demo.kill("SIGCONT");
      }
    },
    async stop() {
      const ended = new Promise((done) => demo.on("exit", done));
      demo.kill("SIGINT");
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** A phone on the command line. Every command answers JSON. */
export class Phone {
  constructor(district, name) {
    this.district = district;
    this.home = join(district.home, name);
  }

  async do(...command) {
    const { stdout } = await run(join(built, "langso-phone"), ["--home", this.home, "--json", ...command]);
    return stdout.trim() ? JSON.parse(stdout) : null;
  }

  enrol(code) {
    return this.do("enrol", this.district.url, code);
  }
}
