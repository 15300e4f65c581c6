"use strict";
// A click on a heading sorts its table: numbers by value, all else by the alphabet, what is missing last.
const numeric = (text) => Number(text.replace(/[,%\s]/g, "").replace("\u2212", "-").replace("\u2013", ""));
const shown = (row, column) => (row.cells[column]?.dataset.value ?? row.cells[column]?.textContent ?? "").trim();
const missing = (text) => text === "" || text === "\u2013";
function compare(one, other) {
  if (missing(one) || missing(other)) return null;
  const difference = numeric(one) - numeric(other);
  return Number.isNaN(difference) ? one.localeCompare(other) : difference;
}
function sort(table, heading) {
  const column = Number(heading.dataset.column ?? heading.cellIndex);
  const way = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: shown(row, column) }));
  rows.sort((a, b) => {
    const order = compare(a.text, b.text);
    return order === null ? Number(missing(a.text)) - Number(missing(b.text)) : way * order;
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
  for (const other of table.querySelectorAll("th[aria-sort]")) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
}
for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.querySelectorAll("th[data-column], tr:only-child th")) {
    if (heading.textContent.trim() === "") continue;
    heading.setAttribute("aria-sort", "none");
    heading.tabIndex = 0;
    heading.addEventListener("click", () => sort(table, heading));
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(table, heading); }
    });
  }
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
