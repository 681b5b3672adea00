// Passkeys: a form with data-passkey="create" or "get" asks its data-options-url what to ask the device, puts the
// device's answer into its hidden field "credential" and is then sent like any other form. Without this file, or on
// a device without passkeys, the form stays hidden.

const toBytes = (text) => {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
};

const toText = (buffer) => {
  let plain = "";
  for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const withBytes = (keys) => (keys ?? []).map((key) => ({ ...key, id: toBytes(key.id) }));

async function makeKey(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: toText(made.response.clientDataJSON),
      attestationObject: toText(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
}

async function useKey(options) {
  const used = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  return {
    id: used.id,
    rawId: toText(used.rawId),
    type: used.type,
    response: {
      clientDataJSON: toText(used.response.clientDataJSON),
      authenticatorData: toText(used.response.authenticatorData),
      signature: toText(used.response.signature),
      userHandle: used.response.userHandle ? toText(used.response.userHandle) : null,
    },
  };
}

/** Fetch what to ask the device. The password field, if there is one, goes here and nowhere else. */
async function readOptions(form) {
  const password = form.elements.namedItem("password");
  const answer = await fetch(form.dataset.optionsUrl, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(password ? { password: password.value } : {}),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.title);
  if (password) password.disabled = true;
  return body;
}

/** Say what went wrong. Browsers give one name to "cancelled", "took too long" and "no key here". */
function problemOf(form, error) {
  if (error?.name === "InvalidStateError") return form.dataset.known ?? form.dataset.cancelled;
  if (error instanceof DOMException) return form.dataset.cancelled;
  return error?.message || form.dataset.cancelled;
}

function show(form, text) {
  const box = form.querySelector("[data-passkey-problem]");
  box.textContent = text;
  box.hidden = !text;
}

async function run(form) {
  const button = form.querySelector('[type="submit"]');
  show(form, "");
  button.disabled = true;
  try {
    const options = await readOptions(form);
    const key = form.dataset.passkey === "create" ? await makeKey(options) : await useKey(options);
    form.elements.namedItem("credential").value = JSON.stringify(key);
    // Not requestSubmit: that would come back here.
    HTMLFormElement.prototype.submit.call(form);
  } catch (error) {
    const password = form.elements.namedItem("password");
    if (password) password.disabled = false;
    button.disabled = false;
    show(form, problemOf(form, error));
  }
}

if (globalThis.PublicKeyCredential && navigator.credentials) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form);
    });
    for (const hint of document.querySelectorAll("[data-passkey-missing]")) hint.hidden = true;
  }
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
