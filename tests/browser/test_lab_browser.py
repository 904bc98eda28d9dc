"""The course in a real JupyterLab in a real browser."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from lab_in_browser import Notebook

ROOT = Path(__file__).parents[2]
RUN = ".w1lab"


def shown(notebook, which=0):
    return notebook.page.locator(RUN).nth(which)


def state(notebook, which=0):
    data = shown(notebook, which).evaluate("node => ({...node.dataset})")
    return data["state"], int(data["run"]), int(data["step"]), int(data["painted"])


def until_state(notebook, wanted, which=0, beyond=-1):
    notebook.page.wait_for_function(
        """([selector, which, wanted, beyond]) => {
            const data = document.querySelectorAll(selector)[which].dataset;
            return data.state === wanted && Number(data.step) > beyond;
        }""",
        arg=[RUN, which, wanted, beyond],
    )


def button(notebook, name, which=0):
    exactly = re.compile(rf"^\s*{name}\s*$")
    return notebook.page.locator("button", has_text=exactly).nth(which)


def slider(notebook, which=0):
    return notebook.page.locator(".noUi-handle").nth(which)


def test_arrow_keys_retrain_and_the_new_run_is_painted(open_notebook):
    notebook = open_notebook("lab(data)")
    assert state(notebook)[0] == "preview"
    handle = slider(notebook)
    handle.focus()
    runs = []
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        before = state(notebook)[1]
        notebook.page.keyboard.press(key)
        notebook.page.wait_for_function(
            "([selector, run]) => Number(document.querySelector(selector).dataset.run)"
            " > run",
            arg=[RUN, before],
        )
        runs.append(state(notebook)[1])
    assert runs == sorted(set(runs))
    until_state(notebook, "running", beyond=20)
    settings = notebook.page.get_by_label("settings")
    assert settings.input_value() == "num_hiddens=128 lr=0.1"
    first = state(notebook)
    until_state(notebook, "running", beyond=first[2] + 20)
    assert state(notebook)[3] > first[3] + 1  # it was painted on the way
    assert notebook.errors == []


def test_keyboard_alone_works_the_whole_lab(open_notebook):
    notebook = open_notebook("lab(data)")
    button(notebook, "start").focus()
    reached = []
    for _ in range(11):
        reached.append(
            notebook.page.evaluate(
                "document.activeElement.innerText || document.activeElement.className"
            ).strip()
        )
        notebook.page.keyboard.press("Tab")
    for name in ("start", "step", "reset", "new seed", "pin", "code", "noUi-handle"):
        assert any(name in one for one in reached), reached
    button(notebook, "start").focus()
    notebook.page.keyboard.press("Enter")
    until_state(notebook, "running", beyond=5)
    notebook.page.keyboard.press("Space")
    until_state(notebook, "paused")
    assert notebook.errors == []


def test_lr_keeps_the_run_and_pause_holds_it(open_notebook):
    notebook = open_notebook("lab(data)")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    run = state(notebook)[1]
    slider(notebook, 1).focus()
    notebook.page.keyboard.press("ArrowRight")
    expect(notebook.page.get_by_label("settings")).to_have_value(
        "num_hiddens=256 lr=0.2"
    )
    until_state(notebook, "running", beyond=state(notebook)[2] + 10)
    assert state(notebook)[1] == run
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    step = state(notebook)[2]
    notebook.page.wait_for_timeout(300)
    assert state(notebook)[2] == step
    button(notebook, "step").click()
    until_state(notebook, "paused", beyond=step)
    assert state(notebook)[2] == step + 1


def test_pin_keeps_a_run_in_the_legend(open_notebook):
    notebook = open_notebook("lab(data)")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=30)
    button(notebook, "pin").click()
    legend = shown(notebook).locator(".w1lab-legend")
    legend.get_by_text("A: num_hiddens=256 lr=0.1").wait_for()
    slider(notebook).focus()
    notebook.page.keyboard.press("ArrowLeft")
    until_state(notebook, "running", beyond=10)
    assert "A: num_hiddens=256" in legend.inner_text()


def test_a_pasted_line_and_a_wrong_one(open_notebook):
    notebook = open_notebook("lab(data)")
    settings = notebook.page.get_by_label("settings")
    settings.fill("num_hidden=3")
    settings.evaluate(
        """(field) => {
            field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
            field.value = "num_hiddens=32 lr=0.3 num_epochs=1"; // before it is answered
        }"""
    )
    note = shown(notebook).locator(".w1lab-note")
    note.get_by_text("did you mean 'num_hiddens'").wait_for()
    notebook.page.wait_for_timeout(200)  # what is typed stays
    settings.press("Enter")
    until_state(notebook, "done")
    assert (
        "Done after 196 steps" in shown(notebook).locator(".w1lab-status").inner_text()
    )
    line = settings.input_value()
    settings.fill(line.replace(" lr=", ",  lr = "))  # the same settings
    settings.press("Enter")
    expect(settings).to_have_value(line)


def test_code_is_shown_and_nothing_jumps_before_it(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=16)")
    height = shown(notebook).bounding_box()["height"]
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=300)
    assert shown(notebook).bounding_box()["height"] == height
    button(notebook, "code").click()
    code = shown(notebook).locator("pre")
    expect(code).to_contain_text("W1 = nn.Parameter(torch.randn(784, 16) * 0.01)")
    assert code.is_visible()
    button(notebook, "code").click()
    expect(code).to_be_hidden()


def test_two_labs_in_one_notebook_train_side_by_side(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=32)", "lab(data, num_hiddens=16)")
    button(notebook, "start", 0).click()
    until_state(notebook, "running", 0, beyond=5)
    button(notebook, "start", 0).click()  # the first one's button now says pause
    until_state(notebook, "running", 1, beyond=5)
    steps = state(notebook, 0)[2], state(notebook, 1)[2]
    until_state(notebook, "running", 0, beyond=steps[0] + 5)
    until_state(notebook, "running", 1, beyond=steps[1] + 5)
    assert notebook.errors == []


def test_another_cell_answers_while_it_trains(open_notebook):
    notebook = open_notebook("lab(data)", "1 + 1")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(2)
    assert notebook.output(2).strip().endswith("2")
    until_state(notebook, "running", beyond=state(notebook)[2] + 5)


def test_running_the_cell_again_stops_the_old_lab(open_notebook):
    notebook = open_notebook(
        "lab(data)",
        "import threading\n"
        "print(sum(t.name == 'lab worker' for t in threading.enumerate()))",
    )
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(1)
    until_state(notebook, "preview")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(2)
    assert notebook.output(2).strip().endswith("1")


WATCHED = "shown = lab(data)\nshown._watch.seconds = 0.5\nshown"
STATE = "print(shown._state.name, shown._state.newest.step)"


def kernel_state(notebook, index=2):
    """The state and the step of the lab `shown`, by a cell that prints them."""
    notebook.run(index)
    name, step = notebook.output(index).split()[-2:]
    return name, int(step)


def command(notebook, name, index):
    """Run one of JupyterLab's commands on a cell."""
    notebook.page.evaluate(
        """([name, index]) => {
            const content = window.jupyterapp.shell.currentWidget.content;
            content.activeCellIndex = index;
            return window.jupyterapp.commands.execute(name).then(() => true);
        }""",
        [name, index],
    )


