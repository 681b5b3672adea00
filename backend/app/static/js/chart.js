// Shows the numbers of one bar or field: of the one under the pointer or the finger, or by the arrow keys of the one that
// is chosen while the chart has the focus. The same numbers stand in the table below.
const LEAVE_MS = 200; // long enough to move the pointer onto the numbers themselves
const GAP = 8;
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const tip = document.createElement("div");
tip.className = "chart-tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
const spoken = document.createElement("div");
spoken.className = "visually-hidden";
spoken.setAttribute("aria-live", "polite");
document.body.append(tip, spoken);

let shown = null;
let leaving = 0;

function hide() {
  clearTimeout(leaving);
  shown?.classList.remove("is-on", "is-keyed");
  shown = null;
  tip.hidden = true;
}

function place() {
  const at = shown.getBoundingClientRect();
  const box = tip.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = at.left + at.width / 2 - box.width / 2;
  const above = at.top - box.height - GAP;
  tip.style.left = `${Math.min(Math.max(GAP, left), width - box.width - GAP)}px`;
  tip.style.top = `${above > GAP ? above : at.bottom + GAP}px`;
}

function show(mark) {
  clearTimeout(leaving);
  if (mark === shown) return;
  hide();
  shown = mark;
  mark.classList.add("is-on");
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  place();
}

function markUnder(event) {
  const mark = event.target.closest?.("[data-tip]");
  return mark?.dataset.tip ? mark : null;
}

document.addEventListener("pointermove", (event) => {
  const mark = markUnder(event);
  if (mark) show(mark);
  else if (tip.contains(event.target)) clearTimeout(leaving);
  else if (shown && !shown.classList.contains("is-keyed")) {
    clearTimeout(leaving);
    leaving = setTimeout(hide, LEAVE_MS);
  }
}, { passive: true });
document.addEventListener("pointerdown", (event) => {
  const mark = markUnder(event);
  if (mark) show(mark);
  else if (!tip.contains(event.target)) hide();
}, { passive: true });
document.addEventListener("scroll", () => shown && place(), { passive: true, capture: true });

/** The marks of a chart as rows: one for bars, one for each line of a grid. */
function rowsOf(chart) {
  const lines = chart.querySelectorAll("tbody tr");
  const rows = lines.length ? [...lines] : [chart];
  return rows.map((row) => [...row.querySelectorAll("[data-tip]")].filter((mark) => mark.dataset.tip)).filter((row) => row.length);
}

function choose(mark) {
  show(mark);
  mark.classList.add("is-keyed");
  mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  place();
  spoken.textContent = mark.dataset.tip.replaceAll("\n", ", ");
}

/** The mark that a key leads to, or null where there is none further on. */
function markAfter(rows, key) {
  const line = rows.findIndex((row) => row.includes(shown));
  const row = rows[Math.max(0, line)];
  if (key === "Home") return row[0];
  if (key === "End") return row.at(-1);
  const [down, right] = STEPS[key];
  if (line < 0) return right < 0 ? row.at(-1) : row[0];
  const target = rows[line + down];
  return target?.[Math.min(row.indexOf(shown), target.length - 1) + right] ?? null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  const chart = event.target.closest?.("[data-chart]");
  if (!chart || event.altKey || event.ctrlKey || event.metaKey) return;
  const rows = rowsOf(chart);
  if (!rows.length || !(event.key in STEPS || event.key === "Home" || event.key === "End")) return;
  // Up and down still scroll the page where there is only one row.
  if (rows.length === 1 && (event.key === "ArrowUp" || event.key === "ArrowDown")) return;
  event.preventDefault();
  const mark = markAfter(rows, event.key);
  if (mark) choose(mark);
});
document.addEventListener("focusin", (event) => {
  const chart = event.target.closest?.("[data-chart]");
  if (chart && event.target.matches(":focus-visible")) {
    const rows = rowsOf(chart);
    // The last bar is the newest; a grid is read from its beginning.
    const first = rows.length === 1 ? rows[0].at(-1) : rows[0]?.[0];
    if (first) choose(first);
  }
});
document.addEventListener("focusout", (event) => event.target.closest?.("[data-chart]") && hide());

function wake() {
  for (const plot of document.querySelectorAll("[data-chart] .chart-plot")) plot.setAttribute("tabindex", "0");
  for (const chart of document.querySelectorAll("[data-chart][data-keys]")) {
    const stop = chart.querySelector(".chart-plot") ?? chart;
    stop.setAttribute("aria-description", chart.dataset.keys);
  }
}
wake();
document.addEventListener("htmx:after:swap", wake);
