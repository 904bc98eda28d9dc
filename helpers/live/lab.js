// The picture of a running training: two panels of curves and W1's columns.
// The kernel sends whole frames; this file only draws the newest one.

const COLOURS = ["train", "val", "batch", "pin", "negative", "zero", "positive"];
const PIN_DASHES = [[2, 3], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2, 1, 2]];
const SIDE = 28; // pixels of a Fashion-MNIST picture
const COLUMNS = 4; // tiles in a row
const SPANS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]; // epochs

// By its letter, so that a run keeps its line when an older one leaves.
const pinDash = (pin) => PIN_DASHES[pin.name.charCodeAt(0) % PIN_DASHES.length];

const element = (tag, className, parent) => {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
};

const floats = (view) =>
  view ? new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)) : new Float32Array();

const readCurves = (packed) =>
  Object.fromEntries(
    Object.entries(packed || {}).map(([name, [x, y]]) => [name, { x: floats(x), y: floats(y) }]),
  );

// The colours are CSS variables; --course-train and the like come from palette.py.
function theme(el) {
  const style = getComputedStyle(el);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--jp-ui-font-color1", "#333"),
    faint: read("--jp-ui-font-color2", "#666"),
    grid: read("--jp-border-color2", "#ddd"),
    axis: read("--jp-border-color1", "#aaa"),
    ...Object.fromEntries(COLOURS.map((name) => [name, read(`--course-${name}`, "#888888")])),
    font: read("--jp-ui-font-family", "sans-serif"),
  };
}

// A canvas as large as its box, in the screen's own pixels.
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  return { ink, width, height };
}

const short = (value) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.001 || value === 0 ? value.toFixed(3) : value.toExponential(1);

