// Menus are <details class="menu">: they open without script. This closes them again and adds the arrow keys.
const openMenus = () => document.querySelectorAll("details.menu[open]:not([data-stay])");
const itemsOf = (menu) => [...menu.querySelectorAll(".panel :is(a, button, input)")].filter((item) => item.checkVisibility());

function close(menu) {
  const hadFocus = menu.contains(document.activeElement);
  menu.open = false;
  if (hadFocus) menu.querySelector("summary").focus();
}

function step(menu, by) {
  const items = itemsOf(menu);
  const at = items.indexOf(document.activeElement);
  const next = at < 0 && by < 0 ? items.length - 1 : (at + by + items.length) % items.length;
  items[next]?.focus();
}

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

// Pressing on words inside a menu moves the focus to the page around it: that is no reason to close.
document.addEventListener("focusin", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target) && !event.target.contains(menu)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  const menu = [...openMenus()].at(-1);
  if (!menu) return;
  if (event.key === "Escape") {
    event.preventDefault();
    close(menu);
  }
  if (!menu.contains(event.target) || event.target.matches("input, textarea, select")) return;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(menu, by);
});
