// Menus inside tables and columns (details.pick-one) are laid over the page, beside their button; and small helps
// for pages whose parts htmx draws anew.
const GAP = 4;

function place(menu) {
  const panel = menu.querySelector(".panel");
  const button = menu.querySelector("summary").getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const below = button.bottom + GAP + height <= innerHeight;
  const top = below ? button.bottom + GAP : Math.max(GAP, button.top - GAP - height);
  const left = Math.min(Math.max(GAP, button.left), innerWidth - width - GAP);
  panel.style.top = `${top}px`;
  panel.style.left = `${left}px`;
}

const placed = () => document.querySelectorAll("details.pick-one[open]");

// `toggle` and `scroll` do not bubble: they are caught on their way down.
document.addEventListener("toggle", ({ target }) => {
  if (target.matches?.("details.pick-one[open]")) place(target);
}, true);
document.addEventListener("scroll", () => placed().forEach(place), true);
addEventListener("resize", () => placed().forEach(place));

// Filters that are not set stay out of the address.
document.addEventListener("formdata", ({ target, formData }) => {
  if (!target.matches(".filters > form")) return;
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

// A link to the composer also puts the cursor into it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-focus-on]");
  if (!link) return;
  event.preventDefault();
  document.getElementById(link.dataset.focusOn)?.focus();
});

// When a list is drawn anew, whoever worked the keyboard there stays there; a form that opens in its place is typed into.
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement !== document.body) return;
  const field = document.querySelector(".in-place :is(input:not([type='hidden']), select, textarea)");
  (field ?? document.querySelector(".list"))?.focus({ preventScroll: true });
});