// Loss has a logarithmic axis, which shows 2.3 and 0.2 equally well.
const PANELS = {
  loss: {
    title: "loss (log scale)",
    curves: [["batch", "batch", [], 1.2], ["train_loss", "train", [], 2], ["val_loss", "val", [6, 3], 2]],
    pinned: "val_loss",
    range(curves) {
      let low = 0.2, high = 3;
      for (const { y } of curves) {
        for (const value of y) {
          if (!Number.isFinite(value) || value <= 0) continue;
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
      return [niceLow(low), niceHigh(high)];
    },
    ticks([low, high]) {
      const all = [];
      const wide = high / low > 300;
      const first = Math.floor(Math.log10(low));
      const last = Math.ceil(Math.log10(high));
      for (let e = first; e <= last; e += Math.ceil((last - first) / 10))
        for (const m of wide ? [1] : [1, 2, 5]) all.push(m * 10 ** e);
      return all.filter((t) => t >= low * 0.999 && t <= high * 1.001);
    },
    label: (t) => (t >= 1e4 || t < 1e-3 ? t.toExponential(0) : String(+t.toPrecision(1))),
    scale: (v, [low, high]) => Math.log(Math.max(v, low) / low) / Math.log(high / low),
  },
  accuracy: {
    title: "accuracy",
    curves: [["train_accuracy", "train", [], 2], ["val_accuracy", "val", [6, 3], 2]],
    pinned: "val_accuracy",
    range: () => [0, 1],
    ticks: () => [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
    label: (t) => (Math.round(t * 10) % 2 ? "" : t.toFixed(1)),
    scale: (v, [low, high]) => (v - low) / (high - low),
  },
};

function niceLow(low) {
  const e = 10 ** Math.floor(Math.log10(low));
  return low >= 5 * e ? 5 * e : low >= 2 * e ? 2 * e : e;
}

function niceHigh(high) {
  const e = 10 ** Math.floor(Math.log10(high));
  return high <= e ? e : high <= 3 * e ? 3 * e : 10 * e;
}

function drawPanel(canvas, panel, state, colours, pointer) {
  const { ink, width, height } = prepare(canvas);
  const box = { left: 38, right: width - 14, top: 24, bottom: height - 34 };
  const { curves, pins, span } = state;
  const shown = [
    ...pins.map((pin) => pin.curves[panel.pinned]),
    ...panel.curves.map(([name]) => curves[name]),
  ].filter(Boolean);
  const range = panel.range(shown);
  const px = (x) => box.left + (x / span) * (box.right - box.left);
  const py = (y) => box.bottom - panel.scale(y, range) * (box.bottom - box.top);

  ink.font = `11px ${colours.font}`;
  ink.lineWidth = 1;
  ink.strokeStyle = colours.grid;
  ink.fillStyle = colours.faint;
  ink.textAlign = "right";
  ink.textBaseline = "middle";
  for (const tick of panel.ticks(range)) {
    const y = Math.round(py(tick)) + 0.5;
    ink.beginPath();
    ink.moveTo(box.left, y);
    ink.lineTo(box.right, y);
    ink.stroke();
    ink.fillText(panel.label(tick), box.left - 5, y);
  }
  ink.textAlign = "center";
  ink.textBaseline = "top";
  for (let i = 0; i <= 5; i++) ink.fillText(String(+((span * i) / 5).toPrecision(3)), px((span * i) / 5), box.bottom + 5);
  ink.fillText("epoch", (box.left + box.right) / 2, box.bottom + 19);
  ink.textAlign = "left";
  ink.fillStyle = colours.text;
  ink.font = `bold 12px ${colours.font}`;
  ink.fillText(panel.title, box.left, 4);
  ink.strokeStyle = colours.axis;
  ink.strokeRect(box.left + 0.5, box.top + 0.5, box.right - box.left, box.bottom - box.top);

  ink.save();
  ink.beginPath();
  ink.rect(box.left, box.top - 2, box.right - box.left + 2, box.bottom - box.top + 4);
  ink.clip();
  const line = (curve, colour, dash, thick) => {
    if (!curve || !curve.x.length) return;
    ink.strokeStyle = colour;
    ink.lineWidth = thick;
    ink.lineJoin = "round";
    ink.setLineDash(dash);
    ink.beginPath();
    let drawing = false;
    for (let i = 0; i < curve.x.length; i++) {
      if (!Number.isFinite(curve.y[i])) { drawing = false; continue; }
      if (drawing) ink.lineTo(px(curve.x[i]), py(curve.y[i]));
      else ink.moveTo(px(curve.x[i]), py(curve.y[i]));
      drawing = true;
    }
    ink.stroke();
    ink.setLineDash([]);
    if (curve.x.length === 1) {
      ink.fillStyle = colour;
      ink.beginPath();
      ink.arc(px(curve.x[0]), py(curve.y[0]), thick + 0.5, 0, 7);
      ink.fill();
    }
  };
  for (const pin of pins) line(pin.curves[panel.pinned], colours.pin, pinDash(pin), 1.5);
  for (const [name, colour, dash, thick] of panel.curves) line(curves[name], colours[colour], dash, thick);
  ink.restore();

  ink.fillStyle = colours.pin;
  ink.font = `bold 11px ${colours.font}`;
  ink.textAlign = "right";
  ink.textBaseline = "bottom";
  for (const pin of pins) {
    const curve = pin.curves[panel.pinned];
    const last = curve ? curve.x.length - 1 : -1;
    if (last >= 0 && Number.isFinite(curve.y[last])) ink.fillText(pin.name, px(curve.x[last]), py(curve.y[last]) - 2);
  }
  if (pointer !== null) drawPointer(ink, panel, curves, pointer, box, span, px, colours, width);
}

function drawPointer(ink, panel, curves, pointer, box, span, px, colours, width) {
  const wanted = ((pointer - box.left) / (box.right - box.left)) * span;
  const [train, val] = panel.curves.slice(-2).map(([name]) => curves[name]);
  if (!train || !train.x.length || wanted < 0 || wanted > span) return;
  let nearest = 0;
  for (let i = 1; i < train.x.length; i++)
    if (Math.abs(train.x[i] - wanted) < Math.abs(train.x[nearest] - wanted)) nearest = i;
  const x = Math.round(px(train.x[nearest])) + 0.5;
  ink.strokeStyle = colours.faint;
  ink.lineWidth = 1;
  ink.beginPath();
  ink.moveTo(x, box.top);
  ink.lineTo(x, box.bottom);
  ink.stroke();
  ink.font = `11px ${colours.font}`;
  ink.fillStyle = colours.text;
  ink.textAlign = "right";
  ink.textBaseline = "top";
  const at = +train.x[nearest].toPrecision(3);
  ink.fillText(`epoch ${at}: train ${short(train.y[nearest])}, val ${short(val.y[nearest])}`, width - 14, 5);
}

// "#3f90da" -> [63, 144, 218]
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// W1's columns, blue below zero and orange above, on one scale for all.
function drawTiles(canvas, tiles, colours) {
  const { ink, width, height } = prepare(canvas);
  ink.font = `bold 12px ${colours.font}`;
  ink.fillStyle = colours.text;
  ink.textBaseline = "top";
  ink.fillText("W1", 4, 4);
  if (!tiles || !tiles.data) return;
  const rows = Math.ceil(tiles.count / COLUMNS);
  const gap = 1;
  const picture = document.createElement("canvas");
  picture.width = COLUMNS * (SIDE + gap) - gap;
  picture.height = COLUMNS * (SIDE + gap) - gap;
  const image = picture.getContext("2d").createImageData(picture.width, picture.height);
  const values = new Int8Array(tiles.data.buffer, tiles.data.byteOffset, tiles.data.byteLength);
  const [below, zero, above] = [colours.negative, colours.zero, colours.positive].map(rgb);
  for (let t = 0; t < tiles.count; t++) {
    const left = (t % COLUMNS) * (SIDE + gap);
    const top = Math.floor(t / COLUMNS) * (SIDE + gap);
    for (let i = 0; i < SIDE * SIDE; i++) {
      const value = values[t * SIDE * SIDE + i] / 127;
      const end = value < 0 ? below : above;
      const share = Math.abs(value);
      const at = 4 * ((top + Math.floor(i / SIDE)) * picture.width + left + (i % SIDE));
      for (let c = 0; c < 3; c++) image.data[at + c] = zero[c] + (end[c] - zero[c]) * share;
      image.data[at + 3] = 255;
    }
  }
  picture.getContext("2d").putImageData(image, 0, 0);
  const size = Math.min(width - 8, height - 62);
  ink.imageSmoothingEnabled = false;
  ink.drawImage(picture, 4, 24, size, size);
  ink.font = `11px ${colours.font}`;
  ink.fillStyle = colours.faint;
  ink.textBaseline = "top";
  const bottom = 24 + (size * rows) / COLUMNS + 5;
  ink.fillText(tiles.caption, 4, bottom);
  ink.fillText(tiles.scale, 4, bottom + 14);
}

function drawLegend(legend, pins) {
  legend.replaceChildren();
  const entry = (text, colour, dash, thick) => {
    const item = element("span", "w1lab-key", legend);
    item.innerHTML = `<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" style="stroke: var(--course-${colour})" stroke-width="${thick}" stroke-dasharray="${dash.join(" ")}"/></svg>`;
    item.append(text);
  };
  entry("batch", "batch", [], 1.5);
  entry("train", "train", [], 2);
  entry("validation", "val", [6, 3], 2);
  for (const pin of pins) entry(`${pin.name}: ${pin.label}`, "pin", pinDash(pin), 1.5);
}

function render({ model, el }) {
  const root = element("div", "w1lab", el);
  const plots = element("div", "w1lab-plots", root);
  const canvases = ["loss", "accuracy", "tiles"].map((name) => {
    const canvas = element("canvas", `w1lab-${name}`, plots);
    canvas.setAttribute("role", "img");
    return canvas;
  });
  const legend = element("div", "w1lab-legend", root);
  const status = element("div", "w1lab-status", root);
  const note = element("div", "w1lab-note", root);
  note.setAttribute("role", "alert");
  const summary = element("div", "w1lab-summary", root);
  summary.setAttribute("aria-live", "polite");

  const state = { curves: {}, pins: [], span: 1 };
  let pointer = null;
  let waiting = 0;
  let painted = 0;

  const paint = () => {
    waiting = 0;
    if (!root.clientWidth) return; // hidden: nothing to draw, drawn when shown
    const frame = model.get("frame");
    const colours = theme(root);
    drawPanel(canvases[0], PANELS.loss, state, colours, pointer);
    drawPanel(canvases[1], PANELS.accuracy, state, colours, pointer);
    drawTiles(canvases[2], model.get("tiles"), colours);
    status.textContent = frame.status || "";
    root.dataset.run = frame.run;
    root.dataset.step = frame.step;
    root.dataset.state = frame.state;
    root.dataset.painted = ++painted;
  };
  const draw = () => { waiting ||= requestAnimationFrame(paint); };

  // The kernel pauses a run that no page shows. It asks for this answer while it trains;
  // a timer would not do, since the browser slows those down in a tab in the background.
  const sayShown = () => model.send("shown");
  const onFrame = () => {
    if (model.get("frame").state === "away") sayShown();
    state.curves = readCurves(model.get("frame").curves);
    const ends = [state.curves, ...state.pins.map((pin) => pin.curves)].flatMap((curves) =>
      Object.values(curves).map(({ x }) => x[x.length - 1] || 0),
    );
    const end = Math.max(...ends, 0);
    state.span = SPANS.find((span) => end <= span * 1.0001) || end;
    draw();
  };
  const onPins = () => {
    state.pins = model.get("pins").map((pin) => ({ ...pin, curves: readCurves(pin.curves) }));
    drawLegend(legend, state.pins);
    onFrame();
  };
  const onText = () => {
    note.textContent = model.get("note");
    summary.textContent = model.get("summary");
    for (const [i, name] of ["Loss", "Accuracy", "Columns of W1"].entries())
      canvases[i].setAttribute("aria-label", `${name}. ${model.get("summary")}`);
  };
  const onMessage = (message) => {
    if (message === "shown?") sayShown();
    if (message.copy && navigator.clipboard) navigator.clipboard.writeText(message.copy).catch(() => {});
  };
  const onMove = (event) => { pointer = event.offsetX; draw(); };
  const onLeave = () => { pointer = null; draw(); };

  model.on("change:frame", onFrame);
  model.on("change:tiles", draw);
  model.on("change:pins", onPins);
  model.on("change:note change:summary", onText);
  model.on("msg:custom", onMessage);
  for (const canvas of canvases.slice(0, 2)) {
    canvas.addEventListener("mousemove", onMove);
    canvas.addEventListener("mouseleave", onLeave);
  }
  const resized = new ResizeObserver(draw);
  resized.observe(plots);
  // The page says that its theme changes before its new colours are there.
  const themed = new MutationObserver(() => { draw(); setTimeout(draw, 500); });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  onText();
  onPins();
  sayShown();

  return () => {
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(waiting);
    model.off("change:frame", onFrame);
    model.off("change:tiles", draw);
    model.off("change:pins", onPins);
    model.off("change:note change:summary", onText);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
