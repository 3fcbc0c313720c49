// What officials and leaders do every day.

import assert from "node:assert/strict";
import { test } from "node:test";
import { today } from "./scene.mjs";
import { problemsOf } from "./views.mjs";
import { asked, disagree, district, enter, logIn, opened, phoneIn, RECORD } from "./window.mjs";

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

test("a conflict is settled by a third value, and what had been said is kept", async (t) => {
  await disagree(t);
  const page = await logIn(t, "leader");
  await district.still(async () => {
    await page.goto(`${district.url}/conflicts`);
    const conflict = page.locator(".conflict:has(select[name=other])").first();
    const said = await conflict.locator(".values li b").allTextContents();
    const people = await conflict.locator(".values li > .quiet").allTextContents();
    const record = (await conflict.locator("h2 a").getAttribute("href")).split("/").pop();
    const options = await conflict.locator("select[name=other] option").allTextContents();
    const third = options.find((option, at) => at > 0 && !said.includes(option));
    await conflict.locator("select[name=other]").selectOption({ label: third });
    await conflict.locator("form.filter button").click();
    assert.match(await page.textContent("[role=status].done"), /Đã chọn/);

    await page.click(".tabs a[href*=settled]");
    const settled = page.locator(`.conflict:has(a[href="/records/${record}"])`, { hasText: third }).first();
    assert.equal((await settled.locator("p b").textContent()), third);
    assert.match(await settled.locator("p .quiet").textContent(), /\d\d:\d\d/, "when, after who");
    const kept = await settled.locator(".values li b").allTextContents();
    assert.deepEqual(kept.sort(), said.filter((value) => value !== "(để trống)").sort(), "both values that there had been");
    const by = await settled.locator(".values li > .quiet").allTextContents();
    for (const who of by) assert.ok(people.includes(who), `${who} among ${people}`);
    await page.goto(`${district.url}/records/${record}`);
    assert.ok((await page.textContent("main")).includes(third), "the record says it");
  });
});

/** A number of a board. */
async function figure(page, label) {
  return Number(await page.locator(".figures p", { hasText: label }).locator("b").textContent());
}

/** Within two seconds the row of a hamlet says its state and when each stage was reached, and whether one has to call there. */
async function stands(page, hamlet, expected) {
  const seen = () => page.evaluate((hamlet) => {
    const row = [...document.querySelectorAll("details tbody tr")].find((row) => row.querySelector("th").textContent === hamlet);
    const times = [...row.querySelectorAll("td.when")].map((cell) => cell.textContent);
    return {
      state: row.querySelector("td .tag").textContent,
      reached: times.flatMap((time, stage) => (/^\d\d\/\d\d\/\d{4} \d\d:\d\d$/.test(time) ? [stage] : [])),
      toCall: [...document.querySelectorAll(".call li span")].some((place) => place.textContent.startsWith(`${hamlet}, `)),
    };
  }, hamlet);
  const until = Date.now() + 2000;
  let last = await seen();
  while (JSON.stringify(last) !== JSON.stringify(expected) && Date.now() < until) last = await page.evaluate(() => new Promise(requestAnimationFrame)).then(seen);
  assert.deepEqual(last, expected, hamlet);
}

test("a directive is issued, and its board fills while phones answer", async (t) => {
  const official = await logIn(t, "official");
  const commune = await official.textContent(".bar .where");
  const { phone: first, hamlet } = await phoneIn(t, commune);
  const { phone: second } = await phoneIn(t, commune);
  const { phone: third, hamlet: other } = await phoneIn(t, commune, 1);
  await official.goto(`${district.url}/directives/new`);
  await official.fill("input[name=number]", "45/UBND-VX");
  await official.fill("input[name=title]", "Rà soát <b>hộ nghèo</b> trước Tết");
  await official.fill("textarea[name=body]", "Kính gửi các tổ,\n\n- Lập danh sách.\n- Gửi về xã.");
  await official.selectOption("select[name=urgency]", "urgent");
  await official.fill("input[name=signer]", "Chủ tịch UBND xã");
  await official.selectOption("select[name=asks]", "report");
  for (const box of await official.locator("fieldset > label input[name=target]").all()) await box.check();
  await district.still(async () => {
    await official.click("button:has-text('Ban hành')");
    await official.waitForURL(/\/directives\/[0-9A-Z]{26}\?done=issued$/);
    assert.match(await official.textContent("h1"), /45\/UBND-VX – Rà soát <b>hộ nghèo<\/b> trước Tết/);
    const id = official.url().match(/directives\/(\w+)/)[1];
    await official.waitForSelector("#live[data-state=on]");
    await official.evaluate(() => { window.notLoadedAgain = true; });
    const targeted = await figure(official, "đơn vị phải trả lời");
    assert.ok(targeted > 2, `${targeted} units`);
    await stands(official, hamlet.name, { state: "máy chưa đồng bộ", reached: [], toCall: true });

    // Each phone says something, and the page of the official says so by itself.
    await first.do("sync");
    await stands(official, hamlet.name, { state: "đã nhận", reached: [0], toCall: true });
    await second.do("sync");
    await second.do("ack", id, "opened");
    await second.do("sync");
    await stands(official, hamlet.name, { state: "đã mở", reached: [0, 1], toCall: true });
    await third.do("sync");
    await third.do("ack", id, "cannot", "--note", "Chưa có danh sách");
    await third.do("sync");
    await stands(official, other.name, { state: "không làm được", reached: [0, 4], toCall: false });
    assert.equal(await figure(official, "Đã xong"), 0);
    await first.do("ack", id, "done");
    await first.do("sync");
    await stands(official, hamlet.name, { state: "đã xong", reached: [0, 1, 3], toCall: false });

    assert.deepEqual([await figure(official, "Đã xong"), await figure(official, "Không làm được")], [1, 1]);
    assert.equal(await figure(official, "đơn vị phải trả lời"), targeted);
    const row = official.locator("tbody tr", { has: official.locator("th", { hasText: other.name }) });
    assert.match(await row.textContent(), /Chưa có danh sách/);
    const summary = await official.locator("details summary", { hasText: commune }).textContent();
    assert.match(summary, new RegExp(`1/${targeted}`));
    assert.ok(await official.evaluate(() => window.notLoadedAgain), "without loading the page again");
    assert.deepEqual(await problemsOf(official, "official-board-answered"), []);
  });
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

  // Words, a file, a conflict, a question to a record, the language.
  await page.goto(`${district.url}/records`);
  await page.fill("input[type=search]", "dich vu cong");
  await page.click("[role=search] button");
  assert.ok((await page.locator("#records tr").count()) > 0, "words are found");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(".actions button[value=csv]")]);
  assert.match(download.suggestedFilename(), /^langso-records-.*\.csv$/);
  await page.locator("#records a").first().click();
  await page.selectOption("select[name=kind]", "question");
  await page.fill("textarea[name=words]", "Thủ tục nào, không có script?");
  await page.click("main form.fields button");
  assert.match(await page.textContent("main"), /Thủ tục nào, không có script\?/);
  const leader = await logIn(t, "leader", { javaScriptEnabled: false });
  await leader.goto(`${district.url}/conflicts`);
  const conflicts = await leader.locator(".conflict").count();
  await leader.locator(".conflict button[name=value]").first().click();
  assert.match(leader.url(), /done=settled/);
  assert.ok((await leader.locator(".conflict").count()) < conflicts, "a conflict is settled");
  await leader.click(".languages a[lang=en]");
  assert.equal(await leader.textContent("h1"), "Conflicts");
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
