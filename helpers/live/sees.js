// What the net sees: ten pictures with their probabilities, the confusion matrix, and one
// unit of the first layer. What is drawn is in sees_draw.js. Closed, the panel asks for
// nothing. Part of one module: see SCRIPTS in __init__.py.

const NARROW = 740; // pixels: below this there is room for the pictures or the matrix
const HEAD = 26; // of the panel, for its buttons
const SEES_GAP = 6;

const fillIn = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// What is set again at each frame makes the browser look for its style again.
const setOnce = (node, name, value) => {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
};

// Arrow keys walk through a group of controls, which is one stop of the Tab key.
// step: by how many places each key moves.
function rove(group, controls, steps) {
  group.addEventListener("keydown", (event) => {
    const all = controls();
    const at = all.indexOf(document.activeElement);
    const by = steps(at)[event.key];
    if (at < 0 || by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all[Math.max(0, Math.min(all.length - 1, at + by))].focus();
  });
  group.addEventListener("focusin", ({ target }) => {
    for (const one of controls()) one.tabIndex = one === target ? 0 : -1;
  });
}

// A button over each picture of the weights, where that is a unit's.
function unitButtons(before, choose) {
  const group = element("div", "w1lab-units", before.parentNode);
  before.before(group);
  group.setAttribute("role", "toolbar");
  const buttons = () => [...group.children];
  let placed = "";
  let across = 1;
  rove(group, buttons, () => ({
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -99, End: 99,
  }));
  const place = (places, tiles, { left, top }, words) => {
    const names = tiles?.units || [];
    setOnce(group, "aria-label", tiles?.name || "");
    const now = JSON.stringify([names, places, left, top]);
    if (now === placed) return;
    placed = now;
    across = places.filter(({ y }) => y === places[0].y).length;
    while (buttons().length > names.length) group.lastChild.remove();
    for (const [i, name] of names.entries()) {
      const button = buttons()[i] || element("button", "w1lab-unit", group);
      const { x, y, wide, high } = places[i];
      button.type = "button";
      button.tabIndex = i ? -1 : 0;
      button.title = fillIn(words.unit, { unit: name });
      button.setAttribute("aria-label", button.title);
      button.onclick = () => choose(i);
      Object.assign(button.style, {
        left: `${left + x}px`, top: `${top + y}px`, width: `${wide}px`, height: `${high}px`,
      });
    }
  };
  const press = (chosen) => {
    for (const [i, button] of buttons().entries()) setOnce(button, "aria-pressed", i === chosen);
  };
  return { place, press, focus: (i) => buttons()[i]?.focus() };
}

// A table of shares. A cell in focus is chosen by Enter or Space.
function confusionMatrix(parent, choose) {
  const title = element("div", "w1lab-sees-head", parent);
  const name = element("span", "", title);
  const of = element("span", "w1lab-sees-title", title);
  const table = element("table", "w1lab-matrix", parent);
  table.setAttribute("role", "grid");
  let cells = [];
  const build = (classes, words) => {
    name.textContent = words.matrix;
    table.setAttribute("aria-label", words.matrix);
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    const corner = element("th", "w1lab-corner", head);
    element("span", "", corner).textContent = words.answer;
    element("span", "", corner).textContent = words.true;
    for (const name of classes) {
      const cell = element("th", "", head);
      cell.scope = "col";
      element("span", "", cell).textContent = name;
    }
    const body = table.createTBody();
    cells = classes.flatMap((name, i) => {
      const row = body.insertRow();
      const header = element("th", "", row);
      header.scope = "row";
      header.textContent = name;
      return classes.map((_, j) => {
        const cell = element("td", i === j ? "w1lab-hit" : "w1lab-miss", row);
        cell.setAttribute("role", "gridcell");
        cell.tabIndex = i + j ? -1 : 0;
        cell.onclick = () => choose([i, j]);
        return cell;
      });
    });
  };
  const size = 10;
  rove(table, () => cells, (at) => ({
    ArrowLeft: at % size ? -1 : 0, ArrowRight: at % size < size - 1 ? 1 : 0,
    ArrowUp: at >= size ? -size : 0, ArrowDown: at < cells.length - size ? size : 0,
    Home: -(at % size), End: size - 1 - (at % size),
  }));
  table.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (event.shiftKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    document.activeElement.click();
  });
  let [matrixBefore, kindBefore] = [];
  const show = (classes, words, matrix, kind) => {
    if (!classes || (matrix === matrixBefore && kind === kindBefore)) return;
    [matrixBefore, kindBefore] = [matrix, kind];
    if (!cells.length) build(classes, words);
    of.textContent = matrix.count ? fillIn(words.matrix_of, matrix) : "";
    table.title = matrix.count ? fillIn(words.matrix_tip, matrix) : "";
    for (const [at, cell] of cells.entries()) {
      const [i, j] = [Math.floor(at / size), at % size];
      const total = matrix.totals?.[i];
      const share = total ? matrix.counts[at] / total : 0;
      const text = share ? String(Math.max(1, Math.round(100 * share))) : "";
      if (cell.textContent !== text) {
        write(cell, text);
        cell.style.setProperty("--share", `${Math.round(50 * Math.sqrt(share))}%`);
      }
      const label = fillIn(words.cell, { true: classes[i], said: classes[j], share: text || 0 });
      setOnce(cell, "aria-label", label);
      setOnce(cell, "aria-selected", Array.isArray(kind) && kind[0] === i && kind[1] === j);
    }
  };
  return { show };
}

