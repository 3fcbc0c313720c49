// Whoever has no mouse: every step of these is a key, the addresses of pages among them.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { disagree, district, logIn, opened } from "./window.mjs";

/** Goes on with the tabulator until something that fits has the focus, and says that it can be seen. */
async function tabTo(page, selector, most = 150) {
  for (let presses = 0; presses < most; presses += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate((selector) => {
      const here = document.activeElement;
      if (!here.matches(selector)) return null;
      const { top, bottom } = here.getBoundingClientRect();
      return { seen: bottom > 0 && top < window.innerHeight && getComputedStyle(here).outlineStyle !== "none" };
    }, selector);
    if (here) return assert.ok(here.seen, `${selector} has the focus and is not seen`);
  }
  assert.fail(`${selector} is not reached`);
}

/** Follows a link or presses a button, and comes to where that leads. */
async function press(page, selector, most) {
  await tabTo(page, selector, most);
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
}

/** What a browser saves after a link or a button was pressed. */
async function taken(page, selector) {
  await tabTo(page, selector);
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  return readFile(await download.path(), "utf8");
}

/** The login, as whoever opens the browser there finds it. */
async function enterByKey(t, who) {
  const page = await opened(t);
  await page.goto(`${district.url}/login`);
  const { username, password } = district.logins[who];
  // The first field has the focus; a browser gives it a moment after the page is there.
  await page.waitForFunction(() => document.activeElement.matches("[name=username]"));
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${district.url}/`);
  return page;
}

test("a day in an office is done with the keyboard alone", async (t) => {
  // There is something to settle.
  await disagree(t);
  const page = await enterByKey(t, "leader");
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Đến nội dung/);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  await tabTo(page, "summary");
  const folded = await page.evaluate(() => document.activeElement.parentElement.open);
  await page.keyboard.press("Enter");
  assert.notEqual(await page.evaluate(() => document.activeElement.parentElement.open), folded);

  await district.still(async () => {
    // Filter, and take away what is filtered.
    await press(page, ".ways a[href='/records']");
    await page.waitForURL(`${district.url}/records`);
    await tabTo(page, "select[name=outcome]");
    await page.keyboard.press("ArrowDown");
    await press(page, ".filter button");
    await page.waitForURL(/outcome=\w/);
    const outcome = new URL(page.url()).searchParams.get("outcome");
    const lines = (text) => text.trim().split("\n").map((line) => JSON.parse(line));
    const filtered = lines(await taken(page, ".actions a[href*='.ndjson']"));
    assert.ok(filtered.length > 3 && filtered.slice(0, -1).every((row) => row.outcome === outcome), outcome);

    // Look for words, and take away what is found.
    await tabTo(page, "input[type=search]");
    await page.keyboard.type("vinh hung");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${district.url}/records/search`);
    const places = await page.locator("#records tr td:nth-child(2)").allTextContents();
    assert.ok(places.some((place) => /Vĩnh H[ưù]ng/.test(place)), places.join("; "));
    const found = lines(await taken(page, ".actions button[value=ndjson]"));
    assert.ok(found.length > places.length - 1 && found.slice(0, -1).every((row) => row.outcome === outcome), "words and filter");
    await press(page, "#records a");
    await page.waitForURL(/\/records\/[0-9A-Z]{26}$/);

    // Settle a conflict; by a value that nobody had said where there is a choice of some.
    await press(page, ".ways a[href='/conflicts']");
    await page.waitForURL(`${district.url}/conflicts`);
    const conflicts = () => page.locator(".conflict").count();
    const before = await conflicts();
    await press(page, ".conflict button[name=value]");
    await page.waitForURL(/done=settled/);
    assert.equal(await conflicts(), before - 1);
    await tabTo(page, ".conflict select[name=other]", 400);
    await page.keyboard.press("ArrowDown");
    await press(page, ".conflict button.second:not([name])");
    await page.waitForURL(/done=settled/);
    assert.equal(await conflicts(), before - 2);

    // The other language, where one is.
    await press(page, ".languages a[lang=en]");
    await page.waitForURL(/\/conflicts/);
    assert.equal(await page.textContent("h1"), "Conflicts");
    await press(page, ".languages a[lang=vi]");
    await page.waitForURL(/\/conflicts/);
    assert.equal(await page.getAttribute("html", "lang"), "vi");
  });
});

