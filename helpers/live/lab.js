// The lab below its controls: it puts the other files' parts together, with what is said
// and the settings line. Part of one module: see SCRIPTS in __init__.py.
// The kernel sends whole frames; this file only draws the newest one.

const COLOURS = [
  ...["train", "val", "batch", "pin0", "pin1", "pin2", "pin3"],
  ...["negative", "zero", "positive", "right", "failed"],
];
const LEAST = 150; // pixels: the plots are never lower
const MOST = 400;
const UNDER = 84; // what stands under the plots: the slider, the keys and the status
const SETTINGS = 66; // what comes last, and a little air
const CALM = 1000; // milliseconds between two paints, for those who want less motion
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let words = {}; // the kernel's, in its language: WORDS of __init__.py

const element = (tag, className, parent) => {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
};

// Text that changes at each frame: a node that stays needs no search for styles.
function write(node, text) {
  const [first] = node.childNodes;
  if (node.childNodes.length !== 1 || first.nodeType !== Node.TEXT_NODE) node.textContent = text;
  else if (first.data !== text) first.data = text;
}

// A sentence; what is between two backticks is code.
function sentence(node, text) {
  if (node.said === text) return;
  node.said = text;
  if (!text.includes("`")) return write(node, text);
  node.textContent = "";
  for (const [i, part] of text.split(/`([^`]+)`/).entries())
    (i % 2 ? element("code", "", node) : node).append(part);
}

const floats = (view) =>
  view ? new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)) : new Float32Array();

function readCurves(packed) {
  const values = floats(packed?.values);
  let at = 0;
  const next = (length) => values.subarray(at, (at += length));
  const curves = Object.entries(packed?.lengths || {}).map(([name, length]) => [name, { x: next(length), y: next(length) }]);
  return Object.fromEntries(curves);
}

// The colours are CSS variables; --course-train and the like come from palette.py.
function theme(el) {
  const style = getComputedStyle(el);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--jp-ui-font-color1", "#333"),
    faint: read("--jp-ui-font-color2", "#666"),
    grid: read("--jp-border-color2", "#ddd"),
    axis: read("--jp-border-color1", "#aaa"),
    paper: read("--jp-layout-color0", "#fff"),
    ...Object.fromEntries(COLOURS.map((name) => [name, read(`--course-${name}`, "#888888")])),
    font: read("--jp-ui-font-family", "sans-serif"),
  };
}

// A canvas as large as its box, in the screen's own pixels. Sizes and places are read when
// they change, not at every paint, where reading them would make the browser lay out anew.
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { ink, size, left: canvas.offsetLeft, top: canvas.offsetTop };
}

function addKey(legend, text, colour, dash, thick) {
  const item = element("span", "w1lab-key", legend);
  item.innerHTML = `<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" style="stroke: var(--course-${colour})" stroke-width="${thick}" stroke-dasharray="${dash.join(" ")}"/></svg>`;
  item.append(text);
  return item;
}

function drawLegend(legend, pins, remove) {
  const inFocus = legend.contains(document.activeElement);
  legend.replaceChildren();
  addKey(legend, words.batch, "batch", [], 1.5);
  addKey(legend, words.train, "train", [], 2);
  addKey(legend, words.validation, "val", [6, 3], 2);
  for (const pin of pins) {
    const [, begin, end] = `${pin.name}: ${pin.label}`.match(/^(.* )(.*)$/);
    const item = addKey(legend, begin, `pin${pin.place}`, PIN_DASHES[pin.place], 1.8);
    const last = element("span", "w1lab-last", item); // of its words, on a line with the button
    last.append(end);
    const button = element("button", "w1lab-remove", last);
    button.type = "button";
    button.textContent = "\u00d7";
    button.title = pin.remove;
    button.setAttribute("aria-label", pin.remove);
    button.addEventListener("click", () => remove(pin.name));
  }
  if (inFocus) legend.parentElement.querySelector("button").focus(); // after the last pin, what it sees
}

