// Parts that load themselves again: <… hx-get hx-trigger="every 2s, live" data-live>. They rest while the page
// cannot be seen, and catch up at once when it is seen again.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (elt.hasAttribute("data-live") && document.hidden) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-live]")) window.htmx?.trigger(part, "live");
});
