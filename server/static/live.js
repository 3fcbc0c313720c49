// Keeps an open page as the server has it: the parts marked data-live are fetched again when something in them changed.
// Without scripts the page is the same, as of the moment it was loaded.

const light = document.getElementById("live");
let waiting = false;
let wanted = false;

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

function swap(region, fresh) {
  const open = [...region.querySelectorAll("details")].map((part) => part.open);
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const links = (part) => [...part.querySelectorAll("a, button, summary")];
  const place = focused ? links(region).indexOf(focused) : -1;
  region.replaceChildren(...fresh.childNodes);
  region.querySelectorAll("details").forEach((part, at) => { part.open = open[at] ?? part.open; });
  if (place >= 0) links(region)[place]?.focus({ preventScroll: true });
}

async function refresh() {
  if (waiting) { wanted = true; return; }
  waiting = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
    if (!answer.ok) return;
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

if (document.querySelector("[data-live]")) {
  const events = new EventSource("/live");
  let seen = false;
  events.addEventListener("open", () => {
    show("on");
    // What changed while nobody listened.
    if (seen) refresh();
    seen = true;
  });
  events.addEventListener("changed", refresh);
  events.addEventListener("error", () => show("off"));
}
