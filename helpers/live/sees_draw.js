// The left half of the panel, on a canvas: ten pictures with bars, or one unit. Part of one
// module: see SCRIPTS in __init__.py.

const SEES_TOP = 62; // above the rows, for the pictures and for the matrix's names
const SEES_NAMES = 68; // left of them, for the names of the classes
const SIDE = 28;

const bytes = (view, Kind) => new Kind(view.buffer, view.byteOffset, view.byteLength);

// Clothes as the page's own ink: picture i is at y = 28 i.
let clothesBefore = {};
function clothes(images, colours) {
  if (clothesBefore.images === images && clothesBefore.text === colours.text) return clothesBefore.picture;
  const values = bytes(images, Uint8Array);
  const picture = document.createElement("canvas");
  picture.width = SIDE;
  picture.height = values.length / SIDE || 1;
  const ink = picture.getContext("2d");
  const image = ink.createImageData(picture.width, picture.height);
  for (let i = 0; i < values.length; i++) image.data[4 * i + 3] = values[i];
  ink.putImageData(image, 0, 0);
  ink.globalCompositeOperation = "source-in";
  ink.fillStyle = colours.text;
  ink.fillRect(0, 0, picture.width, picture.height);
  clothesBefore = { images, text: colours.text, picture };
  return picture;
}

function drawClothes(ink, picture, i, x, y, side, colours) {
  ink.imageSmoothingEnabled = false;
  ink.drawImage(picture, 0, SIDE * i, SIDE, SIDE, x, y, side, side);
  ink.strokeStyle = colours.grid;
  ink.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
}

// A wrong answer has stripes, a right one is solid.
let stripesBefore = {};
function stripes(ink, colour) {
  if (stripesBefore.colour === colour) return stripesBefore.pattern;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 5;
  const lines = tile.getContext("2d");
  lines.strokeStyle = colour;
  lines.lineWidth = 2;
  for (const at of [-5, 0, 5]) {
    lines.beginPath();
    lines.moveTo(at - 1, 6);
    lines.lineTo(at + 6, -1);
    lines.stroke();
  }
  stripesBefore = { colour, pattern: ink.createPattern(tile, "repeat") };
  return stripesBefore.pattern;
}

function drawNames(ink, names, x, top, row, colours) {
  ink.font = `11px ${colours.font}`;
  ink.fillStyle = colours.text;
  ink.textAlign = "right";
  ink.textBaseline = "middle";
  for (const [i, name] of names.entries()) ink.fillText(name, x, top + (i + 0.5) * row + 0.5);
}

function drawTen(ink, { width }, sees, scores, colours, row) {
  const wide = Math.floor(Math.min(80, (width - SEES_NAMES) / 10));
  drawNames(ink, sees.classes, SEES_NAMES - 6, SEES_TOP, row, colours);
  const shares = scores.shares ? floats(scores.shares) : [];
  const picture = clothes(sees.images, colours);
  const side = Math.min(SEES_TOP - 17, wide - 4);
  const wrong = stripes(ink, colours.failed);
  for (const [k, label] of sees.labels.entries()) {
    const x = SEES_NAMES + k * wide;
    drawClothes(ink, picture, k, x + 1, SEES_TOP - 17 - side, side, colours);
    const said = scores.said?.[k];
    const isRight = said === label;
    const best = shares[10 * k + said];
    ink.fillStyle = isRight ? colours.right : colours.failed;
    ink.font = `600 11px ${colours.font}`;
    ink.textAlign = "left";
    ink.textBaseline = "alphabetic";
    const mark = isRight ? "\u2713" : "\u2717";
    const share = said < 0 ? "NaN" : best === undefined ? "" : `${Math.round(100 * best)}%`;
    if (share) ink.fillText(`${mark} ${share}`, x + 1, SEES_TOP - 4);
    ink.fillStyle = colours.grid;
    ink.fillRect(x, SEES_TOP, 1, 10 * row);
    for (let i = 0; i < 10; i++) {
      const y = SEES_TOP + i * row;
      const share = shares[10 * k + i];
      ink.fillStyle = i !== said ? colours.batch : isRight ? colours.right : wrong;
      if (Number.isFinite(share)) ink.fillRect(x + 1, y + 3, Math.max(share ? 1 : 0, (wide - 8) * share), row - 6);
    }
    if (scores.problem) continue;
    // The true class, whatever the net says.
    ink.strokeStyle = colours.text;
    ink.lineWidth = 1;
    ink.strokeRect(x + 0.5, SEES_TOP + label * row + 0.5, wide - 5, row - 1);
  }
  drawProblem(ink, { width }, scores.problem, colours, row);
}

