"""All that the course shows, for those who use no mouse, or who can't see it."""

from importlib.resources import files

import pytest
from playwright.sync_api import expect

INSTRUMENTS = """
import torch
from torch import nn
from IPython.display import display

def my_net(num_hiddens=16, bias=True, activation=("relu", "tanh")):
    hidden = nn.Linear(784, num_hiddens, bias)
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(num_hiddens, 10))

asked = predict("rise", "Does it rise?", ["yes", "no", "`maybe`"])
for one in (
    lab(data, ["num_hiddens", "init"], num_hiddens=16),
    lab(data, net=my_net),
    grid := grid_lab(data),
    init_lab(data, num_hiddens=32),
    shapes_lab(),
    registration_lab(data),
    asked,
):
    display(one)
"""
OUTPUTS = """
X, net = data.train.images[:64], MLP(784, 16, 10)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
deep = nn.Sequential(*(nn.Sequential(nn.Linear(10, 10), nn.ReLU()) for _ in range(20)))
same = lambda num_inputs, num_hiddens: None
configs = [Config(num_hiddens=8, num_epochs=1, lr=lr) for lr in (0.1, 0.2)]
def space(trial):
    return Config(num_hiddens=8, num_epochs=1, lr=trial.suggest_float("lr", 0.1, 1))
predict("fall", "Does it fall?", ["yes", "no"])
runs, found = sweep(configs, data), search(space, data, 2)
for one in (
    check("1.1", same), hint("1.1"), solution("1.1"), progress(), reveal("fall", "yes"),
    runs, found, doctor(net, (X, data.train.labels[:64]), optimizer), check_machine(),
    trace_shapes(net, X), trace_shapes(deep, X[:, :10]), trace_shapes(net, X.T),
    registration(net, optimizer), registration(deep, torch.optim.SGD([net.W1], lr=0.1)),
    plot_columns(net.W1, "Columns of W1."), plot_sweep(runs, "lr", text="Two runs."),
):
    display(one)
"""
TWO_STEPS = """
import time
begun = grid._step()
while grid._step() < begun + 2:
    time.sleep(0.05)
"""
LAB, OWN, GRID, INIT, SHAPES, REGISTRATION, PREDICT = range(7)
AXE_CORE = files("axe_playwright_python").joinpath("axe.min.js")
THEME = """async (name) => {
    const theme = `JupyterLab ${name}`;
    await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
    const light = String(name === "Light");
    while (document.body.dataset.jpThemeLight !== light)
        await new Promise((end) => setTimeout(end, 50));
}"""
# Else axe takes text for covered, and leaves out its contrast.
UNCOVERED = "body {overflow: visible !important} .w1lab-sees-right {contain: none}"
AXE = """async () => {
    const quick = { resultTypes: ["violations"], preload: false };
    const { violations } = await axe.run(".jp-OutputArea-output", quick);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, any, all }) =>
        [id, html.slice(0, 150), ...[...any, ...all].map(({ message }) => message)]));
}"""
# What live regions say, by the place of their instrument: a text that is new in a
# region, or a region that is new itself. An empty one says nothing.
LISTEN = """() => {
    const live = "[aria-live], [role=status], [role=alert]";
    const all = [...document.querySelectorAll(".course-instrument")].slice(0, 7);
    window.heard = all.map(() => []);
    const regionsAt = (node) => {
        const element = node.nodeType === 1 ? node : node.parentElement;
        return [element?.closest(live), ...(element?.querySelectorAll(live) ?? [])];
    };
    const listen = (records) => {
        const changed = records.flatMap(({ target, addedNodes }) =>
            [target, ...addedNodes].flatMap(regionsAt));
        for (const region of new Set(changed)) {
            const said = window.heard[all.findIndex((one) => one.contains(region))];
            if (region?.textContent) said?.push(region.textContent);
        }
    };
    new MutationObserver(listen).observe(
        document.body, { childList: true, subtree: true, characterData: true });
}"""
# The controls of a cell, one of each kind in each output. A text field keeps its keys.
KINDS = """(index) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const kinds = new Map();
    [...cell.querySelectorAll(".jp-OutputArea-output")].forEach((output, place) => {
        const controls = output.querySelectorAll(
            ":is(select, input, button, summary, [tabindex='0'])");
        for (const one of controls) {
            const kind = [place, one.tagName, one.type, one.className].join();
            const usable = one.checkVisibility() && !one.disabled;
            if (usable && !kinds.has(kind)) kinds.set(kind, one);
        }
    });
    window.controls = [...kinds.values()];
    return [...kinds.keys()];
}"""
CELLS = """() => {
    const content = window.jupyterapp.shell.currentWidget.content;
    return [content.widgets.length, content.activeCellIndex];
}"""
SLIDERS = """() => [...document.querySelectorAll(".widget-slider")].map((slider) => {
    const [handle, label, value] = [".noUi-handle", ".widget-label", ".widget-readout"]
        .map((part) => slider.querySelector(part));
    return [label.textContent, value.textContent,
        handle.ariaLabel, handle.ariaValueText];
})"""


