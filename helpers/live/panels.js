// The two panels of curves. Part of one module: see SCRIPTS in __init__.py.

// Of a pin, by its place among the four: no two that are shown look alike.
const PIN_DASHES = [[2, 3], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2, 1, 2]];
const SPANS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]; // epochs

const short = (value) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.001 || value === 0 ? value.toFixed(3) : value.toExponential(1);

// Loss has a logarithmic axis, which shows 2.3 and 0.2 equally well.
const PANELS = {
  loss: {
    title: "loss",
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
    label: (t) => (t >= 1e4 || t < 1e-3 ? t.toExponential(0).replace("+", "") : String(+t.toPrecision(1))),
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

// How many epochs the axis shows: it grows with the curves, up to the run's own end.
function epochSpan(allCurves, numEpochs) {
  const ends = allCurves.flatMap((curves) => Object.values(curves).map(({ x }) => x[x.length - 1] || 0));
  const end = Math.max(...ends, 0);
  const span = SPANS.find((one) => end <= one * 1.0001) || end;
  return Math.min(span, Math.max(numEpochs, Math.ceil(end))); // a pin may be longer
}

// Round numbers, as many as there is room for, and always the axis's end.
function epochTicks(span, width) {
  const most = Math.min(6.01, width / 30);
  const tenth = 10 ** Math.floor(Math.log10(span));
  const step = [0.1, 0.2, 0.5, 1].map((one) => one * tenth).find((one) => span / one <= most) ?? span;
  const ticks = [];
  for (let i = 0; i * step < span - 0.4 * step; i++) ticks.push(i * step);
  return [...ticks, span];
}

function drawAxes(ink, panel, range, span, box, px, py, colours) {
  ink.font = `11px ${colours.font}`;
  ink.lineWidth = 1;
  ink.strokeStyle = colours.grid;
  ink.fillStyle = colours.faint;
  ink.textAlign = "right";
  ink.textBaseline = "middle";
  let free = Infinity; // above this height there is room for the next label
  for (const tick of panel.ticks(range)) {
    const y = Math.round(py(tick)) + 0.5;
    ink.beginPath();
    ink.moveTo(box.left, y);
    ink.lineTo(box.right, y);
    ink.stroke();
    const label = panel.label(tick);
    if (!label || y > free) continue;
    ink.fillText(label, box.left - 5, y);
    free = y - 11;
  }
  ink.textAlign = "center";
  ink.textBaseline = "top";
  for (const tick of epochTicks(span, box.right - box.left))
    ink.fillText(String(+tick.toPrecision(3)), px(tick), box.bottom + 4);
  ink.fillText(words.epoch, (box.left + box.right) / 2, box.bottom + 17);
  ink.textAlign = "left";
  ink.fillStyle = colours.text;
  ink.font = `600 12px ${colours.font}`;
  ink.fillText(words[panel.title], box.left, 3);
  ink.strokeStyle = colours.axis;
  ink.beginPath();
  ink.moveTo(box.left + 0.5, box.top);
  ink.lineTo(box.left + 0.5, box.bottom + 0.5);
  ink.lineTo(box.right, box.bottom + 0.5);
  ink.stroke();
}

function drawLine(ink, curve, colour, dash, thick, px, py) {
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
}

// Each letter at the end of its curve; where they would meet, in the curves' order.
function drawLetters(ink, pins, panel, box, px, py, colours) {
  ink.font = `bold 12px ${colours.font}`;
  ink.textAlign = "left";
  ink.textBaseline = "middle";
  ink.lineWidth = 3;
  ink.strokeStyle = colours.paper;
  const letters = [];
  for (const pin of pins) {
    const curve = pin.curves[panel.pinned];
    const last = curve ? curve.x.length - 1 : -1;
    if (last < 0 || !Number.isFinite(curve.y[last])) continue;
    const x = Math.min(px(curve.x[last]) + 3, box.right - 11);
    letters.push({ pin, x, y: Math.max(py(curve.y[last]) - 9, box.top + 6) });
  }
  letters.sort((one, other) => one.y - other.y);
  const meet = (one, other) => Math.abs(one.x - other.x) <= 12;
  letters.forEach((one, i) => {
    for (const above of letters.slice(0, i)) if (meet(one, above)) one.y = Math.max(one.y, above.y + 14);
  });
  letters.reverse().forEach((one, i) => {
    one.y = Math.min(one.y, box.bottom - 6);
    for (const below of letters.slice(0, i)) if (meet(one, below)) one.y = Math.min(one.y, below.y - 14);
  });
  for (const { pin, x, y } of letters) {
    ink.strokeText(pin.name, x, y);
    ink.fillStyle = colours[`pin${pin.place}`];
    ink.fillText(pin.name, x, y);
  }
}

// cursor: the epoch that is gone back to, or null. pointer: where the mouse is, or null.
function drawPanel(ink, { width, height }, panel, state, colours, cursor, pointer) {
  const box = { left: 36, right: width - 12, top: 22, bottom: height - 32 };
  const { curves, pins, span } = state;
  const shown = [
    ...pins.map((pin) => pin.curves[panel.pinned]),
    ...panel.curves.map(([name]) => curves[name]),
  ].filter(Boolean);
  const range = panel.range(shown);
  const px = (x) => box.left + (x / span) * (box.right - box.left);
  const py = (y) => box.bottom - panel.scale(y, range) * (box.bottom - box.top);
  drawAxes(ink, panel, range, span, box, px, py, colours);

  ink.save();
  ink.beginPath();
  ink.rect(box.left, box.top - 2, box.right - box.left + 2, box.bottom - box.top + 4);
  ink.clip();
  for (const pin of pins)
    drawLine(ink, pin.curves[panel.pinned], colours[`pin${pin.place}`], PIN_DASHES[pin.place], 1.8, px, py);
  for (const [name, colour, dash, thick] of panel.curves)
    drawLine(ink, curves[name], colours[colour], dash, thick, px, py);
  for (const epoch of state.branches) {
    const [x, y] = nearestPoint(curves[panel.pinned], epoch);
    drawDot(ink, px(x), py(y), colours.paper, colours.text);
  }
  ink.restore();
  drawLetters(ink, pins, panel, box, px, py, colours);
  const wanted = pointer === null ? cursor : ((pointer - box.left) / (box.right - box.left)) * span;
  if (wanted !== null && wanted >= 0 && wanted <= span) drawCursor(ink, panel, state, wanted, box, px, py, colours);
}

function nearestPoint(curve, epoch) {
  const { x, y } = curve || { x: [], y: [] };
  let nearest = 0;
  for (let i = 1; i < x.length; i++) if (Math.abs(x[i] - epoch) < Math.abs(x[nearest] - epoch)) nearest = i;
  return [x[nearest], y[nearest]];
}

function drawDot(ink, x, y, inside, colour) {
  ink.beginPath();
  ink.arc(x, y, 3.5, 0, 7);
  ink.fillStyle = inside;
  ink.fill();
  ink.strokeStyle = colour;
  ink.lineWidth = 1.5;
  ink.stroke();
}

// A line at this epoch, and what was measured there; of the pins, at the same step.
function drawCursor(ink, panel, state, wanted, box, px, py, colours) {
  const [[epoch, train], [, val]] = panel.curves.slice(-2).map(([name]) => nearestPoint(state.curves[name], wanted));
  if (epoch === undefined) return;
  const x = Math.round(px(wanted)) + 0.5;
  ink.strokeStyle = colours.faint;
  ink.lineWidth = 1;
  ink.beginPath();
  ink.moveTo(x, box.top);
  ink.lineTo(x, box.bottom);
  ink.stroke();
  const pinned = [];
  for (const pin of state.pins) {
    const same = (wanted * state.stepsPerEpoch) / pin.steps_per_epoch;
    const curve = pin.curves[panel.pinned];
    if (!(same <= curve?.x.at(-1) + 1 / pin.steps_per_epoch)) continue; // it ended before
    const [pinX, pinY] = nearestPoint(curve, same);
    drawDot(ink, px(pinX), py(pinY), colours[`pin${pin.place}`], colours.paper);
    pinned.push([pin.name, pinY]);
  }
  ink.font = `600 12px ${colours.font}`;
  const titleWidth = ink.measureText(words[panel.title]).width;
  const at = fillIn(words.at_epoch, { epoch: +wanted.toPrecision(3) });
  const all = [[words.train, train], [words.val, val], ...pinned];
  const say = (some, number) => some.map(([name, value]) => `${name} ${number(value)}`).join(words.comma);
  const numbers = [say(all, short), say(all.slice(1), short)];
  ink.font = `11px ${colours.font}`;
  const least = say(all.slice(1), (value) => (value < 10 ? value.toFixed(2) : short(value)));
  const texts = [at + numbers[0], numbers[0], at + numbers[1], numbers[1], least];
  const text = texts.find((one) => ink.measureText(one).width <= box.right - 4) || least;
  ink.textAlign = "right";
  ink.textBaseline = "top";
  const from = box.right - ink.measureText(text).width - 6;
  if (from < box.left + titleWidth) ink.clearRect(box.left - 2, 0, box.right, box.top - 3);
  ink.fillStyle = colours.text;
  ink.fillText(text, box.right, 4);
}
