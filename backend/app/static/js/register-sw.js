// Registers the service worker named by <html data-service-worker="/sw.js"> or by this script's own data attribute.
// The card works without it; with it the card can be installed and opened without a network.
const address = document.querySelector("[data-service-worker]")?.dataset.serviceWorker;
if (address && "serviceWorker" in navigator) {
  addEventListener("load", () => navigator.serviceWorker.register(address).catch(() => {}));
}
