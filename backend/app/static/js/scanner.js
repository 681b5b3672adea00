// Reads a card's QR code with the camera or from a photo: see components/scanner.html for the markup.
// BarcodeDetector where the browser has one for QR codes, else zxing-wasm, else jsQR; the decoders load only when needed.

const SCAN_EVERY_MS = 120;
const FRAME_SIZE_MAX = 960;
const PHOTO_SIZE_MAX = 1600;

const loaded = new Map();
function loadScript(url) {
  if (!loaded.has(url)) {
    loaded.set(
      url,
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = url;
        script.onload = resolve;
        script.onerror = () => {
          loaded.delete(url);
          reject(new Error("decoder did not load"));
        };
        document.head.append(script);
      }),
    );
  }
  return loaded.get(url);
}

async function nativeDecoder() {
  if (!("BarcodeDetector" in globalThis)) return null;
  const formats = await BarcodeDetector.getSupportedFormats();
  if (!formats.includes("qr_code")) return null;
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  return async (canvas) => (await detector.detect(canvas))[0]?.rawValue ?? null;
}

async function zxingDecoder({ zxingUrl, zxingWasmUrl }) {
  if (!("WebAssembly" in globalThis)) return null;
  await loadScript(zxingUrl);
  // The wasm file must come from this server: the package's own default is a foreign host.
  await ZXingWASM.prepareZXingModule({
    overrides: { locateFile: (path, prefix) => (path.endsWith(".wasm") ? zxingWasmUrl : prefix + path) },
    fireImmediately: true,
  });
  const options = { formats: ["QRCode"], maxNumberOfSymbols: 1, tryHarder: true };
  return async (canvas) => {
    const results = await ZXingWASM.readBarcodes(pixels(canvas), options);
    return results.find((result) => result.isValid && result.text)?.text ?? null;
  };
}

async function jsqrDecoder({ jsqrUrl }) {
  await loadScript(jsqrUrl);
  return async (canvas) => {
    const image = pixels(canvas);
    return jsQR(image.data, image.width, image.height)?.data || null;
  };
}

async function chooseDecoder(urls) {
  for (const make of [nativeDecoder, zxingDecoder, jsqrDecoder]) {
    try {
      const decoder = await make(urls);
      if (decoder) return decoder;
    } catch {
      // This one does not work here: the next one does.
    }
  }
  throw new Error("no decoder");
}

const pixels = (canvas) => canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);

/** Draw a picture onto the canvas, no larger than `longest`: phones take photos a decoder needs seconds for. */
function draw(canvas, source, width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(source, 0, 0, canvas.width, canvas.height);
}

function build(root) {
  root.dataset.ready = "1";
  root.hidden = false;
  const part = (name) => root.querySelector(`[data-scanner-${name}]`);
  const [view, video, text, start, torch, file] = ["view", "video", "text", "start", "torch", "file"].map(part);
  const canvas = document.createElement("canvas");
  let stream = null;
  let decoder = null;
  let run = 0;

  const say = (message, problem = false) => {
    text.textContent = message ?? "";
    text.classList.toggle("is-problem", problem);
  };
  const getDecoder = async () => (decoder ??= await chooseDecoder(root.dataset));

  function stop() {
    run += 1;
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    view.hidden = true;
    torch.hidden = true;
    torch.setAttribute("aria-pressed", "false");
    start.hidden = !globalThis.isSecureContext || !navigator.mediaDevices?.getUserMedia;
  }

  function found(value) {
    stop();
    root.classList.add("is-found");
    say(root.dataset.textFound);
    navigator.vibrate?.(40);
    const target = document.getElementById(root.dataset.scanTarget);
    if (!target) return;
    target.value = value.trim();
    target.form.requestSubmit();
  }

  function explain(error) {
    const { textDenied, textMissing, textBusy } = root.dataset;
    const reasons = { NotAllowedError: textDenied, SecurityError: textDenied, NotFoundError: textMissing, OverconstrainedError: textMissing, NotReadableError: textBusy, AbortError: textBusy };
    say(reasons[error.name] ?? textMissing, true);
  }

  async function scan(own) {
    if (own !== run) return;
    if (!root.isConnected) {
      // The page swapped the scanner away while it was looking (a typed number): the camera must not stay on.
      stop();
      return;
    }
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && video.videoWidth) {
      // Only the middle square, the part inside the frame on the screen, is read: faster, and never the card beside it.
      const side = Math.min(video.videoWidth, video.videoHeight);
      const size = Math.min(side, FRAME_SIZE_MAX);
      canvas.width = canvas.height = size;
      canvas
        .getContext("2d", { willReadFrequently: true })
        .drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, size, size);
      let value = null;
      try {
        value = await (await getDecoder())(canvas);
      } catch {
        // One unreadable frame: the next comes at once.
      }
      if (own !== run) return;
      if (value) {
        found(value);
        return;
      }
    }
    setTimeout(() => scan(own), SCAN_EVERY_MS);
  }

  async function begin() {
    stop();
    const own = run;
    root.classList.remove("is-found");
    say("");
    start.hidden = true;
    try {
      const opened = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 1280 } },
      });
      if (own !== run) {
        for (const track of opened.getTracks()) track.stop();
        return;
      }
      stream = opened;
      video.srcObject = stream;
      view.hidden = false;
      await video.play();
      torch.hidden = !stream.getVideoTracks()[0]?.getCapabilities?.().torch;
      scan(own);
    } catch (error) {
      stop();
      explain(error);
    }
  }

  torch.addEventListener("click", async () => {
    const on = torch.getAttribute("aria-pressed") !== "true";
    try {
      await stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
      torch.setAttribute("aria-pressed", String(on));
    } catch {
      torch.hidden = true;
    }
  });

  file.addEventListener("change", async () => {
    const picture = file.files[0];
    file.value = "";
    if (!picture) return;
    try {
      const bitmap = await createImageBitmap(picture, { imageOrientation: "from-image" });
      const decode = await getDecoder();
      // A small code in a large photo is lost when shrunk, a blurred one is found only when shrunk: try several sizes.
      for (const longest of [PHOTO_SIZE_MAX, FRAME_SIZE_MAX, FRAME_SIZE_MAX / 2]) {
        draw(canvas, bitmap, bitmap.width, bitmap.height, longest);
        const value = await decode(canvas);
        if (value) {
          found(value);
          return;
        }
      }
      say(root.dataset.textUnread, true);
    } catch {
      say(root.dataset.textUnread, true);
    }
  });

  start.addEventListener("click", begin);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && stream && stop());
  addEventListener("pagehide", stop);

  if (!globalThis.isSecureContext) say(root.dataset.textInsecure, true);
  else if (!navigator.mediaDevices?.getUserMedia) say(root.dataset.textMissing, true);
  else if ("scannerAuto" in root.dataset) begin();
  else start.hidden = false;
}

function enhance() {
  for (const root of document.querySelectorAll("[data-scanner]:not([data-ready])")) build(root);
}
enhance();
document.addEventListener("htmx:after:swap", enhance);
document.addEventListener("stempel:swapped", enhance);
