// Keeps an open card up to date: <div data-live-url="…" data-state-url="…"><div id="card-state">…</div></div>.
// data-live-url is an event stream; each message means "something changed". data-state-url answers with the #card-state fragment.
// Where the stream does not get through (proxies, old browsers), the fragment is polled instead.

const POLL_MS = 4000;
const FAILURES_BEFORE_POLLING = 3;
// A full card at once takes no longer than this to fill.
const STAMPS_MS_MAX = 1400;

const stampCount = (root) => Number(root.querySelector("[data-stamp-count]")?.dataset.stampCount ?? 0);
const points = (root) => Number(root.querySelector("[data-points]")?.dataset.points ?? 0);

/** Mark the stamps that are new, so that CSS lets them fall onto the card one after the other; each is hidden until then. */
function animateStamps(root, from, to) {
  const places = [...root.querySelectorAll(".place")].slice(from, Math.max(from, to));
  const step = Math.min(220, STAMPS_MS_MAX / places.length);
  places.forEach((place, index) => {
    place.classList.add("is-coming");
    setTimeout(() => place.classList.replace("is-coming", "is-new"), index * step);
  });
  if (to > from) navigator.vibrate?.(30);
}

function animatePoints(root, from, to) {
  const element = root.querySelector("[data-points]");
  if (!element || from === to || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const written = element.textContent;
  const format = new Intl.NumberFormat(document.documentElement.lang || undefined);
  const begin = performance.now();
  const step = (now) => {
    const part = Math.min(1, (now - begin) / 600);
    // The server's own text is put back at the end: the browser may group digits differently.
    element.textContent = part < 1 ? format.format(Math.round(from + (to - from) * part)) : written;
    if (part < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

/** Replace #card-state with the fragment and animate the difference. */
export function swapState(html) {
  const old = document.getElementById("card-state");
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fresh = parsed.getElementById("card-state");
  if (!old || !fresh || old.outerHTML === fresh.outerHTML) return;
  const before = { stamps: stampCount(old), points: points(old) };
  const open = [...old.querySelectorAll("details[id][open]")].map((details) => details.id);
  old.replaceWith(document.adoptNode(fresh));
  const past = parsed.getElementById("card-past");
  if (past) document.getElementById("card-past")?.replaceWith(document.adoptNode(past));
  // What is shown without a network must not be older than what was seen.
  navigator.serviceWorker?.controller?.postMessage({ keep: location.pathname });
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  globalThis.htmx?.process(fresh);
  animateStamps(fresh, before.stamps, stampCount(fresh));
  animatePoints(fresh, before.points, points(fresh));
  document.dispatchEvent(new CustomEvent("stempel:swapped", { detail: { target: fresh } }));
}

function watch(element) {
  const { liveUrl, stateUrl } = element.dataset;
  let etag = "";
  let asking = false;
  let askAgain = false;
  let timer = 0;

  async function refresh() {
    if (asking) {
      askAgain = true;
      return;
    }
    asking = true;
    try {
      const headers = { "HX-Request": "true" };
      if (etag) headers["If-None-Match"] = etag;
      const response = await fetch(stateUrl, { headers, credentials: "same-origin", cache: "no-store" });
      if (response.ok) {
        etag = response.headers.get("ETag") ?? "";
        swapState(await response.text());
      } else if (response.status === 401) {
        // The card left this device from somewhere else: its copy goes, and the page says so.
        navigator.serviceWorker?.controller?.postMessage({ forget: true });
        location.reload();
      }
    } catch {
      // Offline: the next message, poll or return to the page asks again.
    } finally {
      asking = false;
      if (askAgain) {
        askAgain = false;
        refresh();
      }
    }
  }

  function poll() {
    clearInterval(timer);
    timer = setInterval(() => document.visibilityState === "visible" && refresh(), POLL_MS);
  }

  function listen() {
    let failures = 0;
    const stream = new EventSource(liveUrl);
    const changed = () => {
      failures = 0;
      refresh();
    };
    stream.addEventListener("message", changed);
    stream.addEventListener("card", changed);
    stream.addEventListener("error", () => {
      failures += 1;
      if (stream.readyState !== EventSource.CLOSED && failures < FAILURES_BEFORE_POLLING) return;
      stream.close();
      poll();
    });
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  if (liveUrl && "EventSource" in globalThis) listen();
  else poll();
  // A phone that was asleep missed messages.
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    refresh();
    poll();
  });
  addEventListener("online", refresh);
}

const watched = document.querySelector("[data-state-url]");
if (watched) watch(watched);
// A swap made by htmx on this page (the stamp typed on this very phone) is animated in the same way.
let beforeSwap = null;
document.addEventListener("htmx:before:swap", () => {
  const state = document.getElementById("card-state");
  beforeSwap = state && { stamps: stampCount(state), points: points(state) };
});
document.addEventListener("htmx:after:swap", () => {
  const state = document.getElementById("card-state");
  if (!state || !beforeSwap) return;
  animateStamps(state, beforeSwap.stamps, stampCount(state));
  animatePoints(state, beforeSwap.points, points(state));
  beforeSwap = null;
});
