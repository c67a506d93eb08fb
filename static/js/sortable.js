// Puts the rows of a list in order: by its grips with mouse, pen or finger, and by arrow keys. Without this file the menu
// on each grip does the same, a step at a time; the server draws the list anew after every change.
const REACH = 4; // px before a press is a drag

let drag = null;
let focused = "";

const list = () => document.getElementById("words");
const rows = () => [...list().querySelectorAll("tr[data-word]")];

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest("[data-grip]");
  if (drag || !grip || event.button !== 0) return;
  const row = grip.closest("tr");
  drag = { grip, row, pointer: event.pointerId, y: event.clientY, before: row.nextElementSibling, on: false };
});

document.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  if (!drag.on && Math.abs(event.clientY - drag.y) < REACH) return;
  drag.on = true;
  drag.row.classList.add("held");
  const others = rows().filter((row) => row !== drag.row);
  const next = others.find((row) => event.clientY < middle(row));
  if (next) next.before(drag.row);
  else others.at(-1)?.after(drag.row);
});

document.addEventListener("pointerup", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  const { row, grip, before, on } = drag;
  letGo();
  if (!on) return;
  swallowClick();
  if (row.nextElementSibling !== before) save(grip);
});

document.addEventListener("pointercancel", (event) => {
  if (event.pointerId === drag?.pointer) putBack();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drag) return putBack();
  const grip = event.target.closest?.("[data-grip]");
  const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!grip || !way || grip.parentElement.open) return;
  event.preventDefault();
  const all = rows();
  const row = grip.closest("tr");
  const beside = all[all.indexOf(row) + way];
  if (!beside) return;
  if (way < 0) beside.before(row);
  else beside.after(row);
  grip.focus();
  save(grip);
});

// A finger on a grip moves the row, not the page.
document.addEventListener("touchmove", (event) => {
  if (event.target.closest?.("[data-grip]")) event.preventDefault();
}, { passive: false });
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.("[data-grip]")) event.preventDefault();
});

const middle = (row) => {
  const { top, height } = row.getBoundingClientRect();
  return top + height / 2;
};

function letGo() {
  drag?.row.classList.remove("held");
  drag = null;
}

function putBack() {
  const { row, before } = drag;
  row.parentElement.insertBefore(row, before);
  letGo();
}

function save(grip) {
  focused = grip.id;
  const order = rows().map((row) => row.dataset.word).join(",");
  window.htmx.ajax("POST", list().dataset.order, { target: "#words", swap: "outerHTML", values: { order } });
}

document.addEventListener("htmx:afterSwap", () => {
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
});

// The click that ends a drag must not open the menu.
function swallowClick() {
  const stop = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", stop, { capture: true }));
}
