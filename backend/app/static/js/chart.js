// Shows the numbers of the bar or field under the pointer or the finger. The same numbers stand in the table below.
const tip = document.createElement("div");
tip.className = "chart-tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
let shown = null;

function hide() {
  shown?.classList.remove("is-on");
  shown = null;
  tip.hidden = true;
}

function show(mark, x, y) {
  if (mark !== shown) {
    shown?.classList.remove("is-on");
    shown = mark;
    mark.classList.add("is-on");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
  }
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x - box.width / 2), document.documentElement.clientWidth - box.width - 8);
  const above = y - box.height - 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : y + 24}px`;
}

function markUnder(event) {
  const mark = event.target.closest?.("[data-tip]");
  return mark?.dataset.tip ? mark : null;
}

for (const kind of ["pointermove", "pointerdown"]) {
  document.addEventListener(kind, (event) => {
    const mark = markUnder(event);
    if (mark) show(mark, event.clientX, event.clientY);
    else hide();
  }, { passive: true });
}
document.addEventListener("scroll", hide, { passive: true, capture: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
