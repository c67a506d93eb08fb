// Waits that end by themselves count down between two answers of the server: data-counts-down is the moment.
const TICK = 1000;

function words(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest ? ` ${rest} s` : ""}`;
}

function tick() {
  for (const part of document.querySelectorAll("[data-counts-down]")) {
    const { countsDown, before, after, over } = part.dataset;
    const left = Math.round((new Date(countsDown) - Date.now()) / 1000);
    part.textContent = left > 0 ? before + words(left) + after : over;
  }
}

setInterval(tick, TICK);
