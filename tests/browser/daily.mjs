// What officials and leaders do every day.

import assert from "node:assert/strict";
import { test } from "node:test";
import { today } from "./scene.mjs";
import { problemsOf } from "./views.mjs";
import { asked, district, enter, logIn, opened, phoneIn, RECORD } from "./window.mjs";

test("nobody gets in with a wrong password, and the way back is kept", async (t) => {
  const page = await opened(t);
  await page.goto(`${district.url}/records?retracted=yes`);
  assert.match(page.url(), /\/login\?back=/);
  const { username, password } = district.logins.leader;
  await enter(page, { username, password: "wrong" });
  assert.match(await page.textContent("[role=alert]"), /không đúng/);
  assert.equal(await page.inputValue("input[name=username]"), username);
  assert.deepEqual(await problemsOf(page, "login-refused"), []);
  await page.fill("input[name=password]", password);
  await page.click("main button");
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
  await page.fill("input[name=q]:not([type=hidden])", "vinh hung");
  await page.press("input[name=q]:not([type=hidden])", "Enter");
  await page.waitForURL(`${district.url}/records/search`);
  const places = await page.locator("#records tr td:nth-child(2)").allTextContents();
  assert.ok(places.length > 5);
  assert.ok(places.every((place) => /Vĩnh H[ưù]ng/.test(place)), places.join("; "));
  await page.fill("input[name=q]:not([type=hidden])", "vĩnh hùng");
  await page.press("input[name=q]:not([type=hidden])", "Enter");
  const exact = await page.locator("#records tr td:nth-child(2)").allTextContents();
  assert.match(exact[0], /Vĩnh Hùng/, "exact accents come first");
  assert.deepEqual(await problemsOf(page, "admin-records-found"), []);
  await page.fill("input[name=q]:not([type=hidden])", "không có từ này");
  await page.press("input[name=q]:not([type=hidden])", "Enter");
  assert.equal(await page.locator("#records").count(), 0);
  assert.deepEqual(await problemsOf(page, "admin-records-not-found"), []);
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
  assert.deepEqual(await problemsOf(official, "official-board-answered"), []);
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
  assert.deepEqual(await problemsOf(page, "official-directive-refused"), []);
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
  await leader.waitForSelector(`#records tr[data-id="${made}"]`, { state: "attached", timeout: 2000 });
  assert.ok(Math.abs((await top()) - before) < 4, `${before} and then ${await top()}`);
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
  assert.deepEqual(await problemsOf(page, "login-interrupted"), []);
  await enter(page, "official");
  assert.match(await page.textContent("main"), /không được mất/);
  assert.deepEqual(await problemsOf(page, "confirm"), []);
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
  const { username, password } = district.logins.official;
  // The first field has the focus; a browser gives it a moment after the page is there.
  await page.waitForFunction(() => document.activeElement.matches("[name=username]"));
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${district.url}/`);
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Đến nội dung/);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");

  /** Goes on with the tabulator until something that fits has the focus. */
  const tabTo = async (selector) => {
    for (let presses = 0; presses < 100; presses += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
    }
    assert.fail(`${selector} is not reached`);
  };
  await tabTo("summary");
  await page.keyboard.press("Enter");
  await page.goto(`${district.url}/records`);
  await tabTo("select[name=outcome]");
  await page.keyboard.press("ArrowDown");
  await tabTo(".filter button");
  await page.keyboard.press("Enter");
  await page.waitForURL(/outcome=\w/);
  await tabTo("#records a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/records\/[0-9A-Z]{26}$/);

  await page.goto(`${district.url}/directives`);
  await tabTo(".actions a[href='/directives/new']");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/directives\/new$/);
  for (const [field, text] of [["number", "48/UBND"], ["title", "Không cần chuột"], ["body", "Một dòng"], ["signer", "Chủ tịch"]]) {
    await tabTo(`[name=${field}]`);
    await page.keyboard.type(text);
  }
  await tabTo("input[name=target]");
  await page.keyboard.press("Space");
  await tabTo("main form.fields button");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\?done=issued$/);
  assert.match(await page.textContent("h1"), /48\/UBND – Không cần chuột/);
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

test("without scripts everything works but what is live", async (t) => {
  const page = await logIn(t, "official", { javaScriptEnabled: false });
  await page.goto(`${district.url}/records`);
  await page.selectOption("select[name=outcome]", "hoan_thanh");
  await page.click(".filter button:has-text('Lọc')");
  assert.match(page.url(), /outcome=hoan_thanh/);
  assert.ok((await page.locator("#records tr").count()) > 3);
  await page.goto(`${district.url}/directives/new`);
  await page.fill("input[name=number]", "49/UBND");
  await page.fill("input[name=title]", "Máy cũ");
  await page.fill("input[name=signer]", "Chủ tịch");
  await page.locator("fieldset > label input[name=target]").first().check();
  await page.click("button:has-text('Ban hành')");
  await page.waitForURL(/\?done=issued$/);
  assert.ok(await page.isHidden("#live"), "nothing says that the page follows");
});

test("what a phone may no longer send waits until somebody decides", async (t) => {
  const { admin, phone, hamlet, member } = await phoneIn(t);
  const { id } = await phone.do("record", ...RECORD);
  await asked(admin, "POST", `/v1/accounts/${member.account}/roles/end`, { role: "member", unit: hamlet.id, on: today() });
  await phone.do("sync");
  const leader = await logIn(t, "leader");
  await leader.goto(`${district.url}/records/${id}`);
  assert.match(await leader.textContent("[role=alert]"), /Không tìm thấy|không tồn tại|Không có/i);
  assert.deepEqual(await problemsOf(leader, "leader-not-found"), []);
  await leader.goto(`${district.url}/quarantine`);
  await leader.locator("main tbody tr", { hasText: member.name }).locator("a").click();
  await leader.click("button:has-text('Ghép vào')");
  await leader.waitForURL(/done=decided/);
  await leader.goto(`${district.url}/records/${id}`);
  assert.match(await leader.textContent("main"), new RegExp(hamlet.name));
});