def test_a_deleted_cell_pauses_its_lab_until_it_is_back(open_notebook):
    notebook = open_notebook(WATCHED, STATE)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    command(notebook, "notebook:delete-cell", 1)
    notebook.page.wait_for_timeout(6000)
    name, step = kernel_state(notebook, 1)
    assert name == "away"
    notebook.page.wait_for_timeout(500)
    assert kernel_state(notebook, 1) == ("away", step)
    command(notebook, "notebook:undo-cell-action", 1)
    until_state(notebook, "running", beyond=step + 10)
    expect(button(notebook, "pause")).to_be_visible()
    assert notebook.errors == []


def test_a_deleted_lab_that_rests_gives_memory_back(open_notebook):
    code = "print(round(shown._history.num_bytes / 1e6))"
    notebook = open_notebook(WATCHED.replace("data", "data, num_hiddens=1024"), code)
    assert int(notebook.output(2)) > 20
    command(notebook, "notebook:delete-cell", 1)
    left = "while shown._history.num_bytes > 5e6: await asyncio.sleep(0.1)"
    notebook.fill([f"import asyncio\n{left}"])
    notebook.run(1)
    notebook.fill([code])  # apart, since a cell that waits says so
    notebook.run(1)
    assert int(notebook.output(1)) <= 5
    command(notebook, "notebook:insert-cell-below", 1)  # in its place
    assert notebook.errors == []


def test_a_closed_page_pauses_its_lab(open_notebook):
    notebook = open_notebook(WATCHED, STATE)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    address = notebook.page.url
    notebook.page.goto("about:blank")
    notebook.page.wait_for_timeout(6000)
    notebook.page.goto(address)
    notebook.wait_idle()
    notebook.fill(["", STATE])
    assert kernel_state(notebook)[0] == "away"