// What chooses the ten pictures, and the way back from a unit to them.
function seesToolbar(parent, send) {
  const bar = element("div", "w1lab-sees-head", parent);
  bar.setAttribute("role", "toolbar");
  const make = (asked) => {
    const button = element("button", "course-small", bar);
    button.type = "button";
    button.tabIndex = -1;
    button.onclick = () => send(asked);
    return button;
  };
  const [each, wrong, next] = ["each", "wrong", "next"].map((show) => make({ show, unit: null }));
  const back = make({ unit: null });
  const title = element("span", "w1lab-sees-title", bar);
  const buttons = () => [...bar.querySelectorAll("button")];
  bar.replaceChildren(title); // the buttons that are offered come before it
  rove(bar, buttons, () => ({ ArrowLeft: -1, ArrowRight: 1, Home: -9, End: 9 }));
  const show = ({ words, kind, title: text }, unit) => {
    const inFocus = bar.contains(document.activeElement);
    bar.setAttribute("aria-label", words.pictures);
    for (const [button, name] of [[each, "each"], [wrong, "wrong"], [next, "next"], [back, "back"]]) {
      button.textContent = words[name];
    }
    const offered = unit ? [back] : [each, wrong, next];
    if (bar.firstChild !== offered[0]) bar.replaceChildren(...offered, title);
    each.setAttribute("aria-pressed", kind === "each");
    wrong.setAttribute("aria-pressed", kind === "wrong");
    title.textContent = unit || text || "";
    title.classList.toggle("w1lab-unit-name", Boolean(unit));
    if (!buttons().some((one) => one.tabIndex === 0)) buttons()[0].tabIndex = 0;
    if (inFocus && !bar.contains(document.activeElement)) buttons()[0].focus();
  };
  return { show };
}

