// Back through time: the slider under the curves, and the button that goes on from there.
// One module with panels.js, columns.js and lab.js: see __init__.py.

const REST = 150; // milliseconds without a move: now the weights of exactly this step

// moved: called when the slider is.
function backSlider(root, model, moved) {
  const row = element("div", "w1lab-back", root);
  const slider = element("input", "", row);
  Object.assign(slider, { type: "range", min: 0, max: 0, title: words.back_tip });
  slider.setAttribute("aria-label", words.back);
  const text = element("span", "w1lab-back-at", row);
  const button = element("button", "course-small", row);
  Object.assign(button, { type: "button", textContent: words.go_on, title: words.go_on_tip });
  let asked = null; // of the kernel, which has not shown it yet
  let resting = 0;
  let [value, newest, running, kept] = [0, 0, true, false];

  const at = () => (running || value >= newest ? null : value);
  const say = () => {
    const [step, last] = [value, newest].map((count) => count.toLocaleString("en"));
    const said = at() === null ? fillIn(words.newest, { last }) : fillIn(words.step, { step, last });
    write(text, said);
    if (!running) setOnce(slider, "aria-valuetext", said);
    setOnce(button, "aria-disabled", at() === null); // it keeps the focus
  };
  slider.addEventListener("input", () => {
    asked = value = +slider.value;
    say();
    moved();
    model.send({ back: asked });
    clearTimeout(resting);
    resting = setTimeout(() => model.send({ repeat: "look" }), REST);
  });
  button.addEventListener("click", () => {
    clearTimeout(resting);
    if (at() !== null) model.send({ repeat: "go on" });
  });
  const take = (frame) => {
    const now = frame.back ?? frame.newest;
    running = frame.state === "running";
    if (now === asked || running) asked = null;
    if (asked === null) [value, newest] = [now, frame.newest];
    kept = frame.kept && (newest || running);
  };
  // After all that is drawn: a canvas would make the browser lay out anew at once.
  const show = () => {
    if (slider.disabled !== running) slider.disabled = running;
    if (!running || slider.value !== slider.max || slider.max === "0") {
      slider.max = newest;
      slider.value = value;
    }
    row.classList.toggle("w1lab-nothing", !kept);
    say();
  };
  return { at, take, show };
}
