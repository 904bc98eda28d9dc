// What every instrument needs of the page that shows it: to be in view when it was just
// run, to keep its own keys, to let Shift + Enter go on. instrument.css says when its kernel is gone.

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta"]);
const KEYS = ["focusin", "keydown", "keyup"];
const OURS = "data-lm-suppress-shortcuts";

function nextCell(node) {
  let cell = node.closest(".jp-Cell")?.nextElementSibling;
  while (cell && !cell.classList.contains("jp-Cell")) cell = cell.nextElementSibling;
  return cell;
}

// JupyterLab moves to the next cell first, so this comes after it, and again once the
// instrument has its height. A lab that a button opened is an instrument in another one.
function bringIntoView(instrument) {
  const scroller = instrument.closest(".jp-WindowedPanel-outer");
  if (!scroller) return;
  const box = instrument.getBoundingClientRect();
  const room = scroller.getBoundingClientRect();
  const above = box.top < room.top;
  const below = box.bottom > room.bottom;
  if (above || (below && box.top > room.top)) scroller.scrollTop += box.top - room.top - 8;
}

function render({ model, el }) {
  let output = null;
  const timers = [];
  const later = (milliseconds, what) => timers.push(setTimeout(what, milliseconds));

  // JupyterLab takes arrow keys and letters for commands, such as x for "cut this cell".
  // Here they belong to the control in focus; what is pressed with Shift, Ctrl, Alt or
  // Cmd, such as Shift + Enter, stays JupyterLab's.
  const keepKeys = ({ type, key }) => {
    const control = document.activeElement;
    if (!output?.contains(control)) return;
    if (type === "focusin") control.setAttribute(OURS, "true");
    else if (MODIFIERS.has(key)) control.toggleAttribute(OURS, type === "keyup");
  };

  // After a choice the next cell is the active one. Arrow keys only walk through the
  // choices; with them Enter goes on.
  const goOn = (event) => {
    const chosen = event.target.matches?.("input[type=radio]");
    // A key press is a click as well, but without a place.
    const meant = event.type === "click" ? event.detail > 0 : event.key === "Enter";
    if (chosen && meant) later(0, () => nextCell(el)?.focus({ preventScroll: true }));
  };

  later(0, () => {
    output = el.closest(".jp-OutputArea-output");
    if (!output) return;
    output.classList.add("course-instrument");
    output.dataset.gone = model.get("gone");
    output.addEventListener("click", goOn);
    output.addEventListener("keydown", goOn);
    const instrument = el.parentElement.closest(".widget-vbox");
    for (const milliseconds of [50, 300, 800]) later(milliseconds, () => bringIntoView(instrument));
  });
  for (const type of KEYS) window.addEventListener(type, keepKeys, true);
  return () => {
    timers.forEach(clearTimeout);
    for (const type of KEYS) window.removeEventListener(type, keepKeys, true);
    output?.removeEventListener("click", goOn);
    output?.removeEventListener("keydown", goOn);
  };
}

export default { render };
