// An extension of JupyterLab, written by hand, since it is this short: after Shift + Enter
// the output of what was run is in view. JupyterLab itself looks after the next cell only,
// and scrolls a picture out of the page where a long text follows.
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

  function activate({ NotebookActions }) {
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
      const plugin = {
        id: "course-page:plugin",
        autoStart: true,
        activate: () => activate(notebooks),
      };
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
