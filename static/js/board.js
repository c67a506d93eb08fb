// The board. Cards are dragged by mouse, pen or finger and moved by keyboard. Without this file the menu on each
// card does the same; the server draws the board anew after every move, and says why when it refuses one.
const REACH = 6; // px before a press is a drag
const PATIENCE = 280; // ms a finger rests on a card before it is lifted; a finger that moves earlier scrolls
const EDGE = 56; // px from the border of the board where it scrolls by itself
const SPEED = 14;

let drag = null;
let moved = "";

const board = () => document.querySelector(".board");
const columns = () => [...document.querySelectorAll(".column[data-stage]")];

// ── Dragging ──

document.addEventListener("pointerdown", (event) => {
  const card = event.target.closest(".deal[data-deal]");
  if (drag || !card || event.button !== 0 || event.target.closest(".move")) return;
  drag = { card, pointer: event.pointerId, startX: event.clientX, startY: event.clientY, x: event.clientX, y: event.clientY };
  if (event.pointerType === "touch") drag.timer = setTimeout(lift, PATIENCE);
});

document.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  drag.x = event.clientX;
  drag.y = event.clientY;
  if (drag.ghost) return follow();
  if (Math.hypot(drag.x - drag.startX, drag.y - drag.startY) < REACH) return;
  if (drag.timer) return letGo();
  lift();
  follow();
});

document.addEventListener("pointerup", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  const { card, ghost, over } = drag;
  letGo();
  if (!ghost) return;
  swallowClick();
  if (over && over !== card.closest(".column")) move(card, over);
});

document.addEventListener("pointercancel", (event) => {
  if (event.pointerId === drag?.pointer) letGo();
});
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.(".deal")) event.preventDefault();
});
document.addEventListener("contextmenu", (event) => {
  if (drag?.timer) event.preventDefault();
});
// Not passive: while a card is in the hand, the finger must not scroll the page.
document.addEventListener("touchmove", (event) => {
  if (drag?.ghost) event.preventDefault();
}, { passive: false });

function lift() {
  const { card } = drag;
  const box = card.getBoundingClientRect();
  const ghost = card.cloneNode(true);
  for (const named of ghost.querySelectorAll("[id]")) named.removeAttribute("id");
  ghost.classList.add("ghost");
  ghost.setAttribute("aria-hidden", "true");
  ghost.inert = true;
  ghost.style.inlineSize = `${box.width}px`;
  document.body.append(ghost);
  card.classList.add("lifted");
  Object.assign(drag, { ghost, dx: drag.startX - box.left, dy: drag.startY - box.top });
  follow();
  requestAnimationFrame(scrollAtEdge);
}

function follow() {
  drag.ghost.style.transform = `translate(${drag.x - drag.dx}px, ${drag.y - drag.dy}px)`;
  const over = document.elementFromPoint(drag.x, drag.y)?.closest(".column[data-stage]");
  if (over === drag.over) return;
  drag.over?.classList.remove("drop");
  drag.over = over;
  if (over !== drag.card.closest(".column")) over?.classList.add("drop");
}

function scrollAtEdge() {
  if (!drag?.ghost) return;
  const box = board().getBoundingClientRect();
  if (drag.x > box.right - EDGE) board().scrollLeft += SPEED;
  if (drag.x < box.left + EDGE) board().scrollLeft -= SPEED;
  follow();
  requestAnimationFrame(scrollAtEdge);
}

function letGo() {
  if (!drag) return;
  clearTimeout(drag.timer);
  drag.ghost?.remove();
  drag.card.classList.remove("lifted");
  drag.over?.classList.remove("drop");
  drag = null;
}

// The click that ends a drag must not open the deal.
function swallowClick() {
  const stop = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", stop, { capture: true }));
}

// ── Moving ──

function move(card, column) {
  const home = { list: card.parentElement, before: card.nextSibling };
  moved = card.dataset.deal;
  card.classList.add("moving");
  if (column.dataset.kind !== "lost") column.querySelector("ol")?.prepend(card);
  const back = () => {
    // The board that was drawn anew has its own card; this one is only there if it was not.
    if (!card.isConnected) return;
    card.classList.remove("moving");
    home.list.insertBefore(card, home.before);
  };
  const values = { stage: column.dataset.stage, next: document.getElementById("deals").dataset.next };
  // A failure on the way is said by toast.js.
  window.htmx.ajax("POST", card.dataset.move, { target: "#deals", swap: "outerHTML", values }).then(back, back);
}

let kept = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event;
  if (detail.target?.id !== "deals") return;
  if (detail.xhr.status === 409) Object.assign(detail, { shouldSwap: true, isError: false });
  kept = {
    left: board()?.scrollLeft ?? 0,
    tops: columns().map((column) => [column.id, column.scrollTop]),
    deal: moved || document.activeElement?.closest?.(".deal")?.dataset.deal,
  };
});

document.addEventListener("htmx:afterSwap", () => {
  if (!kept) return;
  if (board()) board().scrollLeft = kept.left;
  for (const [id, top] of kept.tops) {
    const column = document.getElementById(id);
    if (column) column.scrollTop = top;
  }
  const link = document.getElementById(`deal-${kept.deal}`);
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (moved) link?.closest(".deal").classList.add("fresh");
  kept = null;
  moved = "";
});

// ── Keyboard ──

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drag) return letGo();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = event.target.closest?.(".deal h3 a")?.closest(".deal");
  if (!card) return;
  if (event.key.toLowerCase() === "m") {
    event.preventDefault();
    return openMenu(card);
  }
  const next = neighbour(card, event.key);
  if (!next) return;
  event.preventDefault();
  next.querySelector("h3 a").focus();
});

function openMenu(card) {
  const menu = card.querySelector(".move");
  menu.open = true;
  menu.querySelector(".panel button")?.focus();
}

const cardsOf = (column) => [...column.querySelectorAll(".deal")];

function neighbour(card, key) {
  const column = card.closest(".column");
  const at = cardsOf(column).indexOf(card);
  if (key === "ArrowDown") return cardsOf(column)[at + 1];
  if (key === "ArrowUp") return cardsOf(column)[at - 1];
  const filled = columns().filter((each) => cardsOf(each).length);
  const beside = { ArrowLeft: filled[filled.indexOf(column) - 1], ArrowRight: filled[filled.indexOf(column) + 1] }[key];
  return beside && (cardsOf(beside)[at] ?? cardsOf(beside).at(-1));
}
