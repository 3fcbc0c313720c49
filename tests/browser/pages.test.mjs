// What officials and admins do every day, in a real browser. Screenshots of every page are written to `shots`.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Phone, startDistrict } from "./district.mjs";

const shots = new URL("./shots/", import.meta.url).pathname;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

let browser;
let district;

before(async () => {
  await mkdir(shots, { recursive: true });
  browser = await chromium.launch({ executablePath: found, args: ["--no-sandbox", "--disable-gpu"] });
  district = await startDistrict();
});

after(async () => {
  await browser?.close();
  await district?.stop();
});

/** A window of its own; whatever the page complains of makes the test fail at its end. */
async function opened(t, options = {}) {
  const context = await browser.newContext({ locale: "vi-VN", viewport: { width: 1280, height: 900 }, ...options });
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

async function logIn(t, role, options) {
  const page = await opened(t, options);
  await page.goto(`${district.url}/login`);
  const { username, password } = district.logins[role];
  await page.fill("input[name=username]", username);
  await page.fill("input[name=password]", password);
  await page.click("button");
  await page.waitForURL(`${district.url}/`);
  return page;
}

/** Asks the API as the person that is logged in on a page. */
async function asked(page, method, path, data) {
  const { status, body } = await page.evaluate(async ({ method, path, data }) => {
    const { csrf } = await (await fetch("/v1/me")).json();
    const headers = { "x-csrf-token": csrf, "content-type": "application/json" };
    const answer = await fetch(path, { method, headers, body: data && JSON.stringify(data) });
    return { status: answer.status, body: await answer.json() };
  }, { method, path, data });
  assert.equal(status, 200, `${method} ${path}: ${JSON.stringify(body)}`);
  return body;
}

/** A phone of a new member of the first hamlet of a unit. */
async function phoneIn(t, commune) {
  const admin = await logIn(t, "admin");
  const { units } = await asked(admin, "GET", "/v1/units");
  const above = commune ? units.find((unit) => unit.name === commune) : units.find((unit) => unit.level === "commune");
  const hamlet = units.find((unit) => unit.parent === above.id);
  const name = `kiem-thu-${Date.now()}`;
  const body = { username: name, name: "Trần Thị Kiểm Thử", role: "member", unit: hamlet.id };
  const { account } = await asked(admin, "POST", "/v1/accounts", body);
  const { code } = await asked(admin, "POST", `/v1/accounts/${account}/codes`, { unit: hamlet.id });
  const phone = new Phone(district, name);
  await phone.enrol(code);
  await phone.do("sync");
  return { phone, hamlet, commune: above };
}

const RECORD = ["--category", "dich_vu_cong", "--channel", "tai_nha", "--outcome", "hoan_thanh", "--people", "1"];

test("nobody gets in with a wrong password, and the way back is kept", async (t) => {
  const page = await opened(t);
  await page.goto(`${district.url}/records?retracted=yes`);
  assert.match(page.url(), /\/login\?back=/);
  const { username, password } = district.logins.leader;
  await page.fill("input[name=username]", username);
  await page.fill("input[name=password]", "wrong");
  await page.click("button");
  assert.match(await page.textContent("[role=alert]"), /không đúng/);
  assert.equal(await page.inputValue("input[name=username]"), username);
  await page.fill("input[name=password]", password);
  await page.click("button");
  await page.waitForURL(/\/records\?retracted=yes$/);
});

test("records are filtered by unit and day, and the filter is in the address", async (t) => {
  const page = await logIn(t, "leader");
  await page.goto(`${district.url}/records`);
  const unit = await page.locator("select[name=unit] option", { hasText: "Xã Vĩnh Yên" }).getAttribute("value");
  await page.selectOption("select[name=unit]", unit);
  await page.click(".filter button:has-text('Lọc')");
  assert.match(page.url(), /unit=/);
  const places = await page.locator("#records tr td:nth-child(2)").allTextContents();
  assert.ok(places.length > 5);
  assert.ok(places.every((place) => place.includes("Vĩnh Yên")), places.join("; "));
  const later = new URL(page.url());
  later.searchParams.set("from", "2030-01-01");
  await page.goto(later.href);
  assert.match(await page.textContent("main"), /Không có lượt hỗ trợ nào/);
});

test("words find records as Vietnamese type, and stay out of the address", async (t) => {
  // Who does not read citizens' data: no person of that name is found.
  const page = await logIn(t, "admin");
  await page.goto(`${district.url}/records`);
  await page.fill("input[name=q]", "vinh hung");
  await page.press("input[name=q]", "Enter");
  await page.waitForURL(`${district.url}/records/search`);
  const places = await page.locator("#records tr td:nth-child(2)").allTextContents();
  assert.ok(places.length > 5);
  assert.ok(places.every((place) => /Vĩnh H[ưù]ng/.test(place)), places.join("; "));
  await page.fill("input[name=q]", "vĩnh hùng");
  await page.press("input[name=q]", "Enter");
  const exact = await page.locator("#records tr td:nth-child(2)").allTextContents();
  assert.match(exact[0], /Vĩnh Hùng/, "exact accents come first");
});

test("a conflict is settled by choosing one of its values", async (t) => {
  const page = await logIn(t, "leader");
  await page.goto(`${district.url}/conflicts`);
  const conflicts = await page.locator(".conflict").count();
  assert.ok(conflicts > 0);
  const first = page.locator(".conflict form").first();
  const action = await first.getAttribute("action");
  const field = await first.locator("input[name=field]").getAttribute("value");
  await first.locator("button").first().click();
  assert.match(await page.textContent("[role=status].done"), /Đã chọn/);
  const left = page.locator(`form[action="${action}"]:has(input[name=field][value="${field}"])`);
  assert.equal(await left.count(), 0);
});

test("a directive is issued, and its board fills while phones answer", async (t) => {
  const official = await logIn(t, "official");
  const commune = await official.textContent(".bar .where");
  const { phone } = await phoneIn(t, commune);
  await official.goto(`${district.url}/directives/new`);
  await official.fill("input[name=number]", "45/UBND-VX");
  await official.fill("input[name=title]", "Rà soát <b>hộ nghèo</b> trước Tết");
  await official.fill("textarea[name=body]", "Kính gửi các tổ,\n\n- Lập danh sách.\n- Gửi về xã.");
  await official.selectOption("select[name=urgency]", "urgent");
  await official.fill("input[name=signer]", "Chủ tịch UBND xã");
  await official.selectOption("select[name=asks]", "report");
  for (const box of await official.locator("fieldset > label input[name=target]").all()) await box.check();
  await official.click("button:has-text('Ban hành')");
  await official.waitForURL(/\/directives\/[0-9A-Z]{26}\?done=issued$/);
  assert.match(await official.textContent("h1"), /45\/UBND-VX – Rà soát <b>hộ nghèo<\/b> trước Tết/);
  const id = official.url().match(/directives\/(\w+)/)[1];
  const done = official.locator(".figures p", { hasText: "Đã xong" }).locator("b");
  assert.equal(await done.textContent(), "0");
  await official.evaluate(() => { window.notLoadedAgain = true; });
  await phone.do("sync");
  await phone.do("ack", id, "done");
  await phone.do("sync");
  await official.waitForFunction(
    (figure) => [...document.querySelectorAll(".figures p")].some((p) => p.textContent.includes(figure) && p.querySelector("b").textContent === "1"),
    "Đã xong",
    { timeout: 5000 },
  );
  assert.ok(await official.evaluate(() => window.notLoadedAgain), "without loading the page again");
  await official.screenshot({ path: `${shots}directive-answered.png`, fullPage: true });
});

test("a directive with a degree of secrecy is refused, and nothing that was typed is lost", async (t) => {
  const page = await logIn(t, "official");
  await page.goto(`${district.url}/directives/new`);
  await page.fill("input[name=number]", "46/UBND");
  await page.fill("input[name=title]", "Một việc");
  await page.fill("textarea[name=body]", "Nội dung dài");
  await page.fill("input[name=signer]", "Chủ tịch");
  await page.selectOption("select[name=secrecy]", "mat");
  await page.locator("fieldset > label input[name=target]").first().check();
  await page.click("button:has-text('Ban hành')");
  assert.match(await page.textContent("[role=alert]"), /mật/);
  assert.equal(await page.inputValue("textarea[name=body]"), "Nội dung dài");
  assert.ok(await page.locator("fieldset > label input[name=target]").first().isChecked());
});

test("an open page shows a new record within two seconds of its receipt", async (t) => {
  const leader = await logIn(t, "leader");
  const { phone, hamlet } = await phoneIn(t);
  await leader.goto(`${district.url}/records?unit=${hamlet.id}`);
  await leader.waitForSelector("#live[data-state=on]");
  const id = (await phone.do("record", ...RECORD, "--citizen-name", "Nguyễn Văn Á")).id;
  await phone.do("sync");
  await leader.waitForSelector(`#records tr[data-id="${id}"]`, { timeout: 2000 });
});

test("whoever reads further down stays there while new records come", async (t) => {
  const leader = await logIn(t, "leader", { viewport: { width: 1280, height: 500 } });
  const { phone } = await phoneIn(t);
  await leader.goto(`${district.url}/records`);
  await leader.waitForSelector("#live[data-state=on]");
  const row = leader.locator("#records tr").nth(20);
  const id = await row.getAttribute("data-id");
  await row.evaluate((element) => window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - 40));
  const top = () => leader.locator(`#records tr[data-id="${id}"]`).evaluate((element) => element.getBoundingClientRect().top);
  const before = await top();
  const made = (await phone.do("record", ...RECORD)).id;
  await phone.do("sync");
  await leader.waitForSelector(`#records tr[data-id="${made}"]`, { state: "attached", timeout: 5000 });
  assert.ok(Math.abs((await top()) - before) < 4, `${before} and then ${await top()}`);
});

