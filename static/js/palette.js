// The palette: ⌘K, Ctrl+K, `/` or a click on the search box. The server lists what was found and what can be done;
// what the page itself offers comes first, and is pressed where it stands. So only what is permitted appears.
import { say } from "./words.js";

const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const found = palette?.querySelector(".results");
const count = palette?.querySelector("[data-count]");
let own = [];

const options = () => [...found.querySelectorAll("[role='option']")];
const active = () => found.querySelector("[aria-selected='true']");
const textOf = (target) => target.textContent.replace(/\s+/g, " ").trim();

function open(text = "") {
  if (!palette || palette.open || document.querySelector("dialog[open]")) return;
  own = [...document.querySelectorAll("main .head .verbs :is(a, button):not([disabled])")].filter((verb) => textOf(verb));
  palette.showModal();
  input.value = text;
  input.focus();
  window.htmx.trigger(input, "palette");
}

// What the page can do, if its words are asked for.
function ownGroup() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const verbs = own.filter((verb) => words.every((word) => textOf(verb).toLowerCase().includes(word)));
  if (!verbs.length) return null;
  const group = document.createElement("div");
  const title = document.createElement("div");
  title.id = "palette-own";
  title.textContent = say("On {page}", { page: textOf(document.querySelector("main h1")) });
  group.setAttribute("role", "group");
  group.setAttribute("aria-labelledby", title.id);
  group.append(title, ...verbs.map(option));
  return group;
}

function option(verb) {
  const line = document.createElement("div");
  const words = document.createElement("span");
  words.textContent = textOf(verb);
  line.setAttribute("role", "option");
  line.dataset.own = own.indexOf(verb);
  const icon = verb.querySelector("svg");
  if (icon) line.append(icon.cloneNode(true));
  line.append(words);
  return line;
}

function choose(line) {
  active()?.setAttribute("aria-selected", "false");
  if (!line) return input.removeAttribute("aria-activedescendant");
  line.setAttribute("aria-selected", "true");
  line.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", line.id);
}

function move(step) {
  const lines = options();
  const at = lines.indexOf(active());
  choose(lines[(at + step + lines.length) % lines.length]);
}

function go(line, inNewTab) {
  if (!line) return;
  if (line.href) return inNewTab ? window.open(line.href, "_blank", "noopener") : location.assign(line.href);
  palette.close();
  own[line.dataset.own].click();
}

document.addEventListener("keydown", (event) => {
  if (!(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  if (palette?.open) palette.close();
  else open();
});

document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-palette]");
  if (!box) return;
  event.preventDefault();
  open(box.value ?? "");
});

palette?.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) move(step);
  else if (event.key === "Enter" && !event.isComposing) go(active(), event.metaKey || event.ctrlKey);
  else return;
  event.preventDefault();
});

found?.addEventListener("click", (event) => {
  const line = event.target.closest("[role='option']");
  if (!line || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(line, false);
});

found?.addEventListener("pointermove", (event) => {
  const line = event.target.closest("[role='option']");
  if (line && line !== active()) choose(line);
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== found) return;
  const group = ownGroup();
  const list = found.querySelector("[role='listbox']");
  if (group) list.prepend(group);
  list.hidden = !list.childElementCount;
  const lines = options();
  lines.forEach((line, place) => (line.id = `palette-option-${place}`));
  count.textContent = input.value.trim() ? say("{n} found", { n: lines.length }) : "";
  choose(lines[0]);
});
