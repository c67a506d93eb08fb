// Rows of a list: j and k walk them, x selects, e edits; a click with shift selects all rows between. Boxes, the bar
// and its buttons work without any of it.
import { say } from "./words.js";

const boxes = () => [...document.querySelectorAll(".list tbody .pick input")];
const linkOf = (row) => row?.querySelector("th a, td a");
const current = () => document.activeElement?.closest?.(".list tbody tr");
let last = null;

const ACTS = {
  1: () => walk(1),
  "-1": () => walk(-1),
  pick: () => current()?.querySelector(".pick input")?.click(),
  edit: () => current() && location.assign(new URL("edit/", linkOf(current()).href)),
};

function walk(by) {
  const rows = [...document.querySelectorAll(".list tbody tr")];
  const at = rows.indexOf(current());
  const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  linkOf(row)?.focus();
  row?.scrollIntoView({ block: "nearest" });
}

function pickBetween(from, to, checked) {
  const all = boxes();
  const [start, end] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
  if (start < 0) return;
  for (const box of all.slice(start, end + 1)) box.checked = checked;
}

function show() {
  const all = boxes();
  const picked = all.filter((box) => box.checked).length;
  const head = document.querySelector("[data-pick-all]");
  if (head) {
    head.checked = picked > 0 && picked === all.length;
    head.indeterminate = picked > 0 && picked < all.length;
  }
  const matching = document.querySelector("[data-pick-matching]");
  if (matching && !picked) matching.checked = false;
  const words = document.querySelector("[data-picked]");
  if (words) words.textContent = matching?.checked ? say("All selected") : say("{n} selected", { n: picked });
}

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-on-row]");
  if (act) return ACTS[act.dataset.onRow]();
  if (event.target.closest("[data-pick-none]")) {
    for (const box of boxes()) box.checked = false;
    return show();
  }
  if (!event.target.matches(".list tbody .pick input")) return;
  if (event.shiftKey && last) pickBetween(last, event.target, event.target.checked);
  last = event.target;
  show();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-pick-all]")) for (const box of boxes()) box.checked = event.target.checked;
  if (event.target.matches("[data-pick-all], [data-pick-matching]")) show();
});

// What was ticked before a reload is ticked again by some browsers.
document.addEventListener("htmx:afterSettle", show);
addEventListener("pageshow", show);
