// What admins do: people and their phones, units and a reform, files to take away. The reform comes last.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Phone } from "./district.mjs";
import { readQr } from "./qr.mjs";
import { today } from "./scene.mjs";
import { PAPER, problemsOf, printed } from "./views.mjs";
import { account, asked, district, enter, freshName, logIn, opened, phoneIn, RECORD } from "./window.mjs";
import { openWorkbook } from "./workbook.mjs";

/** Sends the form of a new person; the page of that person is shown then. */
async function addPerson(admin, { name, username, role, unit }) {
  await admin.goto(`${district.url}/accounts`);
  const form = admin.locator("#new form");
  await form.locator("input[name=name]").fill(name);
  await form.locator("input[name=username]").fill(username);
  await form.locator("select[name=role]").selectOption(role);
  await form.locator("select[name=unit]").selectOption(unit);
  await form.locator("button").click();
  await admin.waitForURL(/\/accounts\/[0-9A-Z]{26}\?done=added$/);
}

/** What a browser saves when somebody clicks on the link of a file. */
async function saved(page, label) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(`.actions :is(a, button):has-text('${label}')`)]);
  return { name: download.suggestedFilename(), content: await readFile(await download.path()) };
}

for (const locale of ["vi-VN", "en-US"]) {
  test(`a phone is enrolled with what a camera reads off the page, and the code is good once (${locale})`, async (t) => {
    const admin = await logIn(t, "admin", { locale });
    const { units } = await asked(admin, "GET", "/v1/units");
    const hamlet = units.find((unit) => unit.level === "hamlet");
    const username = freshName("moi");
    const person = { name: `Đỗ Thị ${username}`, username, role: "member", unit: hamlet.id };
    await addPerson(admin, person);
    const page = admin.url().replace(/\?.*/, "");
    await admin.click("#devices form[action$='/codes'] button");
    const shown = await admin.textContent("code.code");
    const read = await readQr(admin, admin.locator(".qr svg"));
    assert.equal(read, shown);
    assert.deepEqual(await problemsOf(admin, "admin-code"), []);

    const phone = new Phone(district, person.username);
    await phone.enrol(read);
    await phone.do("sync");
    await admin.goto(`${district.url}/phones?unit=${hamlet.id}`);
    const row = admin.locator("main tbody tr", { hasText: person.name });
    assert.equal(await row.count(), 1, "the phone is on the page of phones");
    await admin.goto(page);
    assert.equal(await admin.locator(".devices .tag.good").count(), 1);
    const second = new Phone(district, `${person.username}-again`);
    await assert.rejects(second.enrol(read), /sign_in_again/);
    assert.deepEqual(await problemsOf(admin, "admin-account-with-phone"), []);
  });

  test(`somebody without a password sets one with a code that is shown once (${locale})`, async (t) => {
    const admin = await logIn(t, "admin", { locale });
    const { units } = await asked(admin, "GET", "/v1/units");
    const commune = units.find((unit) => unit.level === "commune");
    const person = { name: "Vũ Văn Quên", username: freshName("quen"), role: "official", unit: commune.id };
    await addPerson(admin, person);
    await admin.click("form[action$='/reset'] button");
    const code = await admin.textContent("code.code");
    assert.deepEqual(await problemsOf(admin, "admin-reset-code"), []);

    const page = await opened(t, { locale });
    await page.goto(`${district.url}/reset`);
    const fill = async (code, first, second) => {
      await page.fill("input[name=code]", code);
      await page.fill("input[name=password-new]", first);
      await page.fill("input[name=password-again]", second);
      await page.click("main button");
    };
    const password = "bốn từ dễ nhớ";
    await fill(code, password, "bốn từ khác");
    assert.equal(await page.inputValue("input[name=code]"), code, "the code is not typed twice");
    assert.deepEqual(await problemsOf(page, "reset-refused"), []);
    await fill(code, password, password);
    assert.equal(await page.locator(".done").count(), 1);
    assert.deepEqual(await problemsOf(page, "reset-done"), []);
    await page.goto(`${district.url}/login`);
    await enter(page, { username: person.username, password });
    await page.waitForURL(`${district.url}/`);
  });

  test(`a printed sheet has a code for each team without a phone, and each can be read (${locale})`, async (t) => {
    const admin = await logIn(t, "admin", { locale });
    const { units } = await asked(admin, "GET", "/v1/units");
    const commune = units.find((unit) => unit.level === "commune");
    const hamlets = ["Bãi Vàng", "Đồi Thông", "Ngã Ba"].map((name) => ({ name: `Thôn ${name} ${freshName("tờ")}` }));
    for (const { name } of hamlets) {
      const change = { change: "create", level: "hamlet", name, parent: commune.id, on: today() };
      const { new: [unit] } = await asked(admin, "POST", "/v1/units/changes", change);
      await account(admin, "Trưởng thôn", "member", unit);
    }
    await admin.goto(`${district.url}/accounts/sheet?unit=${commune.id}`);
    assert.deepEqual(await problemsOf(admin, "admin-sheet"), []);
    await admin.click("form[method=post][action='/accounts/sheet'] button");
    const cards = await admin.locator(".codes li").all();
    assert.ok(cards.length >= hamlets.length, `${cards.length} cards`);
    const codes = new Set();
    for (const card of cards) {
      const code = await card.locator("code.code").textContent();
      assert.equal(await readQr(admin, card.locator("svg")), code);
      codes.add(code);
    }
    assert.equal(codes.size, cards.length, "each has its own");
    assert.deepEqual(await problemsOf(admin, "admin-codes"), []);
    await printed(admin, "admin-codes");
    assert.ok(await admin.isHidden("nav.ways"), "paper has no ways to go");
    assert.ok(await admin.isVisible(".codes svg"));
  });
}

