// What every page needs: toasts, a guard against double submits, copy and share buttons, menus that close.
// Everything here only improves what already works without it.

const TOAST_VISIBLE_MS = 6000;

function closeToast(toast) {
  if (!toast.isConnected) return;
  toast.classList.add("is-leaving");
  setTimeout(() => toast.remove(), 200);
}

function wakeToast(toast) {
  if (toast.dataset.awake) return;
  toast.dataset.awake = "1";
  const close = toast.querySelector("[data-toast-close]");
  if (close) {
    close.hidden = false;
    close.addEventListener("click", () => closeToast(toast));
  }
  // A refusal stays until it is read: only good news leaves by itself.
  if (toast.classList.contains("toast-danger")) return;
  // And not from under somebody's eyes: it waits while the pointer or the focus is on it.
  let leaving = setTimeout(() => closeToast(toast), TOAST_VISIBLE_MS);
  for (const kind of ["pointerenter", "focusin"]) toast.addEventListener(kind, () => clearTimeout(leaving));
  for (const kind of ["pointerleave", "focusout"]) {
    toast.addEventListener(kind, () => {
      clearTimeout(leaving);
      leaving = setTimeout(() => closeToast(toast), TOAST_VISIBLE_MS);
    });
  }
}

/** Show a message. kind: "ok" | "info" | "warn" | "danger". */
export function showToast(text, kind = "ok") {
  const template = document.getElementById("toast-template");
  const box = document.getElementById("toasts");
  if (!template || !box) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.className = `toast toast-${kind} show`;
  toast.setAttribute("role", kind === "danger" ? "alert" : "status");
  toast.querySelector("span").textContent = text;
  box.append(toast);
  wakeToast(toast);
}

// The server may send HX-Trigger: {"toast": {"text": "…", "kind": "ok"}}.
document.addEventListener("toast", (event) => {
  const { text, kind } = event.detail ?? {};
  if (text) showToast(text, kind);
});

// A second tap on the same form is dropped; the server's idempotency key is the real guarantee, this only spares the wait.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.hasAttribute("data-repeatable")) return;
    if (form.dataset.sending) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    form.dataset.sending = "1";
    // Something later may still cancel the submit (a confirm question): then the form must work again.
    queueMicrotask(() => {
      const byHtmx = form.matches("[hx-post],[hx-get],[hx-put],[hx-patch],[hx-delete],[data-hx-post],[data-hx-get]");
      if (event.defaultPrevented && !byHtmx) delete form.dataset.sending;
      else if (!byHtmx) event.submitter?.classList.add("is-busy");
    });
  },
  true,
);

function releaseForms() {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
  for (const button of document.querySelectorAll(".is-busy")) button.classList.remove("is-busy");
}
document.addEventListener("htmx:finally:request", releaseForms);
document.addEventListener("htmx:confirm", (event) => {
  const form = event.target.closest?.("form");
  if (form) delete form.dataset.sending;
});
// Back from the history cache: the page is as it was left, with its forms locked.
addEventListener("pageshow", (event) => event.persisted && releaseForms());

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      showToast(copy.dataset.copied ?? copy.dataset.copy);
    } catch {
      // Without a secure address there is no clipboard: select the text, so that one gesture copies it.
      const source = document.getElementById(copy.dataset.copyFrom ?? "");
      source?.select?.();
    }
    return;
  }
  if (event.target.closest("[data-print]")) {
    window.print();
    return;
  }
  const share = event.target.closest("[data-share]");
  if (share) {
    try {
      await navigator.share({ title: share.dataset.shareTitle, text: share.dataset.shareText, url: share.dataset.share });
    } catch {
      // Closing the share sheet is not an error.
    }
    return;
  }
  const language = event.target.closest('a[href^="?lang="]');
  if (language) {
    // A page opened by a signed link keeps the rest of its address.
    event.preventDefault();
    const address = new URL(location.href);
    address.searchParams.set("lang", new URL(language.href).searchParams.get("lang"));
    location.assign(address);
    return;
  }
  const step = event.target.closest("[data-step]");
  if (step) {
    const input = document.getElementById(step.dataset.stepFor);
    if (step.dataset.step === "up") input.stepUp();
    else input.stepDown();
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Ctrl+K goes to the search of the page, else to that of the frame. Never a bare key: whoever speaks to the computer
// types those by accident (WCAG 2.1.4).
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  const search = document.querySelector('[data-search="first"]') ?? document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  if (!search.checkVisibility()) search.closest("[popover]")?.showPopover();
  search.focus();
  search.select();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

function enhance() {
  for (const picture of document.querySelectorAll("img[data-slow]")) picture.classList.toggle("is-there", picture.complete);
  for (const toast of document.querySelectorAll("[data-toast]")) wakeToast(toast);
  // Buttons that need the browser's help are hidden in the HTML and appear only where they will work.
  for (const button of document.querySelectorAll("[data-share][hidden]")) button.hidden = !navigator.share;
  for (const button of document.querySelectorAll("[data-copy][hidden],[data-step][hidden],[data-print][hidden]")) button.hidden = false;
}
// Pictures that the server draws first. "load" does not bubble, so it is listened to on its way down.
document.addEventListener("load", (event) => event.target.matches?.("img[data-slow]") && event.target.classList.add("is-there"), true);
document.addEventListener("error", (event) => event.target.matches?.("img[data-slow]") && event.target.classList.add("is-there"), true);

enhance();
document.addEventListener("htmx:after:swap", enhance);
document.addEventListener("stempel:swapped", enhance);
