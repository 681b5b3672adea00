// The moving clock of the redeem screen: <time data-clock data-server-time="2026-11-21T10:00:00Z" data-time-zone="…">.
// It runs on the server's time, so a phone with a wrong clock shows staff the right one. data-remaining-until counts down.

function start(element) {
  element.dataset.ready = "1";
  const serverTime = Date.parse(element.dataset.serverTime ?? "");
  const offset = Number.isNaN(serverTime) ? 0 : serverTime - Date.now();
  const format = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZone: element.dataset.timeZone || undefined,
  });
  const until = Date.parse(element.dataset.remainingUntil ?? "");
  const tick = () => {
    if (!element.isConnected) return;
    const now = Date.now() + offset;
    if (Number.isNaN(until)) element.textContent = format.format(now);
    else {
      const left = Math.max(0, Math.ceil((until - now) / 1000));
      element.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (left === 0) return;
    }
    setTimeout(tick, 1000 - (now % 1000));
  };
  tick();
}

function enhance() {
  for (const clock of document.querySelectorAll("[data-clock]:not([data-ready])")) start(clock);
}
enhance();
document.addEventListener("htmx:after:swap", enhance);
document.addEventListener("stempel:swapped", enhance);
