// Opens a workbook as a spreadsheet program does: its parts out of the archive, then its cells with what they are.

import { strFromU8, unzipSync } from "fflate";

/** The sheets of a workbook, in order; a page's own parser reads their XML. */
export async function openWorkbook(page, bytes) {
  const parts = Object.entries(unzipSync(new Uint8Array(bytes)));
  return page.evaluate(readSheets, Object.fromEntries(parts.map(([name, part]) => [name, strFromU8(part)])));
}

/** Runs in the page. A cell is its `kind` (text, number, formula), `value`, number `format` and whether it is `quoted`. */
function readSheets(parts) {
  const read = (name) => {
    const parsed = new DOMParser().parseFromString(parts[name], "application/xml");
    if (parsed.querySelector("parsererror")) throw new Error(`${name} is not XML`);
    return parsed;
  };
  const all = (around, name) => [...around.getElementsByTagName(name)];
  const texts = parts["xl/sharedStrings.xml"] ? all(read("xl/sharedStrings.xml"), "si").map((si) => si.textContent) : [];
  const styles = read("xl/styles.xml");
  const formats = Object.fromEntries(all(styles, "numFmt").map((one) => [one.getAttribute("numFmtId"), one.getAttribute("formatCode")]));
  const looks = all(all(styles, "cellXfs")[0], "xf").map((xf) => ({
    format: formats[xf.getAttribute("numFmtId")] ?? null,
    quoted: xf.getAttribute("quotePrefix") === "1",
  }));
  const links = Object.fromEntries(
    all(read("xl/_rels/workbook.xml.rels"), "Relationship").map((one) => [one.getAttribute("Id"), one.getAttribute("Target")]),
  );
  const cell = (c) => {
    const value = all(c, "v")[0]?.textContent ?? all(c, "is")[0]?.textContent ?? "";
    const look = looks[Number(c.getAttribute("s") ?? 0)];
    if (all(c, "f").length > 0) return { kind: "formula", value, ...look };
    switch (c.getAttribute("t")) {
      case "s": return { kind: "text", value: texts[Number(value)], ...look };
      case "inlineStr": case "str": return { kind: "text", value, ...look };
      default: return { kind: "number", value: Number(value), ...look };
    }
  };
  const column = (c) => {
    const letters = c.getAttribute("r").match(/^[A-Z]+/)[0];
    return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  };
  return all(read("xl/workbook.xml"), "sheet").map((sheet) => {
    const target = links[sheet.getAttributeNS("http://schemas.openxmlformats.org/officeDocument/2006/relationships", "id")];
    const content = read(`xl/${target}`);
    const pane = all(content, "pane")[0];
    return {
      name: sheet.getAttribute("name"),
      frozenRows: pane?.getAttribute("state") === "frozen" ? Number(pane.getAttribute("ySplit") ?? 0) : 0,
      filter: all(content, "autoFilter")[0]?.getAttribute("ref") ?? null,
      rows: all(content, "row").map((row) => {
        const cells = [];
        for (const c of all(row, "c")) cells[column(c)] = cell(c);
        return cells;
      }),
    };
  });
}
