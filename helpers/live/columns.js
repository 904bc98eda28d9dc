// Weights as pictures: columns of W1, filters, or a whole matrix. Part of one module: see
// SCRIPTS in __init__.py.

const GAP = 4; // between two pictures on the screen
const ABOVE = 22; // for the title
const BELOW = 24; // for the scale

// "#3f90da" -> [63, 144, 218]
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// As many in a row as make the pictures largest.
function arrange(count, width, height) {
  let best = { across: 1, size: 0 };
  for (let across = 1; across <= count; across++) {
    const down = Math.ceil(count / across);
    const size = Math.floor(Math.min((width + GAP) / across, (height + GAP) / down)) - GAP;
    if (size > best.size) best = { across, size };
  }
  return best;
}

// All pictures beneath each other, in their own pixels: green below zero, pink above.
function columnsPicture(tiles, colours) {
  const picture = document.createElement("canvas");
  picture.width = tiles.wide;
  picture.height = tiles.high * tiles.count;
  const ink = picture.getContext("2d");
  const image = ink.createImageData(picture.width, picture.height);
  const values = new Int8Array(tiles.data.buffer, tiles.data.byteOffset, tiles.data.byteLength);
  const [below, zero, above] = [colours.negative, colours.zero, colours.positive].map(rgb);
  for (let i = 0; i < values.length; i++) {
    const share = Math.abs(values[i]) / 127;
    const end = values[i] < 0 ? below : above;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = zero[c] + (end[c] - zero[c]) * share;
    image.data[4 * i + 3] = 255;
  }
  ink.putImageData(image, 0, 0);
  return picture;
}

function drawScale(ink, tiles, y, width, colours) {
  ink.fillStyle = colours.faint;
  if (+tiles.top === 0) return ink.fillText(words.zero, 4, y);
  const [from, to] = [`\u2212${tiles.top}`, `+${tiles.top}`];
  const left = 4 + ink.measureText(from).width + 6;
  const long = Math.min(120, width - 2 * left);
  const shades = ink.createLinearGradient(left, 0, left + long, 0);
  for (const [at, name] of [[0, "negative"], [0.5, "zero"], [1, "positive"]]) shades.addColorStop(at, colours[name]);
  ink.fillStyle = shades;
  ink.fillRect(left, y + 1, long, 9);
  ink.strokeStyle = colours.grid;
  ink.strokeRect(left + 0.5, y + 1.5, long - 1, 8);
  ink.fillStyle = colours.faint;
  ink.fillText(from, 4, y);
  ink.fillText(to, left + long + 6, y);
}

// menu: the width of the menu that stands in place of the title, or 0. Returns where each
// picture is.
function drawColumns(ink, { width, height }, tiles, colours, menu) {
  ink.textBaseline = "top";
  ink.font = `600 12px ${colours.font}`;
  ink.fillStyle = colours.text;
  if (!tiles?.name) return [];
  if (!menu) ink.fillText(tiles.name, 4, 3, width - 4); // narrower rather than cut off
  if (!tiles.data) return []; // the net has nothing to show
  const title = menu || ink.measureText(tiles.name).width;
  ink.font = `11px ${colours.font}`;
  ink.fillStyle = colours.faint;
  const left = 4 + title + 8;
  const caption = tiles.captions.find((one) => left + ink.measureText(one).width <= width);
  ink.fillText(caption || "", left, 4);
  const { across, size } = arrange(tiles.count, width - 8, height - ABOVE - BELOW);
  const picture = columnsPicture(tiles, colours);
  const longest = Math.max(tiles.high, tiles.wide);
  const [wide, high] = [tiles.wide, tiles.high].map((side) => Math.max(1, Math.round((size * side) / longest)));
  ink.imageSmoothingEnabled = false;
  ink.strokeStyle = colours.grid;
  const places = [];
  for (let i = 0; i < tiles.count; i++) {
    const x = 4 + (i % across) * (size + GAP);
    const y = ABOVE + Math.floor(i / across) * (high + GAP);
    ink.drawImage(picture, 0, tiles.high * i, tiles.wide, tiles.high, x, y, wide, high);
    ink.strokeRect(x + 0.5, y + 0.5, wide - 1, high - 1);
    places.push({ x, y, wide, high });
  }
  const down = Math.ceil(tiles.count / across);
  drawScale(ink, tiles, ABOVE + down * (high + GAP) + 5, width, colours);
  return places;
}
