// Whoever prints a page gets what is folded on it as well. Styles do that; these lines are for browsers that are older than
// what styles need for it.

let folded = [];

if (!CSS.supports("selector(::details-content)")) {
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.querySelector("form, button"));
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));
}
