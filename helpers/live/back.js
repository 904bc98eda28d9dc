// Back through time: the slider under the curves, and the button that goes on from there.
// Part of one module: see SCRIPTS in __init__.py.

const REST = 150; // milliseconds without a move: now the weights of exactly this step
const UNANSWERED = 2; // requests to the kernel at most, or they would queue up there
const LOST = 10000; // milliseconds: one that has no answer by then

// moved: called when the slider is.
function backSlider(root, model, moved) {
  const row = element("div", "w1lab-back", root);
  const slider = element("input", "", row);
  Object.assign(slider, { type: "range", min: 0, max: 0, title: words.back_tip });
  slider.setAttribute("aria-label", words.back);
  const text = element("span", "w1lab-back-at", row);
  const button = element("button", "course-small", row);
  Object.assign(button, { type: "button", textContent: words.go_on, title: words.go_on_tip });
  let asked = []; // when, of the kernel, which has not answered yet
  let unsent = false; // the newest step
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
  const send = () => {
    unsent = false;
    asked.push(Date.now());
    model.send({ back: value, asked: asked.at(-1) });
  };
  const rest = () => (unsent ? ask() : model.send({ repeat: "look" }));
  const ask = () => {
    asked = asked.filter((when) => when > Date.now() - LOST);
    unsent = asked.length >= UNANSWERED;
    if (!unsent) send();
    clearTimeout(resting);
    resting = setTimeout(rest, REST);
  };
  slider.addEventListener("input", () => {
    value = +slider.value;
    say();
    moved();
    ask();
  });
  button.addEventListener("click", () => {
    clearTimeout(resting);
    if (unsent) send();
    if (at() !== null) model.send({ repeat: "go on" });
  });
  // Each frame may be an answer.
  const hear = (frame) => {
    asked = asked.filter((when) => when > frame.heard);
    if (frame.state === "running") [asked, unsent] = [[], false];
    if (unsent) ask();
  };
  const take = (frame) => {
    running = frame.state === "running";
    if (!asked.length) [value, newest] = [frame.back ?? frame.newest, frame.newest];
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
  return { at, hear, take, show };
}