test("a directive is written, issued and followed with the keyboard alone", async (t) => {
  const page = await enterByKey(t, "official");
  await press(page, ".ways a[href='/directives']");
  await page.waitForURL(`${district.url}/directives`);
  await press(page, ".actions a[href='/directives/new']");
  await page.waitForURL(/\/directives\/new$/);
  for (const [field, text] of [["number", "48/UBND"], ["title", "Không cần chuột"], ["body", "Một dòng"], ["signer", "Chủ tịch"]]) {
    await tabTo(page, `[name=${field}]`);
    await page.keyboard.type(text);
  }
  await tabTo(page, "input[name=target]");
  await page.keyboard.press("Space");
  await press(page, "main form.fields button");
  await page.waitForURL(/\?done=issued$/);
  assert.match(await page.textContent("h1"), /48\/UBND – Không cần chuột/);
  await press(page, ".ways a[href='/directives']");
  await page.waitForURL(`${district.url}/directives`);
  await press(page, ".directive h2 a");
  await page.waitForURL(/\/directives\/[0-9A-Z]{26}$/);
});

test("a person is added and gets a code with the keyboard alone", async (t) => {
  const page = await enterByKey(t, "admin");
  await press(page, ".ways a[href='/accounts']");
  await tabTo(page, ".actions a[href='#new']");
  await page.keyboard.press("Enter");
  for (const [field, text] of [["name", "Ngô Thị Phím"], ["username", "phim.ngo"]]) {
    await tabTo(page, `#new [name=${field}]`);
    await page.keyboard.type(text);
  }
  await tabTo(page, "#new select[name=unit]");
  await page.keyboard.press("End");
  await press(page, "#new button");
  await page.waitForURL(/\/accounts\/[0-9A-Z]{26}\?done=added$/);
  assert.equal(await page.textContent("h1"), "Ngô Thị Phím");
  await press(page, "form[action$='/codes'] button");
  assert.match(await page.textContent("code.code"), /\w{4}/);
});

test("whoever goes through a page by key sees where one is and comes to everything", async (t) => {
  const page = await logIn(t, "leader");
  await district.still(async () => {
    for (const path of ["/", "/records", "/conflicts", "/directives", "/units", "/report"]) {
      await page.goto(`${district.url}${path}`);
      const stops = await page.locator("a, button, input:not([type=hidden]), select, textarea, summary").evaluateAll((all) => {
        const shown = all.filter((one) => one.checkVisibility({ visibilityProperty: true }));
        return shown.map((one, at) => { one.dataset.stop = at; return at; });
      });
      const reached = new Set();
      const unseen = [];
      // A field for a day has stops within.
      for (let presses = 0; presses < stops.length + 40; presses += 1) {
        await page.keyboard.press("Tab");
        const { left, stop, seen, html } = await page.evaluate(() => {
          const here = document.activeElement;
          const { outlineStyle, outlineWidth } = getComputedStyle(here);
          const { top, bottom } = here.getBoundingClientRect();
          const seen = outlineStyle !== "none" && outlineWidth !== "0px" && bottom > 0 && top < window.innerHeight;
          return { left: here === document.body, stop: here.dataset.stop, seen, html: here.outerHTML.slice(0, 90) };
        });
        if (left) break;
        if (!seen) unseen.push(html);
        if (stop !== undefined) reached.add(Number(stop));
        if (reached.size === stops.length) break;
      }
      assert.deepEqual(unseen, [], `${path}: where one is can be seen`);
      assert.deepEqual(stops.filter((stop) => !reached.has(stop)), [], `${path}: everything is reached`);
    }
  });
});