test("what a filter shows leaves as a workbook that a spreadsheet opens", async (t) => {
  const { admin, commune } = await phoneIn(t);
  // A place whose name a spreadsheet would compute.
  const change = { change: "create", level: "hamlet", name: "=1+1", parent: commune.id, on: today() };
  const { new: [odd] } = await asked(admin, "POST", "/v1/units/changes", change);
  const member = await account(admin, "Người Thôn Lạ", "member", odd);
  const { code } = await asked(admin, "POST", `/v1/accounts/${member.account}/codes`, { unit: odd });
  const phone = new Phone(district, member.username);
  await phone.enrol(code);
  await phone.do("record", ...RECORD);
  await phone.do("sync");

  const leader = await logIn(t, "leader");
  await leader.goto(`${district.url}/records`);
  await leader.selectOption(".filter select[name=unit]", commune.id);
  await leader.selectOption(".filter select[name=outcome]", "hoan_thanh");
  await leader.fill(".filter input[name=from]", today());
  await leader.click(".filter button:has-text('Lọc')");
  await district.still(async () => {
    const listed = [];
    const filter = [...new URL(leader.url()).searchParams].filter(([, value]) => value);
    for (let next = ""; next !== null;) {
      const query = new URLSearchParams([...filter, ...(next ? [["cursor", next]] : [])]);
      const page = await asked(leader, "GET", `/v1/records?${query}`);
      listed.push(...page.items);
      ({ next } = page);
    }
    assert.ok(listed.length > 5, `${listed.length} records`);

    const { name, content } = await saved(leader, "XLSX");
    assert.equal(name, `langso-records-${today()}.xlsx`);
    const [sheet, about] = await openWorkbook(leader, content);
    assert.equal(sheet.name, "Lượt hỗ trợ");
    assert.equal(sheet.frozenRows, 1, "the heading stays in sight");
    const [heading, ...rows] = sheet.rows;
    const at = (title) => heading.findIndex((cell) => cell.value === title);
    assert.equal(sheet.filter, `A1:${String.fromCharCode(64 + heading.length)}${rows.length + 1}`, "every column has a filter");
    assert.equal(rows.length, listed.length, "the filter of the page holds for the file");
    for (const row of rows) {
      assert.equal(row[at("Đơn vị cấp trên")].value, commune.name);
      assert.equal(row[at("Kết quả")].value, "Hoàn thành");
      const { kind, value, format } = row[at("Thời gian")];
      assert.deepEqual([kind, format], ["number", "dd/mm/yyyy hh:mm"], "a time is a time");
      // Days since 1899-12-30, in Vietnam.
      const day = new Date(Math.round((value - 25569) * 86_400_000)).toISOString().slice(0, 10);
      assert.equal(day, today());
      assert.equal(row[at("Số người")].kind, "number");
      assert.ok(row.every((cell) => cell?.kind !== "formula"));
    }
    const people = (list, of) => list.reduce((sum, one) => sum + of(one), 0);
    assert.equal(people(rows, (row) => row[at("Số người")].value), people(listed, (record) => record.people));
    const names = rows.map((row) => row[at("Đơn vị")]).filter((cell) => cell.value.includes("1+1"));
    assert.deepEqual(names.map(({ kind, value, quoted }) => ({ kind, value, quoted })), [{ kind: "text", value: "=1+1", quoted: true }]);
    const told = Object.fromEntries(about.rows.map(([label, cell]) => [label.value, cell.value]));
    assert.equal(told["Số dòng"], rows.length);

    const csv = (await saved(leader, "CSV")).content.toString("utf8");
    assert.ok(csv.startsWith("\ufeff"), "spreadsheets see that it is UTF-8");
    assert.ok(!/^=|,=|"=/m.test(csv), "nothing in it is computed");
    const lines = (await saved(leader, "NDJSON")).content.toString("utf8").trim().split("\n");
    assert.equal(lines.length, rows.length + 1, "records, and what the file says about itself");
  });
});

/** The rows of a file of lines, without the last one, which is about the file. */
async function rowsOf(page) {
  const { content } = await saved(page, "NDJSON");
  const lines = content.toString("utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.pop().export.rows, lines.length);
  return lines;
}

test("what was found by words leaves as it was found", async (t) => {
  const leader = await logIn(t, "leader");
  await district.still(async () => {
    await leader.goto(`${district.url}/records`);
    await leader.fill("input[name=q]:not([type=hidden])", "vinh hung");
    await leader.press("input[name=q]:not([type=hidden])", "Enter");
    await leader.waitForURL(`${district.url}/records/search`);
    const shown = await leader.locator("#records tr").evaluateAll((rows) => rows.map((row) => row.dataset.id));
    const taken = (await rowsOf(leader)).map((row) => row.id);
    assert.deepEqual(taken.slice(0, shown.length), shown, "in the order of the page");
  });
});

test("units of a day, the audit and a board leave as their pages show them", async (t) => {
  const admin = await logIn(t, "admin");
  await admin.goto(`${district.url}/units?on=${today()}`);
  const units = await admin.locator(".tree a[href^='/units/']").evaluateAll((links) => links.map((link) => link.pathname.split("/").pop()));
  const taken = (await rowsOf(admin)).map((unit) => unit.id);
  assert.deepEqual(taken.sort(), units.sort());

  await admin.goto(`${district.url}/audit?act=code_made`);
  const places = await admin.locator("tbody td.number").allTextContents();
  const made = (await rowsOf(admin)).map((row) => String(row.position));
  assert.deepEqual(made.slice(-places.length), places.reverse(), "the newest are on the page");

  const leader = await logIn(t, "leader");
  await leader.goto(`${district.url}/directives`);
  await leader.locator(".directive h2 a").last().click();
  const said = await rowsOf(leader);
  assert.ok(said.length > 0);
  assert.equal(new Set(said.map((row) => row.directive)).size, 1, "of this directive alone");
});

test("the report of a month goes to paper without what surrounds it, and into a workbook", async (t) => {
  const leader = await logIn(t, "leader");
  await leader.goto(`${district.url}/report`);
  const { content } = await saved(leader, "XLSX");
  const [sheet] = await openWorkbook(leader, content);
  assert.equal(sheet.name, "Báo cáo tháng");
  assert.ok(sheet.rows.flat().some((cell) => cell?.value === "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"));
  await printed(leader, "leader-report");
  for (const around of [".bar", ".ways", ".filter", ".actions", "h1"]) assert.ok(await leader.isHidden(around), `${around} is not for paper`);
  for (const part of [".letterhead", ".paper table", ".signatures"]) {
    assert.ok(await leader.locator(part).first().isVisible(), `${part} is missing`);
  }
  const first = await leader.evaluate(() => document.body.innerText.trim().split("\n")[0]);
  assert.equal(first, await leader.evaluate(() => document.querySelector(".letterhead").innerText.trim().split("\n")[0]), "the letterhead comes first");
  const needed = await leader.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(needed <= PAPER, `there is room for ${PAPER} px, and it takes ${needed}`);
});

for (const [path, name, csv] of [
  ["/accounts/import", "admin-import", "username,name,role,unit,personal\nlan.nguyen,Nguyễn Thị Lan,member,15349.01,\n"],
  ["/catalogue", "admin-catalogue", "kind,code,name_vi,name_en,parent,weight,valid_to\nprocedure,9.999999,Thủ tục mới,New procedure,dich_vu_cong,3,\n"],
]) {
  test(`a file is looked at before it is taken: ${path}`, async (t) => {
    for (const locale of ["vi-VN", "en-US"]) {
      const admin = await logIn(t, "admin", { locale });
      const look = async (text) => {
        await admin.goto(`${district.url}${path}`);
        await admin.setInputFiles("input[type=file]", { name: "tệp.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
        await admin.click("form[enctype] button");
      };
      await look(`${csv}1,2,3,4,5,6,7,8,9\n`);
      assert.equal(await admin.locator("[role=alert]").count(), 1);
      assert.deepEqual(await problemsOf(admin, `${name}-refused`), []);
      await look(csv);
      assert.equal(await admin.locator("section.good").count(), 1);
      assert.deepEqual(await problemsOf(admin, `${name}-looked`), []);
    }
  });
}

test("a reform is seen before it is done, and done once", async (t) => {
  const admin = await logIn(t, "admin");
  const { units } = await asked(admin, "GET", "/v1/units");
  const reform = await readFile(new URL("../../server/data/thanh-hoa-reform-2025.csv", import.meta.url), "utf8");
  const buffer = Buffer.from(reform.replaceAll("2025-07-01", today()));
  const look = async (page, roles) => {
    await page.goto(`${district.url}/units/reform`);
    await page.setInputFiles("input[type=file]", { name: "thanh-hoa.csv", mimeType: "text/csv", buffer });
    await page.fill("form[enctype] textarea[name=roles]", roles);
    await page.check("input[type=checkbox][name=skip]");
    await page.click("form[enctype] button");
  };
  const communes = async () => (await asked(admin, "GET", "/v1/units")).units.filter((unit) => unit.level === "commune");
  const before = await communes();
  assert.equal(before.length, 13);

  await look(admin, "");
  assert.match(await admin.textContent(".good h2"), /Từ ngày .+ sẽ thay đổi/);
  assert.equal(await admin.locator(".good tbody tr").count(), 13, "each old commune, and where it goes");
  assert.match(await admin.textContent(".good .problem"), /lanhdao/, "whoever would be left without a unit is named");
  assert.deepEqual(await problemsOf(admin, "admin-reform-looked"), []);
  const english = await logIn(t, "admin", { locale: "en-US" });
  await look(english, "");
  assert.deepEqual(await problemsOf(english, "admin-reform-looked"), []);
  assert.deepEqual((await communes()).map(({ id }) => id), before.map(({ id }) => id), "looking changes nothing");

  await look(admin, "username,role,old_code,new_code\nlanhdao,leader,393,15349\n");
  assert.equal(await admin.locator(".good .problem").count(), 0, "nobody is left without");
  await admin.click(".good button.danger");
  assert.match(admin.url(), /\/units\/reform$/, "not without a mark that one has looked");
  assert.equal((await communes()).length, 13);
  await admin.check(".good input[type=checkbox]");
  await admin.click(".good button.danger");
  await admin.waitForURL(`${district.url}/units?done=reformed`);
  const after = await communes();
  assert.equal(after.length, 3);
  const hamlets = (list) => list.filter((unit) => unit.level === "hamlet").length;
  const now = (await asked(admin, "GET", "/v1/units")).units;
  assert.equal(hamlets(now), hamlets(units), "hamlets follow their commune");
  assert.deepEqual(await problemsOf(admin, "admin-units-reformed"), []);
  await admin.goto(`${district.url}/units/${after.find((unit) => unit.code === "15349").id}`);
  assert.match(await admin.textContent("main"), /Kế thừa từ.*Thị trấn Vĩnh Lộc/s);
  assert.deepEqual(await problemsOf(admin, "admin-unit-reformed"), []);

  await look(admin, "");
  assert.equal(await admin.locator("[role=alert]").count(), 1, "it is done once");
  assert.deepEqual(await problemsOf(admin, "admin-reform-refused"), []);
  const leader = await logIn(t, "leader");
  assert.match(await leader.textContent(".bar .where"), /Xã Vĩnh Lộc/, "the leader leads the new commune");
  await leader.goto(`${district.url}/records`);
  assert.ok((await leader.locator("#records tr").count()) > 5, "records are where they were");
});
