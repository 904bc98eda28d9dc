"""`registration` and its lab in a real JupyterLab in a real browser."""

import pytest
from playwright.sync_api import expect

from lab_in_browser import box

BIG = "from torchvision.models import resnet18\nregistration(resnet18())"


@pytest.fixture
def opened(open_notebook):
    notebook = open_notebook("registration_lab(data)")
    notebook.page.set_viewport_size({"width": 1400, "height": 1800})
    yield notebook
    assert notebook.errors == []


@pytest.fixture
def shown(opened):
    return opened.page.locator(".jp-OutputArea").nth(1)


def column(shown, name):
    """The cells of one column, by the name of their row."""
    return shown.locator(".registration table").first.evaluate(
        """(table, name) => {
            const [head, ...rows] = [...table.rows].map(
                (row) => [...row.cells].map((cell) => cell.innerText));
            const at = head.indexOf(name);
            return Object.fromEntries(
                rows.filter((row) => row.length > at).map((row) => [row[1], row[at]]));
        }""",
        name,
    )


def choose(shown, menu, choice):
    box = shown.locator(".widget-dropdown", has_text=menu).locator("select")
    box.select_option(choice)


def press(shown, name, step):
    shown.get_by_role("button", name=name).click()
    expect(shown.get_by_text(f"Step {step}: the loss")).to_be_visible()


def code_top(shown):
    return box(shown.locator("pre"))["y"]


def fits(shown):
    """Whether the whole table is on the page."""
    table = shown.locator(".course").first
    return table.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_a_step_shows_what_a_list_hides(shown):
    choose(shown, "W1 is", "Parameter in a list")
    expect(shown.get_by_text("Use nn.ParameterList.")).to_be_visible()
    expect(shown.locator("pre")).to_contain_text("self.Ws = [nn.Parameter(")
    press(shown, "train one step", 1)
    changed = column(shown, "changed")
    assert changed == {"b1": "yes", "W2": "yes", "b2": "yes", "Ws[0]": "no"}
    assert column(shown, "has .grad")["Ws[0]"] == "yes"
    press(shown, "train one step", 2)
    choose(shown, "W1 is", "nn.ParameterList")
    expect(shown.get_by_text("Built, not trained yet.")).to_be_visible()
    press(shown, "train one step", 1)
    assert set(column(shown, "changed").values()) == {"yes"}


def test_nothing_jumps_and_nothing_is_cut_off(shown):
    choose(shown, "W1 is", "nn.Parameter")
    expect(shown.locator("pre")).to_contain_text("self.W1 = nn.Parameter(")
    before = code_top(shown)
    choose(shown, "W1 is", "Parameter in a plain object")
    choose(shown, "b1 is", "with a second name")
    choose(shown, "optimizer is", "made before W2 is replaced")
    expect(shown.get_by_text("Stale: ")).to_be_visible()
    press(shown, "train one step", 1)
    assert code_top(shown) == before
    assert fits(shown)
    choose(shown, "W1 is", "requires_grad=True inside randn")
    expect(shown.get_by_text("Built, not trained yet.")).to_be_visible()
    press(shown, "train one step", 1)
    shown.get_by_role("button", name="train one step").click()
    expect(shown.get_by_text("It failed. RuntimeError")).to_be_visible()
    assert code_top(shown) == before


def test_the_table_fits_a_projector(opened, shown):
    opened.page.set_viewport_size({"width": 1024, "height": 700})
    choose(shown, "W1 is", "Parameter in a plain object")
    choose(shown, "optimizer is", "made before W2 is replaced")
    expect(shown.get_by_text("Stale: ")).to_be_visible()
    press(shown, "train one step", 1)
    assert fits(shown)


def test_a_big_network_unfolds_by_click(open_notebook):
    big = open_notebook(BIG).page.locator(".jp-OutputArea").nth(1)
    name = big.get_by_text("layer2.0.conv1.weight", exact=True)
    expect(name).to_be_hidden()
    big.get_by_text("layer2 (").click()
    expect(name).to_be_visible()
    assert name.evaluate("node => getComputedStyle(node).textAlign") == "left"
