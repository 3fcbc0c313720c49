// What comes out of a printer: everything that a page says, also what is folded on the screen, and nothing of what surrounds it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PAPER, printed } from "./views.mjs";
import { asked, district, logIn } from "./window.mjs";

/** What a page has on paper: how many parts are folded on the screen, and which of their rows nobody could read. */
function onPaper(page) {
  return page.evaluate(() => {
    const folded = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.querySelector("form, button"));
    const rows = folded.flatMap((part) => [...part.querySelectorAll("tbody tr, li")]);
    const hidden = rows.filter((row) => !row.checkVisibility({ contentVisibilityAuto: true }) || row.getBoundingClientRect().height < 5);
    return { folded: folded.length, rows: rows.length, hidden: hidden.map((row) => row.textContent.trim().slice(0, 60)) };
  });
}

test("what is folded on the screen is whole on paper, with scripts and without", async (t) => {
  const admin = await logIn(t, "admin");
  const { items } = await asked(admin, "GET", "/v1/directives");
  const { units } = await asked(admin, "GET", "/v1/units");
  // Of the whole district: its board has a group for each commune.
  const top = units.find((unit) => unit.level === "district");
  const wide = items.find((directive) => directive.unit === top.id);
  const bare = await logIn(t, "leader", { javaScriptEnabled: false });
  const page = await logIn(t, "leader");
  await district.still(async () => {
    for (const [path, name, least] of [["/", "leader-overview", 100], [`/directives/${wide.id}`, "leader-board", 100], ["/charts", "leader-charts", 150], ["/units", "leader-units", 100]]) {
      for (const window of [page, bare]) {
        await window.emulateMedia({ media: "screen" });
        await window.goto(`${district.url}${path}`);
        const screen = await onPaper(window);
        assert.ok(screen.folded > 1 && screen.hidden.length >= least, `${path}: ${JSON.stringify({ ...screen, hidden: screen.hidden.length })}`);
        if (window === page) {
          await printed(window, name);
        } else {
          await window.emulateMedia({ media: "print" });
          await window.setViewportSize({ width: PAPER, height: 1032 });
          // What is in sight is known once it is drawn.
          await window.screenshot();
        }
        assert.deepEqual((await onPaper(window)).hidden, [], path);
        const needed = await window.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(needed <= PAPER, `${path}: there is room for ${PAPER} px, and it takes ${needed}`);
      }
      // The printer gets more pages than what is seen on a screen would take.
      const pages = async (window) => (await window.pdf({ format: "A4" })).toString("latin1").match(/\/Type \/Page\b/g).length;
      const [own, others] = [await pages(page), await pages(bare)];
      assert.equal(own, others, `${path}: scripts change nothing on paper`);
      const rows = (await onPaper(page)).rows;
      assert.ok(own > 1, `${path}: ${rows} rows on ${own} pages`);
    }
  });
});

test("an old browser unfolds what is printed, and folds it again", async (t) => {
  const page = await logIn(t, "leader");
  await page.addInitScript(() => {
    CSS.supports = () => false;
    window.printing = [];
    addEventListener("DOMContentLoaded", () => {
      const folded = () => document.querySelectorAll("details:not([open])").length;
      setTimeout(() => {
        for (const moment of ["beforeprint", "afterprint"]) addEventListener(moment, () => window.printing.push([moment, folded()]));
      });
    });
  });
  await page.goto(`${district.url}/`);
  await page.waitForLoadState("load");
  const folded = await page.locator("details:not([open])").count();
  assert.ok(folded > 5);
  await page.pdf({ format: "A4" });
  assert.deepEqual(await page.evaluate(() => window.printing), [["beforeprint", 0], ["afterprint", folded]]);
});

test("paper is white, also for who works on a dark screen", async (t) => {
  const page = await logIn(t, "leader", { colorScheme: "dark" });
  await page.goto(`${district.url}/charts`);
  const colours = () => page.evaluate(() => {
    const [bar, word] = ["figure svg rect", "figure svg text"].map((part) => getComputedStyle(document.querySelector(part)).fill);
    return { ground: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color, bar, word };
  });
  const dark = await colours();
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const paper = await colours();
  assert.deepEqual(paper, { ground: "rgb(255, 255, 255)", ink: "rgb(0, 0, 0)", bar: "rgb(11, 83, 148)", word: "rgb(51, 51, 51)" });
  for (const part of Object.keys(paper)) assert.notEqual(dark[part], paper[part], part);
});
