// Turns the PIN field of components/pin_pad.html into a pad. Without this file the field and its button do the same work.

const DIGITS_MIN = 4;
const DOTS_SHOWN = 6; // PINs have six digits unless the shop chose four

function build(pin) {
  pin.dataset.ready = "1";
  const input = pin.querySelector("input");
  const dots = pin.querySelector("[data-pin-dots]");
  const keys = pin.querySelector("[data-pin-keys]");
  const confirm = keys.querySelector(".pin-ok");
  const length = Number(pin.dataset.pinLength) || 0;
  const longest = length || input.maxLength;

  const show = () => {
    input.value = input.value.replace(/\D/g, "").slice(0, longest);
    const shown = length || Math.max(DOTS_SHOWN, input.value.length);
    dots.replaceChildren(
      ...Array.from({ length: shown }, (_, index) => {
        const dot = document.createElement("span");
        if (index < input.value.length) dot.className = "is-set";
        return dot;
      }),
    );
    confirm.disabled = input.value.length < (length || DIGITS_MIN);
  };
  const sendWhenComplete = () => {
    if (length && input.value.length === length) input.form.requestSubmit();
  };

  // The field stays for physical keyboards and screen readers; the phone's own keyboard must not cover the pad.
  input.inputMode = "none";
  input.classList.add("visually-hidden");
  input.value = "";
  pin.querySelector("[data-pin-plain]").hidden = true;
  dots.hidden = keys.hidden = false;

  keys.addEventListener("click", (event) => {
    const key = event.target.closest("[data-pin-key]")?.dataset.pinKey;
    if (!key) return;
    if (key === "back") input.value = input.value.slice(0, -1);
    else if (input.value.length < longest) input.value += key;
    navigator.vibrate?.(8);
    pin.classList.remove("is-wrong");
    show();
    if (key !== "back") sendWhenComplete();
  });
  // On a tablet with a keyboard, digits count wherever in the pad the focus is.
  pin.addEventListener("keydown", (event) => {
    if (event.target === input || !/^(\d|Backspace)$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys.querySelector(`[data-pin-key="${event.key === "Backspace" ? "back" : event.key}"]`).click();
  });
  input.addEventListener("input", () => {
    show();
    sendWhenComplete();
  });
  // A PIN never stays on a customer's phone: not after sending, not when the page is shown again from the history cache.
  addEventListener("pagehide", () => {
    input.value = "";
  });
  show();
  if (matchMedia("(hover: hover)").matches) input.focus({ preventScroll: true });
}

function enhance() {
  for (const pin of document.querySelectorAll("[data-pin]:not([data-ready])")) build(pin);
}
enhance();
document.addEventListener("htmx:after:swap", enhance);
document.addEventListener("stempel:swapped", enhance);