test("what was typed outlives the session", async (t) => {
  const page = await logIn(t, "official");
  await page.goto(`${district.url}/directives/new`);
  await page.fill("input[name=number]", "47/UBND");
  await page.fill("input[name=title]", "Việc đang dở");
  await page.fill("textarea[name=body]", "Một trang dài\nkhông được mất");
  await page.fill("input[name=signer]", "Chủ tịch");
  await page.locator("fieldset > label input[name=target]").first().check();
  await page.context().clearCookies();
  await page.click("button:has-text('Ban hành')");
  assert.match(await page.textContent("[role=alert]"), /vẫn còn/);
  const { username, password } = district.logins.official;
  await page.fill("input[name=username]", username);
  await page.fill("input[name=password]", password);
  await page.click("button");
  assert.match(await page.textContent("main"), /không được mất/);
  await page.click("button:has-text('Gửi')");
  await page.waitForURL(/\?done=issued$/);
  assert.match(await page.textContent("main"), /Một trang dài\nkhông được mất/);
});

test("the language is switched and stays", async (t) => {
  const page = await logIn(t, "leader");
  await page.goto(`${district.url}/conflicts`);
  await page.click("text=English");
  await page.waitForURL(`${district.url}/conflicts`);
  assert.equal(await page.textContent("h1"), "Conflicts");
  await page.goto(`${district.url}/`);
  assert.equal(await page.textContent("h1"), "Overview");
  assert.equal(await page.getAttribute("html", "lang"), "en");
});

