// Every page, for everybody who sees it: found by following links from the first one. Each is readable in both languages
// and themes, on a narrow screen and without scripts, and is small. What each costs is printed at the end.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { district, logIn, opened } from "./window.mjs";
import { scene, WHO } from "./scene.mjs";
import { problemsOf } from "./views.mjs";

/** What a page may bring over the line, compressed, with style and script. */
const PAGE_BYTES = 60_000;
const { routes, open } = pageRoutes();
/** By route: the largest answer to it. */
const costs = new Map();

for (const who of WHO) {
  test(`every page of the ${who} is readable for everybody, with little to load and without scripts`, async (t) => {
    const { paths } = await scene(t);
    await district.still(async () => {
      const page = await logIn(t, who);
      const storageState = await page.context().storageState();
      const english = await opened(t, { storageState, locale: "en-US" });
      const bare = await opened(t, { storageState, javaScriptEnabled: false });
      const problems = [];
      const asked = paths[who].filter((path) => path.includes("?"));
      const queue = [new URL(page.url()).pathname, ...paths[who]];
      const seen = new Set();
      for (let path = queue.shift(); path; path = queue.shift()) {
        const route = routeOf(path);
        const key = asked.includes(path) ? path : route;
        // What is for anybody is the same for everybody.
        if (!route || seen.has(key) || (open.has(route) && costs.has(route))) continue;
        seen.add(key);
        const name = nameOf(who, route, asked.includes(path) && path);
        const closely = !costs.has(route) || (paths[who].includes(path) && !asked.includes(path));
        const answer = await page.goto(`${district.url}${path}`);
        if (answer.status() !== 200) problems.push(`${path}: ${answer.status()}`);
        queue.push(...(await linksOf(page)));
        problems.push(...(await cost(route, answer)));
        if (!closely) {
          problems.push(...(await problemsOf(page, name, { closely })));
          continue;
        }
        const inEnglish = english.goto(`${district.url}${path}`).then(() => problemsOf(english, name));
        const [own, others] = await Promise.all([problemsOf(page, name), inEnglish, bare.goto(`${district.url}${path}`)]);
        problems.push(...own, ...others);
        if ((await wordsOf(page)) !== (await wordsOf(bare))) problems.push(`${path} says something else without scripts`);
      }
      assert.deepEqual(problems, []);
    });
  });
}

test("the pages for who is not logged in are readable for everybody", async (t) => {
  const problems = [];
  for (const [locale, path, name] of [["vi-VN", "/login", "login"], ["en-US", "/login", "login"], ["vi-VN", "/reset", "reset"], ["en-US", "/reset", "reset"]]) {
    const page = await opened(t, { locale });
    const answer = await page.goto(`${district.url}${path}`);
    problems.push(...(await cost(path, answer)), ...(await problemsOf(page, name)));
  }
  assert.deepEqual(problems, []);
});

test("no page is left out", () => {
  const unseen = routes.filter((route) => !costs.has(route));
  assert.deepEqual(unseen, [], "nobody came there by a link: lead to it, or add what it needs to scene.mjs");
});

after(() => {
  const rows = [...costs].sort(([, one], [, other]) => other.compressed - one.compressed);
  console.table(Object.fromEntries(rows.map(([route, { compressed, html, assets }]) => [
    route, { "compressed, bytes": compressed, "HTML, bytes": html, "with style and script": compressed + assets },
  ])));
});

/** What came over the line for a page. */
async function cost(route, answer) {
  const { responseBodySize: compressed } = await answer.request().sizes();
  const html = (await answer.body()).length;
  assets ??= await sizeOfAssets(answer.frame().page());
  if (compressed > (costs.get(route)?.compressed ?? -1)) costs.set(route, { compressed, html, assets });
  const problems = [];
  if (!answer.headers()["content-encoding"]) problems.push(`${route} is not compressed`);
  if (compressed + assets > PAGE_BYTES) problems.push(`${route} takes ${compressed} bytes, and ${assets} of style and script`);
  return problems;
}

let assets;
/** Style and script as a browser gets them that has not been here. */
async function sizeOfAssets(page) {
  const window = await page.context().browser().newContext();
  const visit = await window.newPage();
  let bytes = 0;
  for (const path of ["/static/langso.css", "/static/live.js", "/static/page.js"]) {
    const answer = await visit.goto(`${district.url}${path}`);
    bytes += (await answer.request().sizes()).responseBodySize;
  }
  await window.close();
  return bytes;
}

/** Paths of this server that a page links to, as pages. */
function linksOf(page) {
  return page.locator("a[href^='/']:not([download])").evaluateAll((links) => links.map((link) => link.getAttribute("href").replace(/#.*/, "")));
}

/** What a page says, without what scripts add and without the minutes that pass. */
function wordsOf(page) {
  return page.locator("main").evaluate((main) => {
    main.querySelector("#live")?.remove();
    return main.innerText.replace(/\d+/g, "0");
  });
}

function routeOf(path) {
  const [bare] = path.split("?");
  return routes.find((route) => route === bare)
    ?? routes.find((route) => new RegExp(`^${route.replace(/\{\w+\}/g, "[0-9A-Za-z]+")}$`).test(bare));
}

function nameOf(who, route, path) {
  const words = path ? path.replace(/[0-9A-Z]{26}/g, "one") : route;
  return `${who}-${words.replace(/[{}]/g, "").replace(/[^\w.]+/g, "-").replace(/^-|-$/g, "") || "overview"}`;
}

/** The paths that answer with a page, and those of them that are for anybody, from the table of routes. */
function pageRoutes() {
  const files = ["pages.rs", "pages/administration.rs"].map((file) => new URL(`../../server/src/http/${file}`, import.meta.url));
  const texts = files.map((file) => readFileSync(file, "utf8"));
  const rows = [...texts.join("").matchAll(/\bget\(\s*"([^"]+)",\s*(\w+)/g)].map(([, path, who]) => ({ path, who }));
  const pages = rows.filter(({ path }) => !path.startsWith("/static/") && path !== "/live" && path !== "/language");
  const open = pages.filter(({ who }) => who === "Anybody");
  return { routes: pages.map(({ path }) => path), open: new Set(open.map(({ path }) => path)) };
}
