// Shows the last seen card when there is no network. It keeps the pages of cards and the files they need, nothing else:
// pages come from the network whenever there is one, files have addresses that name their content.

const PAGES = "stempel-pages-2";
const FILES = "stempel-files-1";
const FILES_MAX = 60;
const CARD_PAGE = /^\/(cards|card\/[0-9a-f-]{36})$/;
const LEAVING = /^\/(card\/[0-9a-f-]{36}\/(forget|delete|sign-out-others)|privacy\/confirm\/.+)$/;
const KEPT_FILE = /^\/(static|theme)\//;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  const drop = async () => {
    for (const name of await caches.keys()) if (name !== PAGES && name !== FILES) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(drop());
});

// How often a card left this device: what was asked for before must not be kept afterwards.
let departures = 0;

/** Drop every kept page. */
async function forget() {
  departures += 1;
  await caches.delete(PAGES);
}

/** The kept page, with the line that says how old it is. */
async function asKept(kept) {
  const html = (await kept.text()).replace("data-kept-page hidden", "data-kept-page");
  return new Response(html, { status: 200, headers: kept.headers });
}

async function fromNetwork(request, url) {
  const cache = await caches.open(PAGES);
  const before = departures;
  try {
    const response = await fetch(request);
    const isCard = response.ok && !response.redirected && !url.search;
    if (isCard && departures === before) await cache.put(url.pathname, response.clone());
    // The card was removed from this device or its links were ended: the copy goes, too.
    else if (response.status === 401) await cache.delete(url.pathname);
    return response;
  } catch (error) {
    // An installed app starts with the card's token in the address.
    const kept = await cache.match(url.pathname);
    if (kept) return asKept(kept);
    throw error;
  }
}

/** Keep a card's page as it is now, with the files it needs. */
async function keep(path) {
  const before = departures;
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store" });
  if (!response.ok || response.redirected || departures !== before) return;
  await (await caches.open(PAGES)).put(path, response.clone());
  const html = await response.text();
  for (const [, file] of html.matchAll(/(?:href|src)="(\/(?:static|theme)\/[^"#]+)/g)) {
    await fromCache(new Request(file.replaceAll("&amp;", "&")));
  }
}

async function fromCache(request) {
  const cache = await caches.open(FILES);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) {
    await cache.put(request, response.clone());
    const keys = await cache.keys();
    for (const old of keys.slice(0, Math.max(0, keys.length - FILES_MAX))) await cache.delete(old);
  }
  return response;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  // A card that leaves this device leaves its copies, too, at once and before the server has answered.
  if (request.method === "POST" && LEAVING.test(url.pathname)) event.waitUntil(forget());
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && CARD_PAGE.test(url.pathname)) {
    event.respondWith(fromNetwork(request, url));
  } else if (KEPT_FILE.test(url.pathname)) event.respondWith(fromCache(request));
});

// The page says when a card leaves this device, and when it has changed.
self.addEventListener("message", (event) => {
  if (event.data?.forget) event.waitUntil(forget());
  if (CARD_PAGE.test(event.data?.keep)) event.waitUntil(keep(event.data.keep).catch(() => {}));
});
