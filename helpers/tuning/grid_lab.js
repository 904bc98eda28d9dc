// The grid of networks below its controls, with what is known of one cell.
// The kernel sends whole frames; this file only shows the newest one.

const CALM = 1000; // milliseconds between two frames, for those who want less motion
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const element = (tag, className, parent, text = "") => {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
};

const set = (node, name, value) => {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};

// Only what is new: what is marked in a text stays marked.
const write = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

// The cells are made once: the focus stays where it is while they change.
function makeGrid(root, words) {
  const grid = element("div", "gridlab-grid", root);
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", words.grid);
  const header = element("div", "gridlab-row", grid);
  header.setAttribute("role", "row");
  const corner = element("div", "gridlab-corner", header, "num_hiddens \\ lr");
  corner.setAttribute("role", "columnheader");
  for (const lr of words.lrs) element("div", "gridlab-head", header, lr).setAttribute("role", "columnheader");
  return words.widths.flatMap((width) => {
    const row = element("div", "gridlab-row", grid);
    row.setAttribute("role", "row");
    element("div", "gridlab-side", row, width).setAttribute("role", "rowheader");
    return words.lrs.map(() => {
      const cell = element("div", "gridlab-cell", row);
      cell.setAttribute("role", "gridcell");
      cell.tabIndex = -1;
      return cell;
    });
  });
}

function render({ model, el }) {
  const words = model.get("words");
  const across = words.lrs.length;
  const root = element("div", "gridlab", el);
  const status = element("div", "gridlab-status", root);
  const note = element("div", "gridlab-note", root);
  const cells = makeGrid(root, words);
  const grid = cells[0].parentElement.parentElement;
  const details = element("div", "gridlab-details", root);
  const line = element("div", "gridlab-line", details);
  const settings = element("code", "gridlab-settings", line);
  const copy = element("button", "course-small gridlab-copy", line, words.copy);
  copy.type = "button";
  const said = element("div", "gridlab-said", details);
  element("div", "gridlab-legend", root, words.legend);
  // instrument.js hands it to screen readers.
  const say = (kind, text) =>
    el.dispatchEvent(new CustomEvent("course-say", { bubbles: true, detail: { kind, text } }));

  let chosen = null;
  let pointed = null;
  let copied = null; // these settings
  const shown = () => pointed ?? chosen ?? model.get("frame").best ?? 0;

  const showDetails = () => {
    const known = model.get("frame").cells?.[shown()];
    write(settings, known?.settings ?? "");
    write(said, known?.details ?? "");
    copy.hidden = !known;
    write(copy, known?.settings === copied ? words.copied : words.copy);
    cells.forEach((cell, i) => cell.classList.toggle("gridlab-chosen", i === chosen));
  };
  let due = 0;
  const onFrame = () => {
    const frame = model.get("frame");
    if (frame.state === "away") model.send("shown");
    const { run, state } = root.dataset;
    const goesOn = frame.state === "running" && state === "running" && +run === frame.run;
    const now = performance.now();
    if (calm.matches && goesOn && now < due) return;
    due = now + CALM;
    write(status, frame.status);
    cells.forEach((cell, i) => {
      const known = frame.cells[i];
      write(cell, known?.text ?? "");
      if (cell.dataset.ground !== known?.ground) {
        cell.dataset.ground = cell.style.background = known?.ground ?? "";
        cell.style.color = known?.ink ?? "";
      }
      set(cell, "aria-label", known?.label ?? "");
      cell.classList.toggle("gridlab-diverged", known?.text === "\u00d7");
      cell.classList.toggle("gridlab-best", i === frame.best);
    });
    Object.assign(root.dataset, { run: frame.run, step: frame.step, state: frame.state });
    showDetails();
  };
  const onNote = () => {
    note.textContent = model.get("note");
    say("note", note.textContent);
  };
  const onSummary = () => say("summary", model.get("summary"));
  const onMessage = (message) => { if (message === "shown?") model.send("shown"); };

  // One cell is in the order of Tab; arrow keys move on from it.
  const choose = (i) => {
    cells.forEach((cell, j) => { cell.tabIndex = i === j ? 0 : -1; });
    chosen = i;
    pointed = null;
    showDetails();
  };
  const MOVES = {
    ArrowLeft: (x, y) => [x - 1, y], ArrowRight: (x, y) => [x + 1, y],
    ArrowUp: (x, y) => [x, y - 1], ArrowDown: (x, y) => [x, y + 1],
    Home: (x, y) => [0, y], End: (x, y) => [across - 1, y],
  };
  const onKey = (event) => {
    const at = cells.indexOf(event.target);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key === "Enter") toClipboard();
    const move = MOVES[event.key];
    if (!move && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (!move) return;
    const [x, y] = move(at % across, Math.floor(at / across));
    if (x >= 0 && x < across && y >= 0 && y * across + x < cells.length) cells[y * across + x].focus();
  };
  const toClipboard = () => {
    const text = settings.textContent;
    const written = navigator.clipboard?.writeText(text);
    written?.then(() => {
      copied = text;
      showDetails();
      say("copied", words.copied);
    }, () => {});
    // Where the browser refuses, it is marked, and Ctrl + C copies it.
    const range = document.createRange();
    range.selectNodeContents(settings);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  grid.addEventListener("keydown", onKey);
  grid.addEventListener("focusin", (event) => choose(cells.indexOf(event.target)));
  grid.addEventListener("mouseover", (event) => {
    const at = cells.indexOf(event.target);
    pointed = at < 0 ? null : at;
    showDetails();
  });
  grid.addEventListener("mouseleave", () => { pointed = null; showDetails(); });
  copy.addEventListener("click", toClipboard);
  cells[0].tabIndex = 0;

  const heard = {
    "change:frame": onFrame,
    "change:note": onNote,
    "change:summary": onSummary,
    "msg:custom": onMessage,
  };
  for (const [what, hear] of Object.entries(heard)) model.on(what, hear);
  note.textContent = model.get("note");
  onFrame();
  model.send("shown");
  return () => {
    for (const [what, hear] of Object.entries(heard)) model.off(what, hear);
  };
}

export default { render };
