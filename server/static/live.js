// Keeps an open page as the server has it: the parts marked data-live are fetched again when something in them changed.
// Without scripts the page is the same, as of the moment it was loaded.

const light = document.getElementById("live");
/** After so many milliseconds what failed is tried again; the longest and the first time. */
const LATE = 60_000;
const SOON = 1_000;
let waiting = false;
let wanted = false;
let pause = SOON;
let seen = false;

function show(state) {
  if (!light) return;
  light.hidden = false;
  light.dataset.state = state;
  light.textContent = light.dataset[state];
}

// The first row that is in sight: it stays where it is while others come above it.
function anchor() {
  for (const row of document.querySelectorAll("[data-live] [data-id]")) {
    const top = row.getBoundingClientRect().top;
    if (top >= 0) return { id: row.dataset.id, top };
  }
  return null;
}

// Whether somebody has begun to fill it in.
function isFilled(field) {
  if (field.tagName === "SELECT") {
    const options = [...field.options];
    return field.selectedIndex !== Math.max(0, options.findLastIndex((option) => option.defaultSelected));
  }
  return field.type === "hidden" ? false : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

function isBusy(region) {
  const focused = document.activeElement;
  const inside = region.contains(focused) && /^(INPUT|SELECT|TEXTAREA)$/.test(focused.tagName);
  return inside || [...region.querySelectorAll("input, select, textarea")].some(isFilled);
}

// What can have the focus, by what it is and not by where it stands: others may come before it.
function named(part) {
  const { tagName, href, name, value, form } = part;
  const about = part.closest("[data-id]")?.dataset.id;
  const said = tagName === "SUMMARY" ? part.querySelector("span")?.textContent : "";
  return [tagName, about, href, form?.action, name, value, said].join("\n");
}

function swap(region, fresh) {
  const all = (kind) => [...region.querySelectorAll(kind)];
  const alike = (one) => all("a, button, summary, [tabindex]").filter((other) => named(other) === one);
  const open = new Map(all("summary").map((summary) => [named(summary), summary.parentElement.open]));
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const name = focused && named(focused);
  const place = focused && alike(name).indexOf(focused);
  region.replaceChildren(...fresh.childNodes);
  all("summary").forEach((summary) => { summary.parentElement.open = open.get(named(summary)) ?? summary.parentElement.open; });
  if (!focused) return;
  const again = alike(name)[Math.max(0, place)] ?? document.getElementById("content");
  again.focus({ preventScroll: true });
}

async function refresh() {
  if (waiting) { wanted = true; return; }
  waiting = true;
  try {
    // Where there is no server, whoever listens fetches the page when it is back.
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" }).catch(() => null);
    if (answer?.status >= 500) again(refresh);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelectorAll("[data-live]");
    const kept = anchor();
    document.querySelectorAll("[data-live]").forEach((region, at) => {
      if (fresh[at] && !isBusy(region)) swap(region, document.adoptNode(fresh[at]));
    });
    const row = kept && document.querySelector(`[data-live] [data-id="${CSS.escape(kept.id)}"]`);
    if (row && window.scrollY > 0) window.scrollBy(0, row.getBoundingClientRect().top - kept.top);
  } finally {
    waiting = false;
    if (wanted) { wanted = false; refresh(); }
  }
}

// Later each time, and not when all the other pages do that lost the same server.
function again(what) {
  setTimeout(what, pause * (0.5 + Math.random()));
  pause = Math.min(2 * pause, LATE);
}

function listen() {
  const events = new EventSource("/live");
  events.addEventListener("open", () => {
    pause = SOON;
    show("on");
    // What changed while nobody listened.
    if (seen) refresh();
    seen = true;
  });
  events.addEventListener("changed", refresh);
  events.addEventListener("error", () => {
    show("off");
    // A browser by itself comes back after a lost connection, and not after an answer like 502 or 503.
    events.close();
    again(listen);
  });
}

if (document.querySelector("[data-live]")) listen();
