// Toasts go away after their time (data-toast, in seconds; 0 stays), not while they are pointed at or focused.
import { say } from "./words.js";

const region = document.getElementById("toasts");
const TICK = 250;

function start(toast) {
  const total = Number(toast.dataset.toast) * 1000;
  if (!total) return;
  let left = total;
  const fuse = toast.querySelector(":scope > .fuse .on");
  const timer = setInterval(() => {
    if (!toast.isConnected) return clearInterval(timer);
    if (document.hidden || toast.matches(":hover, :focus-within")) return;
    left -= TICK;
    fuse?.setAttribute("width", `${Math.max(0, (100 * left) / total)}%`);
    if (left > 0) return;
    clearInterval(timer);
    toast.remove();
  }, TICK);
}

function showTrouble(text) {
  const toast = document.getElementById("toast-trouble").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = text;
  region.append(toast);
}

const ANSWERS = {
  403: say("You may not do that. Nothing was changed."),
  404: say("This is gone, or was never yours. Load the page again."),
  409: say("Somebody changed this meanwhile. Load the page again."),
  429: say("Too much at once. Wait a moment, then try again."),
};

document.addEventListener("click", (event) => {
  event.target.closest("[data-close-toast]")?.closest(".toast").remove();
});

// A poll that fails says nothing: it is tried again anyway.
const isPoll = (event) => event.detail.elt?.hasAttribute("data-live");

document.addEventListener("htmx:responseError", (event) => {
  if (!isPoll(event)) showTrouble(ANSWERS[event.detail.xhr.status] ?? say("The server had a fault. Nothing was changed; try again."));
});

document.addEventListener("htmx:sendError", (event) => {
  if (!isPoll(event)) showTrouble(say("The server cannot be reached. Nothing was changed; try again."));
});

if (region) {
  for (const toast of region.children) start(toast);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node.dataset?.toast) start(node);
  }).observe(region, { childList: true });
}
