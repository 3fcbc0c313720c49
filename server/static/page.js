// Small things that styles alone cannot do. Without scripts a page is the same but for them.

// Where one is stands in sight among the ways to go, also where there is room for three of them.
const here = document.querySelector(".ways a[aria-current]");
const ways = here?.closest(".ways");
if (ways) ways.scrollLeft = here.offsetLeft - (ways.clientWidth - here.offsetWidth) / 2;

// Whoever prints a page gets what is folded on it as well. Styles do that, but not those of older browsers.
let folded = [];
if (!CSS.supports("selector(::details-content)")) {
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.querySelector("form, button"));
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));
}