// One line, as high as its text: Enter sends it, Escape takes back what was typed.
function settingsLine(root, model) {
  const label = element("label", "w1lab-settings", root);
  label.append(words.settings);
  const field = element("textarea", "", label);
  field.rows = 1;
  field.spellcheck = false;
  field.title = words.settings_tip;
  const fits = CSS.supports("field-sizing", "content"); // by itself
  const fit = () => {
    if (fits) return;
    field.style.height = "0";
    field.style.height = `${field.scrollHeight + 2}px`;
  };
  let [shown, sent] = [];
  const show = () => {
    shown = field.value = model.get("settings");
    fit();
  };
  const send = () => {
    sent = field.value;
    if (sent !== model.get("settings")) model.send({ settings: sent });
  };
  const hear = () => {
    if ([shown, sent].includes(field.value)) show(); // else the next one is being typed
  };
  field.addEventListener("input", fit);
  field.addEventListener("change", send);
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") show();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send();
  });
  return { fit, hear, show };
}

// Which weights are shown: in place of the title, where there is a choice.
function weightsMenu(root, model) {
  const menu = element("select", "w1lab-weights", root);
  menu.setAttribute("aria-label", words.weights);
  let chosen = model.get("tiles").name; // kept, as in the kernel, while a net lacks them
  menu.addEventListener("change", () => {
    chosen = menu.value;
    model.send({ weights: chosen });
  });
  const fill = () => {
    const names = model.get("weights");
    menu.hidden = names.length < 2;
    if (names.join() === [...menu.options].map((option) => option.value).join()) return;
    menu.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(chosen)) menu.value = chosen;
  };
  const place = (canvas) => {
    menu.style.left = `${canvas.offsetLeft}px`;
    menu.style.top = `${canvas.offsetTop}px`;
    menu.style.maxWidth = `${Math.floor(0.6 * canvas.clientWidth)}px`;
    return menu.hidden ? 0 : menu.offsetWidth;
  };
  return { fill, place };
}