// A line breaks at a blank, and between Chinese letters, but before no punctuation.
function wrapped(ink, sentence, width) {
  const lines = [""];
  for (const part of sentence.match(/[\u2e80-\uffff][\u3001\u3002\u201d\uff01\uff09\uff0c\uff1a\uff1b\uff1f]* ?|[^ \u2e80-\uffff]+ ?/g)) {
    const longer = lines.at(-1) + part;
    if (ink.measureText(longer.trim()).width < width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

// Over the bars, on the page's own ground.
function drawProblem(ink, { width }, sentence, colours, row) {
  if (!sentence) return;
  ink.font = `600 12px ${colours.font}`;
  const lines = wrapped(ink, sentence, width - SEES_NAMES - 24);
  const top = SEES_TOP + 2 * row;
  ink.fillStyle = colours.paper;
  ink.fillRect(SEES_NAMES, top - 6, width - SEES_NAMES, 18 * lines.length + 12);
  ink.fillStyle = colours.failed;
  ink.textAlign = "left";
  ink.textBaseline = "top";
  for (const [i, line] of lines.entries()) ink.fillText(line, SEES_NAMES + 10, top + 2 + 18 * i);
}

function heading(ink, text, x, colours) {
  ink.font = `600 11px ${colours.font}`;
  ink.fillStyle = colours.text;
  ink.textAlign = "left";
  ink.textBaseline = "top";
  ink.fillText(text, x, 2);
}

function drawUnit(ink, { width, height }, unit, sees, colours, row) {
  const side = SIDE * Math.floor((height - 22) / SIDE);
  const large = columnsPicture({ wide: SIDE, high: SIDE, count: 1, data: unit.data }, colours);
  ink.imageSmoothingEnabled = false;
  ink.drawImage(large, 0, 0, side, side);
  ink.strokeStyle = colours.grid;
  ink.strokeRect(0.5, 0.5, side - 1, side - 1);
  ink.font = `11px ${colours.font}`;
  ink.textAlign = "left";
  ink.textBaseline = "top";
  drawScale(ink, unit, side + 6, side, colours);
  const bars = Math.min(230, Math.max(150, width - side - 420));
  const from = side + 18;
  drawExciting(ink, from, width - bars - 16 - from, height, unit, sees, colours);
  drawLeads(ink, width - bars, bars, unit, sees, colours, row);
}

// With their classes below them, in as many rows as make them largest.
function drawExciting(ink, left, width, height, unit, sees, colours) {
  heading(ink, sees.words.excite, left, colours);
  const count = unit.labels.length;
  let best = { size: 0 };
  for (let across = 2; across <= count; across++) {
    const cell = Math.floor(width / across);
    const high = (height - 18) / Math.ceil(count / across);
    const size = Math.floor(Math.min(cell - 6, high - 17, 84));
    // Two names side by side need their room.
    if (cell >= 56 && size > best.size) best = { across, cell: Math.min(cell, Math.max(64, size + 10)), size, high };
  }
  const picture = clothes(unit.images, colours);
  ink.font = `10px ${colours.font}`;
  for (let k = 0; k < count && best.size; k++) {
    const x = left + (k % best.across) * best.cell;
    const y = 18 + Math.floor(k / best.across) * (best.size + 17);
    drawClothes(ink, picture, k, x, y, best.size, colours);
    ink.fillStyle = colours.faint;
    ink.fillText(sees.classes[unit.labels[k]], x, y + best.size + 2);
  }
}

function drawLeads(ink, left, width, unit, sees, colours, row) {
  heading(ink, sees.words.leads, left, colours);
  if (!unit.leads) {
    ink.font = `11px ${colours.font}`;
    ink.fillStyle = colours.faint;
    const lines = wrapped(ink, unit.says, width);
    lines.forEach((line, i) => ink.fillText(line, left, 20 + 16 * i));
    return;
  }
  const top = SEES_TOP;
  drawNames(ink, sees.classes, left + SEES_NAMES - 6, top, row, colours);
  const most = Math.max(...unit.leads.map(Math.abs).filter(Number.isFinite)) || 1;
  const half = Math.floor((width - SEES_NAMES - 2) / 2);
  const zero = left + SEES_NAMES + half;
  for (const [i, weight] of unit.leads.entries()) {
    const y = top + i * row;
    const long = Number.isFinite(weight) ? (half * weight) / most : 0;
    ink.fillStyle = weight < 0 ? colours.negative : colours.positive;
    ink.fillRect(Math.min(zero, zero + long), y + 3, Math.abs(long), row - 6);
  }
  ink.fillStyle = colours.axis;
  ink.fillRect(zero, top, 1, 10 * row);
  ink.fillStyle = colours.faint;
  ink.font = `10px ${colours.font}`;
  ink.textBaseline = "bottom";
  ink.textAlign = "left";
  ink.fillText(`\u2212${short(most)}`, zero - half, top - 2);
  ink.textAlign = "right";
  ink.fillText(`+${short(most)}`, zero + half, top - 2);
}
