// A passkey that was not made or used is said in a toast: the person cancelled, or the browser refused.
import { say } from "./words.js";

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const toast = document.getElementById("toast-trouble").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = say(
    "No passkey was used. You cancelled, or this browser has none for this address.",
  );
  document.getElementById("toasts").append(toast);
});