// bar: where the button that opens the panel stands. again: lays the lab out anew. reveal:
// brings a part of it into view. draw: asks for a paint, and drawCalmly for one that may
// come later. say: to screen readers.
function seesPanel({ root, bar, model, again, reveal, draw, drawCalmly, say }) {
  const words = model.get("sees").words;
  const toggle = element("button", "course-small w1lab-toggle", bar);
  toggle.type = "button";
  toggle.textContent = words.open;
  const place = element("div", "", root); // empty while the panel is closed
  const panel = element("section", "w1lab-sees", place);
  panel.setAttribute("aria-label", words.panel);
  panel.remove();
  const left = element("div", "w1lab-sees-left", panel);
  const turn = element("button", "course-small w1lab-turn", panel);
  turn.type = "button";

  let open = false;
  let sheet = null;
  const send = (asked) => model.send({ sees: asked });
  const setOpen = (now) => {
    if (open === now) return;
    open = now;
    again();
  };
  const unitShown = () => model.get("sees_unit").index;
  const choose = (i) => {
    send({ ...(open ? {} : { open: true }), unit: i === unitShown() ? null : i });
    if (!open) appear();
    turnTo("pictures");
  };
  const toolbar = seesToolbar(left, send);
  const sheetCanvas = element("canvas", "w1lab-sees-canvas", left);
  sheetCanvas.setAttribute("role", "img");
  const matrix = confusionMatrix(element("div", "w1lab-sees-right", panel), (show) => {
    send({ show, unit: null });
    turnTo("pictures");
  });
  const units = unitButtons(bar, choose);

  const turnTo = (part) => {
    if (panel.dataset.part === part) return;
    const inFocus = panel.contains(document.activeElement);
    panel.dataset.part = part;
    turn.textContent = part === "pictures" ? words.matrix : words.back;
    if (!open) return;
    again(); // a canvas that was hidden has no size
    if (inFocus && !document.activeElement.checkVisibility()) turn.focus();
  };
  turnTo("pictures");
  turn.addEventListener("click", () => turnTo(panel.dataset.part === "pictures" ? "matrix" : "pictures"));

  const appear = () => {
    setOpen(true);
    reveal(panel);
  };
  const close = () => {
    setOpen(false);
    toggle.focus();
  };
  toggle.addEventListener("click", () => {
    send({ open: !open });
    if (open) close();
    else appear();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    const unit = unitShown();
    if (unit === undefined) {
      send({ open: false });
      close();
    } else {
      send({ unit: null });
      units.focus(unit);
    }
  });

  // Its height, in a lab that is so wide on a page that is so high.
  let row = 14;
  const arrange = (width, page) => {
    toggle.setAttribute("aria-expanded", open);
    if (open !== panel.isConnected) place.replaceChildren(...(open ? [panel] : []));
    sheet = null;
    if (!open) return 0;
    row = page >= 700 ? 17 : 14;
    const narrow = width < NARROW;
    panel.classList.toggle("w1lab-narrow", narrow);
    if (narrow) panel.append(turn);
    else turn.remove();
    panel.style.setProperty("--row", `${row}px`);
    panel.style.setProperty("--cell", `${width >= 1100 ? 30 : 22}px`);
    const part = HEAD + SEES_TOP + 10 * row + 2;
    sheetCanvas.style.height = `${part - HEAD}px`;
    return part + SEES_GAP;
  };
  let stale = true;
  const paint = (colours) => {
    if (!open || !stale) return;
    sheet ||= prepare(sheetCanvas);
    stale = false;
    const { ink, size } = sheet;
    ink.clearRect(0, 0, size.width, size.height);
    const unit = model.get("sees_unit");
    const sees = model.get("sees");
    const scores = model.get("sees_scores");
    matrix.show(sees.classes, words, model.get("sees_matrix"), sees.kind);
    if (!sees.classes) drawProblem(ink, size, scores.problem, colours, row);
    else if (unit.name) drawUnit(ink, size, unit, sees, colours, row);
    else drawTen(ink, size, sees, scores, colours, row);
  };
  const showUnit = () => {
    const unit = model.get("sees_unit");
    toolbar.show(model.get("sees"), unit.name);
    units.press(unit.index);
  };
  let unitBefore;
  const onUnit = () => {
    const { name } = model.get("sees_unit");
    if (name === unitBefore) return onScores();
    unitBefore = name;
    showUnit();
    onAsked();
  };
  const onSees = () => {
    setOpen(model.get("sees").open);
    showUnit();
    onAsked();
  };
  const onScores = () => { stale = true; drawCalmly(); };
  const onAsked = () => { stale = true; draw(); };
  const onTold = () => {
    const told = model.get("sees_told");
    sheetCanvas.setAttribute("aria-label", told.pictures || words.panel);
    say("told", told.say);
  };
  const heard = {
    "change:sees": onSees,
    "change:sees_unit": onUnit,
    "change:sees_scores change:sees_matrix": onScores,
    "change:sees_told": onTold,
  };
  for (const [what, hear] of Object.entries(heard)) model.on(what, hear);
  const off = () => {
    for (const [what, hear] of Object.entries(heard)) model.off(what, hear);
  };
  return {
    arrange, paint, off, stale: () => { stale = true; }, show: () => { onSees(); onTold(); },
    placeUnits: (places, tiles, at) => { units.place(places, tiles, at, words); units.press(unitShown()); },
  };
}
