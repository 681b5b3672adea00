// Move and enlarge the picture that was chosen behind a window; the numbers beside it follow, and are what is sent.
const FIELDS = ["left", "top", "width", "height"];
const ZOOM_MAX = 6;
const HEIGHT_MAX = 18;
const STEP = 0.04;
const between = (value, least, most) => Math.min(most, Math.max(least, value));

class Cropper {
  constructor(fold, source) {
    this.inputs = Object.fromEntries(FIELDS.map((name) => [name, fold.querySelector(`[data-crop-field="${name}"]`)]));
    // Imported, not cloned: pictures of a template's own document are never loaded.
    this.part = document.importNode(document.getElementById("cropper").content, true).firstElementChild;
    this.pane = this.part.querySelector(".cropper-pane");
    this.picture = this.part.querySelector("img");
    this.zoom = this.part.querySelector("input");
    this.shapes = this.part.querySelector("select");
    this.fingers = new Map();
    this.center = [0.5, 0.5];
    const offered = fold.dataset.cropShapes.split(" ");
    for (const option of [...this.shapes.options]) if (!offered.includes(option.value)) option.remove();
    this.part.querySelector(".cropper-shapes").hidden = offered.length < 2;
    this.picture.addEventListener("load", () => {
      fold.querySelector("summary").after(this.part);
      fold.open = true;
      this.start();
    });
    // A kind this browser cannot show: the server says what is wrong with it, or takes it.
    this.picture.addEventListener("error", () => this.part.remove());
    this.picture.src = source;
  }

  start() {
    this.zoom.addEventListener("input", () => this.draw());
    this.shapes.addEventListener("change", () => { this.zoom.value = 1; this.draw(); });
    this.pane.addEventListener("pointerdown", (event) => this.press(event));
    this.pane.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.pane.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
    this.pane.addEventListener("keydown", (event) => this.type(event));
    this.draw();
  }

  // The window's share of the picture, as [width, height].
  shares() {
    const own = this.picture.naturalWidth / this.picture.naturalHeight;
    const wanted = Number(this.shapes.value) || own;
    const most = wanted > own ? [1, own / wanted] : [wanted / own, 1];
    return most.map((share) => share / Number(this.zoom.value));
  }

  draw() {
    const shares = this.shares();
    this.center = this.center.map((at, axis) => between(at, shares[axis] / 2, 1 - shares[axis] / 2));
    const [left, top] = this.center.map((at, axis) => at - shares[axis] / 2);
    const [width, height] = shares;
    const shape = (this.picture.naturalWidth * width) / (this.picture.naturalHeight * height);
    Object.assign(this.pane.style, { aspectRatio: String(shape), width: `min(100%, ${HEIGHT_MAX * shape}rem)` });
    Object.assign(this.picture.style, { width: `${100 / width}%`, height: `${100 / height}%`, left: `${(-100 * left) / width}%`, top: `${(-100 * top) / height}%` });
    Object.entries({ left, top, width, height }).forEach(([name, share]) => { this.inputs[name].value = Math.round(share * 1000) / 10; });
  }

  shift(x, y) {
    const shares = this.shares();
    this.center = this.center.map((at, axis) => at + [x, y][axis] * shares[axis]);
    this.draw();
  }

  enlarge(factor) {
    this.zoom.value = between(Number(this.zoom.value) * factor, 1, ZOOM_MAX);
    this.draw();
  }

  press(event) {
    this.pane.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  spread() {
    const [one, other] = [...this.fingers.values()];
    return other ? Math.hypot(one[0] - other[0], one[1] - other[1]) : 0;
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const apart = this.spread();
    const now = [event.clientX, event.clientY];
    this.fingers.set(event.pointerId, now);
    if (apart) this.enlarge(this.spread() / apart);
    const size = this.pane.getBoundingClientRect();
    const share = 1 / this.fingers.size;
    this.shift((share * (before[0] - now[0])) / size.width, (share * (before[1] - now[1])) / size.height);
  }

  type(event) {
    const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    const factor = { "+": 1.1, "=": 1.1, "-": 1 / 1.1 }[event.key];
    if (!way && !factor) return;
    event.preventDefault();
    if (way) this.shift(...way); else this.enlarge(factor);
  }
}

function open(kind, file) {
  const fold = document.querySelector(`[data-crop="${kind}"]`);
  fold.querySelector(".cropper")?.remove();
  for (const [name, value] of [["left", 0], ["top", 0], ["width", 100], ["height", 100]]) fold.querySelector(`[data-crop-field="${name}"]`).value = value;
  if (!file || !file.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => new Cropper(fold, reader.result));
  reader.readAsDataURL(file);
}

for (const input of document.querySelectorAll("[data-crop-file]")) {
  input.addEventListener("change", () => open(input.dataset.cropFile, input.files[0]));
}
// Choosing one of the own colours means own colours.
for (const input of document.querySelectorAll('.own-colors input[type="color"]')) {
  input.addEventListener("input", () => { document.querySelector('input[name="look"][value="own"]').checked = true; });
}