test("everything can be done with the keyboard alone", async (t) => {
  const page = await opened(t);
  await page.goto(`${district.url}/login`);
  const { username, password } = district.logins.leader;
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${district.url}/`);
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Đến nội dung/);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  await page.goto(`${district.url}/conflicts`);
  await page.evaluate(() => document.getElementById("content").focus());
  for (let presses = 0; presses < 10; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.matches(".conflict button"))) break;
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "where one is can be seen");
  await page.keyboard.press("Enter");
  await page.waitForURL(/done=settled/);
});

test("without scripts the pages are the same", async (t) => {
  const page = await logIn(t, "leader", { javaScriptEnabled: false });
  for (const path of ["/", "/records", "/directives", "/charts"]) {
    await page.goto(`${district.url}${path}`);
    assert.ok((await page.locator("main section").count()) > 0, path);
  }
});

for (const role of ["leader", "admin", "official"]) {
  test(`every page of the ${role} is readable for everybody, in both themes and on a narrow screen`, async (t) => {
    const page = await logIn(t, role);
    const paths = await page.locator(".ways a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    paths.push("/account", "/conflicts?state=settled", ...(role === "admin" ? [] : ["/drafts"]));
    const firsts = { "/drafts": "main table a", "/records": "#records a", "/directives": ".directive h2 a", "/quarantine": "main table a" };
    for (const path of [...paths]) {
      if (!firsts[path]) continue;
      await page.goto(`${district.url}${path}`);
      const link = page.locator(firsts[path]).first();
      if (await link.count()) paths.push(await link.getAttribute("href"));
    }
    if (role === "official") paths.push("/directives/new");
    const problems = [];
    for (const [at, path] of paths.entries()) {
      for (const [theme, width] of [["light", 1280], ["dark", 1280], ["light", 360]]) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme: theme });
        const answer = await page.goto(`${district.url}${path}`);
        if (answer.status() !== 200) problems.push(`${path}: ${answer.status()}`);
        const name = at < 20 ? path.replace(/\/[0-9A-Z]{26}$/, "/one").replaceAll("/", "-") : at;
        await page.screenshot({ path: `${shots}${role}${name}-${theme}-${width}.png`, fullPage: true });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > width) problems.push(`${path} is ${wide} px wide on a screen of ${width}`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        for (const { id, nodes } of serious) {
          problems.push(`${path} ${theme} ${width}: ${id}: ${nodes.slice(0, 3).map(({ html }) => html).join(" | ")}`);
        }
      }
    }
    assert.deepEqual(problems, []);
  });
}
