// What is true of every page: it can be read by everybody, in both themes, on a wide screen and on a narrow one, and
// speaks one language. Each look at a page leaves its pictures.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { shots } from "./window.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };
/** The smallest words that can be read, in pixels. */
const LEAST = 11;
/** What axe asks about colours alone, which takes it longest. */
const COLOURS = { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };
const BUT_COLOURS = { rules: { "color-contrast": { enabled: false } } };
const catalogues = { vi: messages("vi"), en: messages("en") };

/**
 * Looks at a page as it stands, without loading it again. Answers what is wrong with it. A page that was looked at
 * `closely` as somebody else sees it, where little differs, is asked for barriers once.
 */
export async function problemsOf(page, name, { closely = true } = {}) {
  const language = await page.getAttribute("html", "lang");
  const problems = [...(await wordsOutOfPlace(page, language))];
  const picture = (look) => page.screenshot({ path: `${shots}${name}-${language}-${look}.png`, fullPage: true });
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light" });
  await picture("light");
  problems.push(...(await barriers(page)));
  await page.emulateMedia({ colorScheme: "dark" });
  await picture("dark");
  // What differs from the light one are its colours.
  if (closely) problems.push(...(await barriers(page, COLOURS)));
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(NARROW);
  await picture("narrow");
  const needed = await page.evaluate(() => document.documentElement.scrollWidth);
  if (needed > NARROW.width) problems.push(`takes ${needed} px on a screen of ${NARROW.width}`);
  const small = await smallestOfCharts(page);
  if (small < LEAST) problems.push(`a chart has words of ${small} px on a screen of ${NARROW.width}`);
  // Words of another length need another width, and are no other barrier.
  if (closely && language === "vi") problems.push(...(await barriers(page, BUT_COLOURS)));
  await page.setViewportSize(WIDE);
  return problems.map((problem) => `${name} (${language}): ${problem}`);
}

/** How large the smallest words of its charts are shown, in pixels. */
function smallestOfCharts(page) {
  return page.evaluate(() => {
    const sizes = [...document.querySelectorAll("figure svg text")].map((text) => {
      const svg = text.ownerSVGElement;
      return (parseFloat(getComputedStyle(text).fontSize) * svg.clientWidth) / svg.viewBox.baseVal.width;
    });
    return Math.min(...sizes, Infinity);
  });
}

/** How wide A4 is between the edges that the style sheet leaves, in pixels. */
export const PAPER = 703;

/** The page as it comes out of a printer, as a picture. */
export async function printed(page, name) {
  await page.emulateMedia({ media: "print", colorScheme: "light" });
  await page.setViewportSize({ width: PAPER, height: 1032 });
  const language = await page.getAttribute("html", "lang");
  await page.screenshot({ path: `${shots}${name}-${language}-print.png`, fullPage: true });
}

/** What axe finds serious. */
async function barriers(page, which) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const options = { resultTypes: ["violations"], ...which };
  const { violations } = await page.evaluate((options) => window.axe.run(options), options);
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html).join(" | ")}`);
}

/** Messages of the other language, names of messages, and codes where a name belongs. */
async function wordsOutOfPlace(page, language) {
  const own = catalogues[language];
  const other = catalogues[language === "vi" ? "en" : "vi"];
  const texts = await page.evaluate((language) => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = new Set();
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const around = node.parentElement;
      const inOwn = around.closest("[lang]").lang === language;
      if (inOwn && !around.closest("code, pre, textarea")) found.add(node.textContent.trim());
    }
    return [...found];
  }, language);
  const isForeign = (text) => other.texts.has(text) && !own.texts.has(text);
  const isKey = (text) => own.keys.has(text) && !own.texts.has(text);
  const isCode = (text) => /^[a-z]+(_[a-z]+)+$/.test(text) || /\{ ?\$/.test(text);
  return texts.filter((text) => isForeign(text) || isKey(text) || isCode(text)).map((text) => `says “${text}”`);
}

/** What a language's catalogue says, as far as it says the same always. */
function messages(tag) {
  const files = ["", "pages.", "admin.", "tables."].map((part) => `../../server/locales/${part}${tag}.ftl`);
  const lines = files.map((file) => readFileSync(new URL(file, import.meta.url), "utf8"));
  const pairs = [...lines.join("\n").matchAll(/^([\w-]+) = ([^{}\n]+)$/gm)];
  return { keys: new Set(pairs.map(([, key]) => key)), texts: new Set(pairs.map(([, , text]) => text.trim())) };
}