function render({ model, el }) {
  words = model.get("words");
  const root = element("div", "w1lab", el);
  const plots = element("div", "w1lab-plots", root);
  const canvases = ["loss", "accuracy", "columns"].map((name) => {
    const canvas = element("canvas", `w1lab-${name}`, plots);
    canvas.setAttribute("role", "img");
    return canvas;
  });
  const menu = weightsMenu(root, model);
  const back = backSlider(root, model, () => draw());
  const keys = element("div", "w1lab-keys", root);
  const legend = element("div", "w1lab-legend", keys);
  const status = element("div", "w1lab-status", root);
  const printed = element("div", "w1lab-printed", root);
  // instrument.js hands it to screen readers.
  const say = (kind, text) =>
    root.dispatchEvent(new CustomEvent("course-say", { bubbles: true, detail: { kind, text } }));
  const draw = () => { waiting ||= requestAnimationFrame(paint); };
  // What moves by itself is painted once a second for those who want less motion.
  const drawCalmly = () => {
    const { moves, run } = model.get("frame");
    if (!calm.matches || !moves || run !== +root.dataset.run) draw();
    else resting ||= setTimeout(() => { resting = 0; draw(); }, CALM + paintedAt - performance.now());
  };
  const lab = () => root.closest(".course-opens") || root.closest(".course-lab") || root;
  // As little as needed, and no further than the buttons.
  const reveal = (part) => {
    if (!page) return part.scrollIntoView({ block: "nearest" });
    const [room, from, to] = [page, lab(), part].map((one) => one.getBoundingClientRect());
    page.scrollTop += Math.min(Math.max(0, to.bottom + 8 - room.bottom), from.top - room.top);
  };
  let page = null; // the part of the notebook that is in view
  const again = () => { arranged = ""; onResize(); };
  const sees = seesPanel({ root, bar: keys, model, again, reveal, draw, drawCalmly, say });
  const code = element("pre", "w1lab-code", root);
  const below = element("div", "w1lab-below", root);
  const settings = settingsLine(below, model);
  const note = element("div", "w1lab-note", below);
  const finding = element("div", "w1lab-finding", root);

  const state = { curves: {}, pins: [], span: 1, stepsPerEpoch: 1, branches: [] };
  let taken = null; // the frame that is read
  let sheets = null; // the canvases as they are now; null while hidden
  let colours = null;
  let newColumns = true;
  let pointer = null;
  let menuWidth = 0;
  let waiting = 0;
  let resting = 0;
  let painted = 0;
  let paintedAt = 0;

  const clear = ({ ink, size }) => ink.clearRect(0, 0, size.width, size.height);
  const take = (frame) => {
    if (taken === frame) return;
    taken = frame;
    state.curves = readCurves(frame.curves);
    state.stepsPerEpoch = frame.steps_per_epoch;
    state.branches = frame.branches;
    back.take(frame);
    state.span = epochSpan([state.curves, ...state.pins.map((pin) => pin.curves)], frame.num_epochs);
  };
  const paint = () => {
    waiting = 0;
    const frame = model.get("frame");
    take(frame);
    if (!sheets) return; // drawn when shown
    const step = back.at();
    const cursor = step === null ? null : step / state.stepsPerEpoch;
    for (const [i, panel] of [PANELS.loss, PANELS.accuracy].entries()) {
      clear(sheets[i]);
      drawPanel(sheets[i].ink, sheets[i].size, panel, state, colours, cursor, pointer);
    }
    if (newColumns) {
      newColumns = false;
      clear(sheets[2]);
      const tiles = model.get("tiles");
      const places = drawColumns(sheets[2].ink, sheets[2].size, tiles, colours, menuWidth);
      sees.placeUnits(places, tiles, sheets[2]);
    }
    sees.paint(colours);
    back.show();
    sentence(status, frame.status || "");
    root.dataset.run = frame.run;
    root.dataset.step = frame.step;
    if (root.dataset.state !== frame.state) root.dataset.state = frame.state;
    root.dataset.painted = ++painted;
    paintedAt = performance.now();
  };
  const drawAll = () => {
    colours = theme(root);
    sees.stale();
    newColumns = true;
    draw();
  };

  // The plots are as high as lets the controls above and the texts below stay in view.
  // Where even low ones have no room, what was opened takes their place.
  const arrangePlots = (width, height) => {
    const seen = sees.arrange(width, height);
    if (seen) code.textContent = ""; // the kernel takes it away, too
    const opened = seen + (code.offsetHeight && code.offsetHeight + 8); // with its margin
    const told = finding.offsetHeight && finding.offsetHeight + 6;
    const above = root.getBoundingClientRect().top - lab().getBoundingClientRect().top;
    const left = height - above - UNDER - told - opened;
    const folded = Boolean(opened) && left < LEAST;
    root.classList.toggle("w1lab-folded", folded);
    if (folded) return;
    const room = left - SETTINGS;
    const stacked = width < 900 && room >= 2.2 * LEAST;
    const share = stacked ? 0.6 : 0.4;
    const tall = Math.round(Math.max(LEAST, Math.min(room, MOST, share * width)));
    // W1's part is a square, the curves share the rest; whole pixels, or all is blurred.
    const square = Math.round(Math.max(tall - ABOVE - BELOW + 8, Math.min(260, 0.34 * width)));
    const curves = stacked ? width - square - 12 : Math.floor((width - square - 24) / 2);
    plots.classList.toggle("w1lab-stacked", stacked);
    // No 1fr: a scroll bar that comes and goes while this is laid out would be measured.
    const columns = stacked ? [curves, square] : [curves, curves, width - 2 * curves - 24];
    plots.style.gridTemplateColumns = columns.map((wide) => `${wide}px`).join(" ");
    plots.style.height = `${2 * Math.floor(tall / 2)}px`;
  };
  let arranged = "";
  const onResize = () => {
    page ||= root.closest(".jp-WindowedPanel-outer");
    if (page) resized.observe(page);
    const [width, height] = [root.clientWidth, page?.clientHeight || 700];
    const now = width ? `${width} ${height} ${window.devicePixelRatio}` : "";
    if (now === arranged) return; // only its own texts have grown
    arranged = now;
    sheets = null;
    if (!now) return; // hidden
    arrangePlots(width, height);
    settings.fit();
    sheets = canvases.map(prepare);
    menuWidth = menu.place(canvases[2]);
    drawAll();
    paint(); // now: a canvas with a new size is empty
  };

  // The kernel pauses a run that no page shows. It asks for this answer while it trains;
  // a timer would not do, since the browser slows those down in a tab in the background.
  const sayShown = () => model.send("shown");
  const onFrame = () => {
    const frame = model.get("frame");
    back.hear(frame);
    if (frame.state === "away") sayShown();
    drawCalmly();
  };
  const onColumns = () => { newColumns = true; drawCalmly(); };
  const onWeights = () => {
    menu.fill();
    if (sheets) menuWidth = menu.place(canvases[2]);
    onColumns();
  };
  const onPins = () => {
    state.pins = model.get("pins").map((pin) => ({ ...pin, curves: readCurves(pin.curves) }));
    drawLegend(legend, state.pins, (name) => model.send({ unpin: name }));
    taken = null; // the axis may be longer or shorter now
    draw();
  };
  const onText = () => {
    sentence(note, model.get("note"));
    below.classList.toggle("w1lab-refused", model.get("refused"));
    if (code.textContent !== model.get("code")) {
      code.textContent = "";
      // Each statement is whole, also where there are two columns.
      for (const one of model.get("code").split(/^(?=\S)/m).filter(Boolean))
        element("span", "", code).textContent = one;
    }
    sentence(finding, model.get("finding"));
    for (const [i, name] of words.pictures.entries())
      canvases[i].setAttribute("aria-label", `${name}${model.get("summary")}`);
  };
  const onPrinted = () => {
    const line = model.get("printed");
    printed.title = line;
    printed.textContent = line && `${words.printed} `;
    if (line) element("code", "", printed).append(line);
  };
  const onMessage = (message) => {
    if (message === "shown?") sayShown();
    if (message === "back") settings.hear();
    if (message.copy && navigator.clipboard) navigator.clipboard.writeText(message.copy).catch(() => {});
  };
  const onMove = (event) => { pointer = event.offsetX; draw(); };
  const onLeave = () => { pointer = null; draw(); };

  const heard = {
    "change:frame": onFrame,
    "change:tiles": onColumns,
    "change:pins": onPins,
    "change:weights": onWeights,
    "change:settings": settings.hear,
    "change:note change:refused change:finding change:code change:summary": onText,
    "change:printed": onPrinted,
    "change:note": () => say("note", model.get("note")),
    "change:code": () => {
      again();
      if (code.textContent) reveal(code);
    },
    "change:summary": () => say("summary", model.get("summary")),
    "change:finding": () => {
      again(); // it needs room, with the buttons still in view
      reveal(finding);
      say("finding", model.get("finding"));
    },
    "msg:custom": onMessage,
  };
  for (const [what, hear] of Object.entries(heard)) model.on(what, hear);
  for (const canvas of canvases.slice(0, 2)) {
    canvas.addEventListener("mousemove", onMove);
    canvas.addEventListener("mouseleave", onLeave);
  }
  const resized = new ResizeObserver(onResize);
  resized.observe(root);
  // The page says that its theme changes before its new colours are there.
  const themed = new MutationObserver(() => { drawAll(); setTimeout(drawAll, 500); });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  onText();
  onPrinted();
  onPins();
  onWeights();
  settings.show();
  sees.show();
  sayShown();

  return () => {
    resized.disconnect();
    themed.disconnect();
    sees.off();
    cancelAnimationFrame(waiting);
    clearTimeout(resting);
    for (const [what, hear] of Object.entries(heard)) model.off(what, hear);
    try { model.send("hidden"); } catch { /* its kernel is gone */ }
  };
}

export default { render };
