"use strict";

const { figures, templates } = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("screen and (prefers-color-scheme: dark)");
const PAPER_PX = 640;
const isTouched = matchMedia("(pointer: coarse)").matches;

function template() {
  return dark.matches ? templates.dark : templates.light;
}

function drawPlots() {
  for (const [name, figure] of Object.entries(figures)) {
    const layout = { ...figure.layout, template: template(), dragmode: isTouched ? false : "zoom" };
    Plotly.newPlot(`plot-${name}`, figure.data, layout, { responsive: true, displayModeBar: false });
  }
  dark.addEventListener("change", () => {
    for (const name of Object.keys(figures)) Plotly.relayout(`plot-${name}`, { template: template() });
  });
  addEventListener("beforeprint", () => {
    for (const plot of document.querySelectorAll(".plot")) {
      const width = plot.closest(".slices") ? PAPER_PX / 2 - 20 : PAPER_PX;
      Plotly.relayout(plot, { autosize: false, width, height: plot.clientHeight });
    }
  });
  addEventListener("afterprint", () => {
    for (const plot of document.querySelectorAll(".plot")) {
      Plotly.relayout(plot, { width: null, height: null, autosize: true });
    }
  });
}

function compared(one, other) {
  const [a, b] = [one, other].map((cell) => cell.dataset.value ?? cell.textContent);
  if (a === "" || b === "") return { empty: (a === "") - (b === "") };
  const numbers = "value" in one.dataset && "value" in other.dataset;
  return { order: numbers ? Number(a) - Number(b) : a.localeCompare(b) };
}

function sortBy(table, header) {
  const descending = header.getAttribute("aria-sort") === "ascending";
  for (const each of header.parentElement.children) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const sign = descending ? -1 : 1;
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const { empty, order } = compared(one.cells[header.cellIndex], other.cells[header.cellIndex]);
    return empty ?? sign * order;
  });
  table.tBodies[0].append(...rows);
}

function tend(table) {
  const [filter, status, shown] = ["filter", "status", "shown"].map((id) => document.getElementById(id));
  const rows = [...table.tBodies[0].rows];
  const headers = [...table.tHead.rows[0].cells];
  const statusOf = (row) => row.cells[headers.findIndex((header) => header.textContent === "status")].textContent;
  for (const each of new Set(rows.map(statusOf))) status.append(new Option(each));
  function show() {
    const words = filter.value.toLowerCase().split(/\s+/);
    let n = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word)) && ["", statusOf(row)].includes(status.value));
      n += !row.hidden;
    }
    shown.textContent = `${n} of ${rows.length} shown`;
  }
  filter.addEventListener("input", show);
  status.addEventListener("change", show);
  for (const header of headers) header.firstChild.addEventListener("click", () => sortBy(table, header));
  show();
}

const table = document.getElementById("table");
if (table) tend(table);
drawPlots();
