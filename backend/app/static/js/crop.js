// Draw a frame over the picture that was chosen; the numbers beside it follow, and are what the form sends.
const FIELDS = ["left", "top", "width", "height"];
const SMALLEST = 5;

function numbers(kind) {
  const crop = document.querySelector(`[data-crop="${kind}"]`);
  return Object.fromEntries(FIELDS.map((name) => [name, crop.querySelector(`[data-crop-field="${name}"]`)]));
}

function show(kind, box) {
  const inputs = numbers(kind);
  for (const name of FIELDS) box.style[name] = `${inputs[name].value || 0}%`;
}

function follow(kind, frame, box) {
  let start = null;
  const place = (event) => {
    const edge = frame.getBoundingClientRect();
    const share = (value, from, size) => Math.min(100, Math.max(0, ((value - from) / size) * 100));
    return [share(event.clientX, edge.left, edge.width), share(event.clientY, edge.top, edge.height)];
  };
  frame.addEventListener("pointerdown", (event) => {
    start = place(event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!start) return;
    const now = place(event);
    const inputs = numbers(kind);
    const [left, top] = [0, 1].map((axis) => Math.min(start[axis], now[axis]));
    const [width, height] = [0, 1].map((axis) => Math.abs(start[axis] - now[axis]));
    if (width < SMALLEST || height < SMALLEST) return;
    Object.entries({ left, top, width, height }).forEach(([name, value]) => { inputs[name].value = Math.round(value); });
    show(kind, box);
  });
  for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, () => { start = null; });
}

function open(kind, file) {
  const crop = document.querySelector(`[data-crop="${kind}"]`);
  crop.querySelector(".cropper")?.remove();
  if (!file || !file.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    const frame = document.createElement("div");
    frame.className = "cropper";
    const picture = document.createElement("img");
    picture.alt = "";
    picture.src = reader.result;
    const box = document.createElement("div");
    box.className = "cropper-box";
    frame.append(picture, box);
    crop.querySelector("summary").after(frame);
    crop.open = true;
    const inputs = numbers(kind);
    Object.entries({ left: 0, top: 0, width: 100, height: 100 }).forEach(([name, value]) => { inputs[name].value = value; });
    show(kind, box);
    for (const name of FIELDS) inputs[name].addEventListener("input", () => show(kind, box));
    follow(kind, frame, box);
  });
  reader.readAsDataURL(file);
}

for (const input of document.querySelectorAll("[data-crop-file]")) {
  input.addEventListener("change", () => open(input.dataset.cropFile, input.files[0]));
}
// Choosing one of the own colours means own colours.
for (const input of document.querySelectorAll('.own-colors input[type="color"]')) {
  input.addEventListener("input", () => { document.querySelector('input[name="look"][value="own"]').checked = true; });
}
