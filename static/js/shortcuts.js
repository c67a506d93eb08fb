// Keyboard sequences. Whatever has data-keys="g l" on the page is pressed or focused by these keys;
// so only what is there, and permitted, has a shortcut, and `?` lists exactly those.
const PATIENCE = 1500;
let typed = [];
let timer;

const targets = () => [...document.querySelectorAll("[data-keys]")].filter((target) => !target.closest("[hidden], dialog:not([open])"));
// On many keyboards brackets are written with Alt, and Alt Gr is Ctrl and Alt to the browser.
const isWritten = (event) => event.altKey && "[]".includes(event.key);
const isCommand = (event) => event.metaKey || ((event.ctrlKey || event.altKey) && !isWritten(event));
const isTyping = (target) => target.isContentEditable || target.matches("input:not([type='checkbox'], [type='radio']), textarea, select");

document.addEventListener("keydown", (event) => {
  if (isCommand(event) || event.isComposing || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") return showList();
  typed = [...typed, event.key.toLowerCase()].slice(-2);
  clearTimeout(timer);
  timer = setTimeout(() => (typed = []), PATIENCE);
  const target = find(typed.join(" ")) ?? find(typed.at(-1));
  if (!target) return;
  event.preventDefault();
  press(target);
});

const find = (keys) => targets().find((target) => target.dataset.keys === keys);

function press(target) {
  if (target.matches("input, textarea, select")) return target.focus();
  target.click();
  if (target.matches("summary")) target.parentElement.querySelector(".panel :is(a, button)")?.focus();
  else typed = [];
}

function showList() {
  const list = document.querySelector("[data-shortcuts]");
  if (!list) return;
  const seen = new Set();
  list.replaceChildren(...targets().filter((target) => !seen.has(target.dataset.keys) && seen.add(target.dataset.keys)).map(row));
  list.closest("dialog").showModal();
}

function row(target) {
  const line = document.createElement("div");
  const keys = document.createElement("dt");
  const words = document.createElement("dd");
  keys.append(...target.dataset.keys.split(" ").map(key));
  words.textContent = nameOf(target);
  line.append(keys, words);
  return line;
}

function key(letter) {
  const cap = document.createElement("kbd");
  cap.textContent = letter.length === 1 ? letter.toUpperCase() : letter;
  return cap;
}

// What it is called: not its counts, not its own key.
function nameOf(target) {
  if (target.dataset.keysLabel) return target.dataset.keysLabel;
  if (target.placeholder) return target.placeholder;
  const copy = (target.querySelector(".label, .wide:not(kbd)") ?? target).cloneNode(true);
  for (const extra of copy.querySelectorAll("kbd, .count, .hush")) extra.remove();
  return copy.textContent.trim() || target.textContent.trim();
}
