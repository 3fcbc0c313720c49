// What an open page does when something happens elsewhere: it follows, asks for nothing while nothing happens, and leaves
// whoever reads or writes where they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, district, logIn, phoneIn, RECORD } from "./window.mjs";

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
  // Somebody without a mouse stands on it.
  await row.locator("a").focus({ preventScroll: true });
  const made = (await phone.do("record", ...RECORD)).id;
  await phone.do("sync");
  await leader.waitForSelector(`#records tr[data-id="${made}"]`, { state: "attached", timeout: 2000 });
  assert.ok(Math.abs((await top()) - before) < 4, `${before} and then ${await top()}`);
  assert.equal(await leader.evaluate(() => document.activeElement.closest("[data-id]")?.dataset.id), id, "and on the same record");
});

test("what is being typed stays while new records come, and so does what is open", async (t) => {
  const leader = await logIn(t, "leader");
  const { phone } = await phoneIn(t);
  const { id } = await phone.do("record", ...RECORD);
  await phone.do("sync");
  await asked(leader, "POST", "/v1/remarks", { record: id, kind: "question", words: "Thủ tục nào?" });
  await leader.goto(`${district.url}/remarks`);
  await leader.waitForSelector("#live[data-state=on]");
  await leader.locator(".remark summary").first().click();
  const words = leader.locator(".remark textarea").first();
  await words.fill("Câu trả lời viết dở");
  // Somewhere else on the page, to look something up.
  await leader.locator("h1").click();
  const fetched = leader.waitForResponse((answer) => answer.url() === `${district.url}/remarks`);
  await phone.do("amend", id, "--people", "2");
  await phone.do("sync");
  await (await fetched).finished();
  await leader.waitForTimeout(100);
  assert.equal(await words.inputValue(), "Câu trả lời viết dở");
  assert.ok(await words.isVisible());
});

test("the numbers of the overview follow within two seconds of a receipt, and whoever is on it stays where they are", async (t) => {
  const leader = await logIn(t, "leader", { viewport: { width: 1280, height: 400 } });
  const { phone, commune } = await phoneIn(t);
  await district.still(async () => {
    await leader.goto(`${district.url}/`);
    await leader.waitForSelector("#live[data-state=on]");
    const numbers = () => leader.evaluate((name) => {
      const number = (text) => Number(text.replaceAll(".", ""));
      const group = [...document.querySelectorAll("details > summary")].find((summary) => summary.textContent.includes(name));
      return [...document.querySelectorAll(".periods tbody tr td:nth-child(2) a"), group.querySelector("b")].map((one) => number(one.textContent));
    }, commune.name);
    const before = await numbers();
    // Somebody has a commune open further down, and stands on it.
    const summary = leader.locator("details > summary", { hasText: commune.name });
    await summary.click();
    await summary.focus();
    await summary.evaluate((element) => window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - 100));
    const place = () => leader.evaluate(() => ({
      top: document.activeElement.getBoundingClientRect().top, on: document.activeElement.querySelector("span")?.textContent,
      open: document.querySelectorAll("details[open]:not(.numbers)").length,
    }));
    const stood = await place();
    assert.ok((await leader.evaluate(() => window.scrollY)) > 100, "the page is longer than the screen");
    await leader.evaluate(() => { window.notLoadedAgain = true; });

    await phone.do("record", ...RECORD);
    await phone.do("sync");
    await leader.waitForFunction(
      (least) => Number(document.querySelector(".periods tbody a").textContent.replaceAll(".", "")) >= least,
      before[0] + 1,
      { timeout: 2000 },
    );
    assert.deepEqual(await numbers(), before.map((number) => number + 1), "today, the week, the month, and the commune");
    const stands = await place();
    assert.deepEqual({ on: stands.on, open: stands.open }, { on: commune.name, open: stood.open });
    assert.ok(Math.abs(stands.top - stood.top) < 4, `${stood.top} and then ${stands.top}`);
    assert.ok(await leader.evaluate(() => window.notLoadedAgain), "without loading the page again");
  });
});

test("a page on which nothing happens asks for nothing", async (t) => {
  const leader = await logIn(t, "leader");
  await district.still(async () => {
    for (const path of ["/", "/records", "/directives"]) {
      await leader.goto(`${district.url}${path}`);
      await leader.waitForSelector("#live[data-state=on]");
      const asked = [];
      leader.on("request", (request) => asked.push(request.url()));
      // This is what the test is about: some time in which nothing happens.
      await leader.waitForTimeout(3000);
      leader.removeAllListeners("request");
      assert.deepEqual(asked, [], path);
    }
  });
});

test("a page comes back to a server that was away, later each time, and shows what it missed", async (t) => {
  const leader = await logIn(t, "leader");
  const { phone, hamlet } = await phoneIn(t);
  // Half of the pause is by chance; here it is always the same.
  await leader.addInitScript(() => { Math.random = () => 0.5; });
  const now = Date.now();
  await leader.clock.install({ time: now });
  await leader.clock.pauseAt(now + 1000);
  // As a proxy answers for a server that is not there.
  let attempts = 0;
  const away = (route) => { attempts += 1; return route.fulfill({ status: attempts % 2 ? 502 : 503, body: "" }); };
  await leader.route("**/live", away);
  await leader.goto(`${district.url}/records?unit=${hamlet.id}`);
  await leader.waitForSelector("#live[data-state=off]");
  for (const seconds of [1, 2, 4, 8]) {
    const before = attempts;
    await leader.clock.runFor(seconds * 1000 - 50);
    assert.equal(attempts, before, `not before ${seconds} seconds are over`);
    const asked = leader.waitForRequest("**/live");
    await leader.clock.runFor(100);
    await (await asked).response();
  }
  // So often it is tried however long it takes.
  for (let minutes = 0; minutes < 3; minutes += 1) {
    const asked = leader.waitForRequest("**/live");
    await leader.clock.runFor(60_000);
    await (await asked).response();
  }
  // It is there again, and the connection breaks soon: what is recorded meanwhile is shown when there is one again.
  await leader.unroute("**/live");
  await leader.route("**/live", (route) => route.fulfill({ contentType: "text/event-stream", body: ":\n\n" }));
  await leader.evaluate(() => {
    window.lights = [];
    new MutationObserver(() => window.lights.push(document.getElementById("live").dataset.state)).observe(document.getElementById("live"), { attributes: true });
  });
  await leader.clock.runFor(60_000);
  await leader.waitForFunction(() => window.lights.includes("on") && window.lights.at(-1) === "off");
  await leader.unroute("**/live");
  const { id } = await phone.do("record", ...RECORD);
  await phone.do("sync");
  assert.equal(await leader.locator(`#records tr[data-id="${id}"]`).count(), 0);
  await leader.clock.runFor(2000);
  await leader.waitForSelector(`#records tr[data-id="${id}"]`);
  await leader.waitForSelector("#live[data-state=on]");
});
