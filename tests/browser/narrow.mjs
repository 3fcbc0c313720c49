// On a phone's browser, 360 pixels wide: what officials do on the way is done by touch, and no page has to be pushed sideways.

import assert from "node:assert/strict";
import { test } from "node:test";
import { today } from "./scene.mjs";
import { disagree, district, logIn } from "./window.mjs";

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

/** A page as wide as the screen, on which what can be touched is large enough for a finger. */
async function fits(page) {
  const way = await page.locator(".ways a[aria-current]").boundingBox();
  assert.ok(way.x >= 0 && way.x + way.width <= 360, `${page.url()}: where one is stands at ${way.x} px`);
  const { needed, small } = await page.evaluate(() => {
    const touched = [...document.querySelectorAll("main button, main input:not([type=hidden]), main select, main .button")];
    const shown = touched.filter((one) => one.checkVisibility({ visibilityProperty: true }));
    // A box is as large as its label.
    const sizes = shown.map((one) => [one.outerHTML.slice(0, 80), (one.closest("label.check") ?? one).getBoundingClientRect().height]);
    return { needed: document.documentElement.scrollWidth, small: sizes.filter(([, height]) => height < 24) };
  });
  assert.ok(needed <= 360, `${page.url()} takes ${needed} px`);
  assert.deepEqual(small, [], `${page.url()}: too small to be touched`);
}

test("a conflict is settled on a phone, by what was said and by another value", async (t) => {
  const { hamlet, record } = await disagree(t);
  const page = await logIn(t, "leader", PHONE);
  await district.still(async () => {
    await fits(page);
    await page.locator(".ways a[href='/conflicts']").tap();
    await page.waitForURL(`${district.url}/conflicts`);
    await fits(page);
    const ours = page.locator(`.conflict:has(a[href='/records/${record}'])`);
    const look = async () => {
      await page.selectOption(".filter select[name=unit]", hamlet.id);
      await page.locator(".filter button", { hasText: "Lọc" }).tap();
      await page.waitForURL(/unit=/);
      return ours.count();
    };
    assert.equal(await look(), 2, "of the outcome and of the people");
    const people = ours.filter({ hasNot: page.locator("select[name=other]") });
    await Promise.all([page.waitForEvent("load"), people.locator("button[name=value]").first().tap()]);
    assert.match(await page.textContent(".done[role=status]"), /Đã chọn/);
    await fits(page);
    assert.equal(await look(), 1);

    const other = ours.locator("form:has(select[name=other])");
    await other.locator("select").selectOption("hoan_thanh");
    await Promise.all([page.waitForEvent("load"), other.locator("button").tap()]);
    assert.equal(await ours.count(), 0);
    await page.locator(".tabs a[href*=settled]").tap();
    await page.waitForURL(/state=settled/);
    assert.equal(await ours.count(), 2);
    await fits(page);
  });
});

test("a directive is issued on a phone, and its board is read there", async (t) => {
  const page = await logIn(t, "official", PHONE);
  await page.locator(".ways a[href='/directives']").tap();
  await page.waitForURL(`${district.url}/directives`);
  await fits(page);
  await page.locator(".actions a[href='/directives/new']").tap();
  await page.waitForURL(/\/directives\/new$/);
  await fits(page);
  for (const [field, text] of [["number", "50/UBND"], ["title", "Rà soát hộ nghèo trước Tết Nguyên đán năm 2027"], ["body", "Kính gửi các tổ."], ["signer", "Chủ tịch UBND xã"]]) {
    await page.fill(`[name=${field}]`, text);
  }
  await page.selectOption("select[name=urgency]", "urgent");
  await page.locator("fieldset > label:has(input[name=target])").first().tap();
  assert.ok(await page.locator("fieldset > label input[name=target]").first().isChecked(), "what is said beside a box can be touched");
  await page.locator("button", { hasText: "Ban hành" }).tap();
  await page.waitForURL(/\?done=issued$/);
  await fits(page);
  const rows = page.locator("details[open] tbody tr");
  assert.ok((await rows.count()) > 1, "the hamlets are on the board");
  const box = await rows.first().boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
  await page.goto(`${district.url}/records?from=${today()}`);
  await page.locator("#records a").first().tap();
  await page.waitForURL(/\/records\/[0-9A-Z]{26}$/);
  await fits(page);
});
