// Keeps one page on the device: the one that says there is no connection. Never anything of a company.
const KEPT = "offline-1";
const PAGE = "/offline/";

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(KEPT);
    await cache.add(new Request(PAGE, { cache: "reload", credentials: "omit" }));
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) if (name !== KEPT) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(forget());
});

self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  const kept = async () => (await caches.match(PAGE, { ignoreVary: true })) ?? Response.error();
  event.respondWith(fetch(event.request).catch(kept));
});