@pytest.mark.parametrize("pause", ["time.sleep(3)", "await asyncio.sleep(3)"])
def test_a_long_cell_does_not_pause_a_lab(open_notebook, pause):
    notebook = open_notebook(WATCHED, f"import asyncio, time\n{pause}\n{STATE}")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    before = state(notebook)[2]
    for _ in range(2):
        name, step = kernel_state(notebook)
        assert name == "running" and step > before + 20
        before = step
    until_state(notebook, "running", beyond=step + 10)


def test_the_kernel_restarts_while_training(open_notebook):
    notebook = open_notebook("lab(data)")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    notebook.restart()
    notebook.run(0)
    notebook.run(1)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)


def test_an_error_in_training_is_one_readable_line(open_notebook):
    notebook = open_notebook(
        "def my_line(num_inputs, num_hiddens):\n"
        "    return data.train.images.T if num_hiddens == 128 else"
        " data.train.images[:num_inputs, :num_hiddens].clone()",
        "lab(data, init=my_line)",
    )
    slider(notebook).focus()
    notebook.page.keyboard.press("ArrowLeft")
    until_state(notebook, "failed")
    status = shown(notebook).locator(".w1lab-status").inner_text()
    assert "it must be (784, 128), inputs first" in status


def test_no_label_is_cut_off(open_notebook):
    notebook = open_notebook(
        "lab(data, ('num_hiddens', 'num_layers', 'activation', 'batch_size',"
        " 'weight_decay', 'optimizer'))"
    )
    cut = notebook.page.evaluate(
        "[...document.querySelectorAll('.widget-label, .jupyter-button')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    )
    assert cut == []


def test_a_prediction_and_votes_stand_beside_the_answer(open_notebook):
    notebook = open_notebook("predict('rise', 'Does it rise?', ['yes', 'no'])")
    notebook.page.locator("label", has_text="yes").click()
    notebook.page.get_by_text("Saved: yes").wait_for()
    button(notebook, "class votes").click()
    notebook.page.locator("input[type=number]").nth(1).fill("12")
    notebook.page.keyboard.press("Tab")
    notebook.page.get_by_text('Saved: "yes" 0, "no" 12').wait_for()
    notebook.fill(["", "reveal('rise', 'no')"])
    notebook.run(2)
    shown = notebook.output(2)
    assert "You predicted: yes" in shown and "Measured: no" in shown
    assert re.search(r"█ 12\s+◆", shown)
    assert notebook.errors == []


def test_check_machine_hears_the_page(open_notebook):
    notebook = open_notebook("from helpers import check_machine\ncheck_machine()")
    notebook.page.get_by_text("this page draws widgets, and the kernel").wait_for()
    assert notebook.errors == []


def test_an_error_out_of_sight_is_seen(open_notebook):
    notebook = open_notebook("print('line\\n' * 300)", "1 / 0")
    assert notebook.unexpected_errors() == ["ZeroDivisionError: division by zero"]


def test_the_first_page_works_from_top_to_bottom(course, chromium, full_data):
    notebook = Notebook(chromium, course, "00_start_here.ipynb")
    notebook.run_all()
    assert notebook.unexpected_errors() == []
    drawn = notebook.page.locator(".lm-Widget.jp-OutputArea-output")
    film = Film(drawn.filter(has=notebook.page.locator(RUN)).first)
    button(notebook, "start").click()
    for step in range(60, 901, 120):
        until_state(notebook, "running", beyond=step)
        film.shoot()
    button(notebook, "pin").click()
    film.shoot()
    slider(notebook).focus()
    for _ in range(5):  # from 256 to 8 hidden units
        notebook.page.keyboard.press("ArrowLeft")
        film.shoot()
    for step in range(60, 1401, 120):
        until_state(notebook, "running", beyond=step)
        film.shoot()
    assert film.save(ROOT / "build" / "lab.webp") < 2_000_000
    assert notebook.errors == []
    notebook.close()


class Film:
    """Pictures of an element, for the moving one in README.md."""

    def __init__(self, element):
        self.element, self.frames = element, []

    def shoot(self):
        shot = Image.open(io.BytesIO(self.element.screenshot())).convert("RGB")
        self.frames.append(shot)

    def save(self, path):
        """Write them as one WebP, whose last picture stays, and return its bytes."""
        size = (900, round(900 / self.frames[0].width * self.frames[0].height))
        frames = [frame.resize(size) for frame in self.frames]
        path.parent.mkdir(exist_ok=True)
        often = [200] * (len(frames) - 1) + [3000]  # milliseconds
        more = {"append_images": frames[1:], "save_all": True, "loop": 0}
        frames[0].save(path, duration=often, quality=60, **more)
        return path.stat().st_size
