// The report of check_machine, with a last row that this page fills in itself.
const DEAF_AFTER = 8000; // milliseconds

function render({ model, el }) {
  const table = document.createElement("table");
  table.style.cssText = "font-size: 13px; text-align: left; margin: 0";
  el.append(table);
  const show = (row, mark, text) => {
    row.replaceChildren();
    const sign = row.insertCell();
    sign.textContent = mark;
    const colour = mark === "FIX" ? "--jp-error-color1" : "--jp-success-color1";
    sign.style.cssText = `font-weight: bold; text-align: left; color: var(${colour})`;
    const words = row.insertCell();
    words.textContent = text;
    words.style.textAlign = "left";
  };
  for (const [ok, text] of model.get("rows")) show(table.insertRow(), ok ? "ok" : "FIX", text);
  const answers = model.get("answers");
  const last = table.insertRow();
  show(last, "...", answers.waiting);
  const deaf = setTimeout(() => show(last, "FIX", answers.deaf), DEAF_AFTER);
  const onAnswer = () => {
    clearTimeout(deaf);
    show(last, "ok", answers.heard);
  };
  model.on("msg:custom", onAnswer);
  model.send("hello");
  return () => { clearTimeout(deaf); model.off("msg:custom", onAnswer); };
}

export default { render };
