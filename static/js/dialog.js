// Dialogs. A link with hx-target="#dialog" opens its answer here; its href stays a page of its own.
const dialog = document.getElementById("dialog");

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog) return;
  if (!dialog.innerHTML.trim()) return dialog.close();
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus], [aria-invalid='true']")?.focus();
});

// An answer may end the dialog with the header HX-Trigger: close-dialog.
document.addEventListener("close-dialog", () => dialog?.close());
dialog?.addEventListener("close", () => dialog.replaceChildren());

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) return document.getElementById(opener.dataset.open)?.showModal();
  const open = event.target.closest("dialog[open]");
  if (!open) return;
  if (event.target === open && isOutside(open, event)) return open.close();
  if (!event.target.closest("[data-close]")) return;
  event.preventDefault();
  open.close();
});

// The backdrop counts as the dialog itself; its own padding must not close it.
function isOutside(box, { clientX, clientY }) {
  const { left, right, top, bottom } = box.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

// A form that was refused puts its summary first, so that it is read and seen.
document.querySelector("[data-focus]")?.focus();
