// What every instrument needs of the page that shows it: to be in view when it was just
// run, to keep its own keys, to let Shift + Enter go on, names for what ipywidgets gives
// none, and one voice for screen readers. instrument.css says when its kernel is gone.

const OURS = "data-lm-suppress-shortcuts";
const SETTLED = 500; // milliseconds without a change; then it is announced

function nextCell(node) {
  let cell = node.closest(".jp-Cell")?.nextElementSibling;
  while (cell && !cell.classList.contains("jp-Cell")) cell = cell.nextElementSibling;
  return cell;
}

// JupyterLab moves to the next cell first, so this comes after it, and again once the
// instrument has its height. A lab that a button opened is an instrument in another one,
// and comes into view with that button.
function bringIntoView(instrument) {
  const scroller = instrument.closest(".jp-WindowedPanel-outer");
  if (!scroller) return;
  const box = (instrument.closest(".course-opens") || instrument).getBoundingClientRect();
  const room = scroller.getBoundingClientRect();
  const above = box.top < room.top;
  const below = box.bottom > room.bottom;
  if (above || (below && box.top > room.top)) scroller.scrollTop += box.top - room.top - 8;
}

const setOnce = (node, name, text) => {
  if (node && node.getAttribute(name) !== text) node.setAttribute(name, text);
};

// A slider of ipywidgets has no name, and as its value the place among its options.
// names: CSS selector -> the name of what it finds.
function nameControls(instrument, names) {
  for (const slider of instrument.querySelectorAll(".widget-slider")) {
    const [handle, label, value] = [".noUi-handle", ".widget-label", ".widget-readout"].map((part) => slider.querySelector(part));
    setOnce(handle, "aria-label", label?.textContent);
    setOnce(handle, "aria-valuetext", value?.textContent);
  }
  setOnce(instrument.querySelector(".widget-radio-box"), "role", "radiogroup");
  for (const [selector, name] of Object.entries(names))
    setOnce(instrument.querySelector(selector), "aria-label", name);
}

// Says what it is told once that has settled: what comes together is said together, and
// of the same kind only the newest. Said again, it is heard again.
function makeVoice(el) {
  const region = document.createElement("div");
  region.className = "course-unseen";
  region.setAttribute("aria-live", "polite");
  el.append(region);
  const said = new Map();
  let settling = 0;
  const speak = () => {
    // A full stop of Chinese has its own room.
    region.textContent = [...said.values()].join(" ").replace(/(?<=[。！？]) /g, "");
    said.clear();
  };
  const say = ({ kind, text }) => {
    clearTimeout(settling);
    said.delete(kind);
    if (text) said.set(kind, text.replaceAll("`", ""));
    region.textContent = "";
    if (said.size) settling = setTimeout(speak, SETTLED);
  };
  return { say, off: () => clearTimeout(settling) };
}

function render({ model, el }) {
  let output = null;
  let instrument = null;
  const timers = [];
  const gone = new AbortController();
  const later = (milliseconds, what) => timers.push(setTimeout(what, milliseconds));

  // JupyterLab takes arrow keys and letters for commands, such as x for "cut this cell".
  // Here they belong to the control in focus; Shift + Enter, and what is pressed with
  // Ctrl, Alt or Cmd, stays JupyterLab's. But after work in an instrument Shift + Enter
  // runs the next cell: its own would begin anew, and what is pinned would be lost.
  let inUse = false;
  const use = ({ target }) => (inUse = output?.contains(target));
  const keepKeys = ({ target, key, shiftKey, ctrlKey, altKey, metaKey }) => {
    const inside = output?.contains(target);
    const others = ctrlKey || altKey || metaKey;
    const runs = shiftKey && key === "Enter";
    if (runs && !others && (inside || inUse)) nextCell(el)?.focus({ preventScroll: true });
    if (inside) target.toggleAttribute(OURS, !(others || runs));
    if (key !== "Shift") inUse = inside && !runs;
  };

  // After a choice the next cell is the active one. Arrow keys only walk through the
  // choices; with them Enter goes on.
  const goOn = (event) => {
    const chosen = event.target.matches?.("input[type=radio]");
    // A key press is a click as well, but without a place.
    const meant = event.type === "click" ? event.detail > 0 : event.key === "Enter";
    if (chosen && meant) later(0, () => nextCell(el)?.focus({ preventScroll: true }));
  };

  const voice = makeVoice(el);
  const onSaid = (event) => {
    event.stopPropagation(); // an instrument in another one speaks for itself
    voice.say(event.detail);
  };
  const name = () => nameControls(instrument, model.get("names"));
  const named = new MutationObserver(name);

  later(0, () => {
    instrument = el.parentElement.closest(".widget-vbox");
    instrument.addEventListener("course-say", onSaid);
    // ipywidgets makes a slider when it can, and sets its value text at each move.
    named.observe(instrument, { childList: true, subtree: true, attributeFilter: ["aria-valuetext"] });
    name();
    output = el.closest(".jp-OutputArea-output");
    if (!output) return;
    output.classList.add("course-instrument");
    output.dataset.gone = model.get("gone");
    output.addEventListener("click", goOn);
    output.addEventListener("keydown", goOn);
    for (const milliseconds of [50, 300, 800]) later(milliseconds, () => bringIntoView(instrument));
    // On a slow machine JupyterLab's own move comes after that. But from what a learner
    // does elsewhere on, and from the next instrument on, it may be out of view.
    const moves = [2000, 4000].map((wait) => setTimeout(() => bringIntoView(instrument), wait));
    timers.push(...moves);
    window.dispatchEvent(new Event("course-shown"));
    const leave = ({ type, target }) => {
      if (type !== "pointerdown" || !output.contains(target)) moves.forEach(clearTimeout);
    };
    for (const type of ["keydown", "pointerdown", "wheel", "course-shown"])
      window.addEventListener(type, leave, { capture: true, signal: gone.signal });
  });
  model.on("change:names", name);
  model.on("msg:custom", voice.say);
  window.addEventListener("keydown", keepKeys, true);
  window.addEventListener("pointerdown", use, true);
  return () => {
    timers.forEach(clearTimeout);
    gone.abort();
    voice.off();
    named.disconnect();
    model.off("change:names", name);
    model.off("msg:custom", voice.say);
    window.removeEventListener("keydown", keepKeys, true);
    window.removeEventListener("pointerdown", use, true);
    instrument?.removeEventListener("course-say", onSaid);
    output?.removeEventListener("click", goOn);
    output?.removeEventListener("keydown", goOn);
  };
}

export default { render };
