// Lines of a list by keyboard: j and k go down and up, x ticks the line off. Every line has a link with data-row.
const isTyping = (target) => target.matches("input:not([type='checkbox'], [type='radio']), textarea, select");
const links = () => [...document.querySelectorAll("main [data-row]")].filter((link) => link.offsetParent);
const MOVES = { j: 1, k: -1 };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key in MOVES) move(event, MOVES[event.key]);
  if (event.key === "x") document.activeElement.closest("li")?.querySelector(".tick")?.click();
});

function move(event, step) {
  const found = links();
  if (!found.length) return;
  const here = found.findIndex((link) => link.closest("li").contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : found.length - 1) : Math.min(Math.max(here + step, 0), found.length - 1);
  event.preventDefault();
  found[next].focus();
}
