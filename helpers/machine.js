// The report of check_machine, with a last row that this page fills in itself.
const DEAF_AFTER = 8000; // milliseconds

function render({ model, el }) {
  el.innerHTML = model.get("html");
  const [sign, words] = [...el.querySelectorAll("td")].slice(-2);
  const answer = (mark) => {
    clearTimeout(deaf);
    sign.textContent = mark;
    words.textContent = model.get("answers")[mark];
    sign.parentElement.className = `machine ${mark}`;
  };
  const deaf = setTimeout(answer, DEAF_AFTER, "FIX");
  const onAnswer = () => answer("ok");
  model.on("msg:custom", onAnswer);
  model.send("hello");
  return () => { clearTimeout(deaf); model.off("msg:custom", onAnswer); };
}

export default { render };
