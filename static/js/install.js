// The service worker that shows a page of ours when there is no connection. Browsers take it over https and on loopback.
if ("serviceWorker" in navigator && isSecureContext) {
  addEventListener("load", () => navigator.serviceWorker.register("/service-worker.js").catch(() => undefined));
}
