// Copy buttons: data-copy is the id of what is copied, its value or its text.
import { say } from "./words.js";

const SHOWN = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]") ?? button;
  const word = label.textContent;
  label.textContent = (await copied(source.value ?? source.textContent)) ? say("Copied") : say("Not allowed here");
  setTimeout(() => (label.textContent = word), SHOWN);
});

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard on plain http other than loopback, or the reader refused.
    return false;
  }
}