@pytest.fixture(scope="module")
def shown(page):
    """The page with all instruments in its second cell and outputs in its third."""
    page.errors.clear()
    page.page.set_viewport_size({"width": 1400, "height": 9000})
    page.page.add_style_tag(content=UNCOVERED)
    page.fill([INSTRUMENTS, OUTPUTS])
    page.run(1)
    page.run(2)
    instrument(page, LAB).get_by_role("button", name="pin").click()
    instrument(page, LAB).get_by_role("button", name="what it sees").click()
    instrument(page, OWN).get_by_role("button", name="doctor").click()
    instrument(page, PREDICT).get_by_role("button", name="class votes").click()
    page.page.locator(".w1lab-matrix td").first.wait_for()
    page.page.locator(".w1lab-finding:not(:empty)").wait_for()
    yield page
    page.page.evaluate(THEME, "Light")
    page.execute("import ipywidgets; ipywidgets.Widget.close_all()")


def instrument(page, place):
    return page.page.locator(".course-instrument").nth(place)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing(shown, theme):
    shown.page.evaluate(THEME, theme)
    shown.page.evaluate(
        files("axe_playwright_python").joinpath("axe.min.js").read_text()
    )
    assert shown.page.evaluate(AXE) == []
    assert shown.unexpected_errors() == []


def test_each_change_is_announced_once(shown):
    # The fixture's own changes first.
    for place in (LAB, OWN):
        region = instrument(shown, place).locator("[aria-live]")
        expect(region).not_to_be_empty()
    shown.page.evaluate(LISTEN)

    def press(place, name):
        instrument(shown, place).get_by_role("button", name=name).click()

    press(LAB, "step")
    press(OWN, "reset")
    press(GRID, "reset")
    instrument(shown, INIT).get_by_role("slider", name="sigma").press("ArrowRight")
    instrument(shown, SHAPES).get_by_label("break it").select_option(index=1)
    press(REGISTRATION, "train one step")
    instrument(shown, PREDICT).get_by_role("radio", name="yes").check()
    shown.page.wait_for_function("window.heard.every((said) => said.length)")
    shown.page.wait_for_timeout(1500)  # and no more
    heard = shown.page.evaluate("window.heard")
    assert [len(said) for said in heard] == [1] * 7, heard


def test_a_slider_says_its_name_and_its_value(shown):
    handle = instrument(shown, SHAPES).get_by_role("slider", name="num_hiddens")
    expect(handle).to_have_attribute("aria-valuetext", "256")
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuetext", "512")
    sliders = shown.page.evaluate(SLIDERS)
    assert len(sliders) > 9
    for name, value, said_name, said_value in sliders:
        assert (said_name, said_value) == (name, value)


def test_who_wants_less_motion_gets_less(shown):
    grid = instrument(shown, GRID)
    shown.page.emulate_media(reduced_motion="reduce")
    shown.page.evaluate(
        """() => {
            const grid = document.querySelector(".gridlab");
            const now = performance.now();
            performance.now = () => now;  // the second between two frames never ends
            window.steps = [];
            new MutationObserver(() => window.steps.push(grid.dataset.step))
                .observe(grid, { attributeFilter: ["data-step"] });
        }"""
    )
    grid.get_by_role("button", name="start").click()
    grid.get_by_role("button", name="pause").wait_for()
    shown.execute(TWO_STEPS)
    shown.page.wait_for_timeout(500)  # and no step is painted
    grid.get_by_role("button", name="pause").click()
    expect(grid.locator(".gridlab")).to_have_attribute("data-state", "paused")
    steps = shown.page.evaluate("[...new Set(window.steps)]")
    shown.page.evaluate("delete performance.now")  # the page is used again
    shown.page.emulate_media(reduced_motion="no-preference")
    first, last = steps
    assert int(first) < int(last)


@pytest.mark.parametrize("cell", [1, 2])
def test_keys_stay_in_what_has_the_focus(shown, cell):
    kinds = shown.page.evaluate(KINDS, cell)
    assert kinds
    before = shown.page.evaluate(CELLS)[0], cell
    for place, kind in enumerate(kinds):
        shown.page.evaluate("(place) => window.controls[place].focus()", place)
        for key in ("ArrowDown", "x"):
            shown.page.keyboard.press(key)
        assert tuple(shown.page.evaluate(CELLS)) == before, kind
