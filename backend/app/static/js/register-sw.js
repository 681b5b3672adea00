// Registers the service worker named by <html data-service-worker="/sw.js"> or by this script's own data attribute.
// The card works without it; with it the card can be installed and opened without a network.
const address = document.querySelector("[data-service-worker]")?.dataset.serviceWorker;
if (address && "serviceWorker" in navigator) {
  const register = async () => {
    await navigator.serviceWorker.register(address);
    const { active } = await navigator.serviceWorker.ready;
    // This very page came before there was a worker.
    active?.postMessage({ keep: location.pathname });
  };
  addEventListener("load", () => register().catch(() => {}));
}
