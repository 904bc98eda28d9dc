// An extension of JupyterLab, written by hand, since it is this short. After Shift + Enter
// the output of what was run is in view: JupyterLab itself looks after the next cell only,
// and scrolls a picture out of the page where a long text follows. And a kernel that goes
// in the middle of a cell leaves no line behind that says how long it has been running. It
// gives pictures their text, and what is folded its keys.
(() => {
  // One frame for the output to be drawn, and one for JupyterLab's own scrolling.
  const WAIT = [50, 300];

  function bringIntoView(cell) {
    const room = cell.node.closest(".jp-WindowedPanel-outer");
    const outputs = [...cell.node.querySelectorAll(".jp-OutputArea-output")];
    const output = outputs.find((one) => one.offsetParent);
    if (!room || !output || cell.node.querySelector(".course-instrument")) return;
    const { top, height } = room.getBoundingClientRect();
    const above = top + 8 - output.getBoundingClientRect().top;
    if (above <= 0) return;
    // With its code, where there is room for both.
    const code = top + 8 - cell.node.getBoundingClientRect().top;
    const whole = cell.node.getBoundingClientRect().height <= height;
    room.scrollTop -= whole ? code : above;
  }

  // Of an execution that has no number in the end: its kernel was restarted, or died.
  function forgetRunning(model, { name, newValue }) {
    if (name !== "executionState" || newValue === "running" || model.executionCount) return;
    const outputs = model.outputs.toJSON();
    const stay = outputs.filter(({ metadata }) => metadata?.course !== "running");
    if (stay.length < outputs.length) model.outputs.fromJSON(stay);
  }

  // JupyterLab leaves out the text that a picture brings for those who can't see it.
  function describePictures({ RenderedImage }, rendermime) {
    class Described extends RenderedImage {
      async render(model) {
        await super.render(model);
        const { alt } = model.metadata[this.mimeType] ?? {};
        if (alt) this.node.querySelector("img").alt = alt;
      }
    }
    const mimeTypes = ["image/png"];
    const createRenderer = (options) => new Described(options);
    rendermime.addFactory({ safe: true, mimeTypes, createRenderer }, rendermime.getRank("image/png"));
  }

  // Enter opens what is folded, and letters do nothing; JupyterLab would take both as
  // commands, such as x for "cut this cell". instrument.js does so for instruments.
  function keepKeys({ target, key, shiftKey, ctrlKey, altKey, metaKey }) {
    if (!target.closest?.(".jp-Cell summary")) return;
    const theirs = ctrlKey || altKey || metaKey || (shiftKey && key === "Enter");
    target.toggleAttribute("data-lm-suppress-shortcuts", !theirs);
  }

  function activate({ NotebookActions }) {
    NotebookActions.executionScheduled.connect((_, { cell }) =>
      cell.model.stateChanged.connect(forgetRunning));
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      const next = notebook.widgets.indexOf(cell) + 1;
      const went = () => notebook.activeCellIndex === next && cell.node.isConnected;
      for (const wait of WAIT) setTimeout(() => went() && bringIntoView(cell), wait);
    });
  }

  let shared;
  const load = async (name) => (await Object.values(shared[name])[0].get())();
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["course-page"] = {
    init: (scope) => (shared = scope),
    get: async () => {
      const notebooks = await load("@jupyterlab/notebook");
      const renderers = await load("@jupyterlab/rendermime");
      const plugin = {
        id: "course-page:plugin",
        autoStart: true,
        requires: [renderers.IRenderMimeRegistry],
        activate: (app, rendermime) => {
          activate(notebooks);
          describePictures(renderers, rendermime);
          window.addEventListener("keydown", keepKeys, true);
        },
      };
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
