// A browser and a district for all tests, and what each of them does: open a window, log in, ask the API, enrol a phone.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Phone, startDistrict } from "./district.mjs";

/** Where the run leaves its pictures; what an earlier run left is gone. */
export const shots = fileURLToPath(new URL("./shots/", import.meta.url));
/** The district that all tests look at, one after another. */
export let district;
let browser;

before(async () => {
  await rm(shots, { recursive: true, force: true });
  await mkdir(shots, { recursive: true });
  const found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
  browser = await chromium.launch({ executablePath: found, args: ["--no-sandbox", "--disable-gpu"] });
  district = await startDistrict();
});

after(async () => {
  await browser?.close();
  await district?.stop();
});

/** A window of its own; whatever the page complains of makes the test fail at its end. */
export async function opened(t, options = {}) {
  const context = await browser.newContext({ locale: "vi-VN", viewport: { width: 1280, height: 900 }, ...options });
  // A browser's own language says nothing of who sits before it: English is chosen, as by the switch.
  if (options.locale?.startsWith("en")) await context.addCookies([{ name: "langso_language", value: "en", url: district.url }]);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // What the server refuses on purpose is told by the browser as well.
    const refused = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !refused) complaints.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], "the page complained");
  });
  return page;
}

/** A window of somebody logged in: of a role that the demo gives away, or with a name and a password. */
export async function logIn(t, who, options) {
  const page = await opened(t, options);
  await page.goto(`${district.url}/login`);
  await enter(page, who);
  // Who oversees nobody begins at the page about themselves.
  await page.waitForURL(/:\d+\/(account)?$/);
  return page;
}

/** Fills in the login that a page shows, and sends it. */
export async function enter(page, who) {
  const { username, password } = district.logins[who] ?? who;
  await page.fill("input[name=username]", username);
  await page.fill("input[name=password]", password);
  await page.click("main button");
}

/** Asks the API as the person that is logged in on a page. */
export async function asked(page, method, path, data) {
  const { status, body } = await page.evaluate(async ({ method, path, data }) => {
    const { csrf } = await (await fetch("/v1/me")).json();
    const headers = { "x-csrf-token": csrf, "content-type": "application/json" };
    const answer = await fetch(path, { method, headers, body: data && JSON.stringify(data) });
    return { status: answer.status, body: await answer.json() };
  }, { method, path, data });
  assert.equal(status, 200, `${method} ${path}: ${JSON.stringify(body)}`);
  return body;
}

let names = 0;
/** A username that nobody has yet. */
export function freshName(word) {
  names += 1;
  return `${word}-${names}`;
}

/** An account with a role in a unit, made by an admin who is logged in on a page. */
export async function account(admin, called, role, unit) {
  const username = freshName(role);
  const name = `${called} (${username})`;
  const { account } = await asked(admin, "POST", "/v1/accounts", { username, name, role, unit });
  return { account, username, name };
}

/** A phone of a new member of a hamlet of a commune: the first, if no other is asked for. */
export async function phoneIn(t, commune, place = 0) {
  const admin = await logIn(t, "admin");
  const { units } = await asked(admin, "GET", "/v1/units");
  const above = units.find((unit) => (commune ? unit.name === commune : unit.level === "commune"));
  const hamlet = units.filter((unit) => unit.parent === above.id)[place];
  const member = await account(admin, "Trần Thị Kiểm Thử", "member", hamlet.id);
  const { code } = await asked(admin, "POST", `/v1/accounts/${member.account}/codes`, { unit: hamlet.id });
  const phone = new Phone(district, member.username);
  await phone.enrol(code);
  await phone.do("sync");
  return { admin, phone, hamlet, commune: above, member };
}

/** Two people of a hamlet who say something else about a record without seeing each other: of its outcome and of the people. */
export async function disagree(t) {
  const { phone: one, hamlet } = await phoneIn(t);
  const { phone: other } = await phoneIn(t);
  const { id } = await one.do("record", ...RECORD);
  await one.do("sync");
  await other.do("sync");
  await one.do("amend", id, "--outcome", "hen_lai", "--people", "2");
  await other.do("amend", id, "--outcome", "that_bai", "--people", "5");
  for (const phone of [one, other]) await phone.do("sync");
  return { hamlet, record: id };
}

/** What a phone records at the least. */
export const RECORD = ["--category", "dich_vu_cong", "--channel", "tai_nha", "--outcome", "hoan_thanh", "--people", "1"];
