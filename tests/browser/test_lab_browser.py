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
ENDURING = "lab(data, num_epochs=1000)"
WORKERS = """
import threading, time
def workers():
    return sum(thread.name == "lab worker" for thread in threading.enumerate())
for _ in range(600):  # a step may be under way
    if workers() > 1:
        time.sleep(0.1)
print(workers())
"""


def shown(notebook, which=0):
    return notebook.page.locator(RUN).nth(which)


def state(notebook, which=0):
    data = notebook.page.wait_for_function(
        """([selector, which]) => {
            const data = document.querySelectorAll(selector)[which]?.dataset;
            return data?.painted && {...data};
        }""",
        arg=[RUN, which],
    ).json_value()
    return data["state"], int(data["run"]), int(data["step"]), int(data["painted"])


def until_state(notebook, wanted, which=0, beyond=-1, after=-1):
    """beyond: a step, and after: a run that are over then.

    A run that must still be "running" when the page is asked has many epochs.
    """
    notebook.page.wait_for_function(
        """([selector, which, wanted, beyond, after]) => {
            const data = document.querySelectorAll(selector)[which]?.dataset;
            return data?.state === wanted && data.step > beyond && data.run > after;
        }""",
        arg=[RUN, which, wanted, beyond, after],
    )


def until_step(notebook, beyond):
    """Also where the run has ended meanwhile."""
    notebook.page.wait_for_function(
        """([selector, beyond]) =>
            document.querySelector(selector).dataset.step > beyond""",
        arg=[RUN, beyond],
    )


def button(notebook, name, which=0):
    exactly = re.compile(rf"^\s*{name}\s*$")
    return notebook.page.locator("button", has_text=exactly).nth(which)


def slider(notebook, which=0):
    return notebook.page.locator(".noUi-handle").nth(which)


def test_arrow_keys_retrain_and_the_new_run_is_painted(open_notebook):
    notebook = open_notebook(ENDURING)
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
    assert settings.input_value() == "num_hiddens=128 lr=0.1 num_epochs=1000"
    notebook.page.wait_for_function(  # it is painted on the way
        """([selector, step, painted]) => {
            const data = document.querySelector(selector).dataset;
            return data.step > step + 20 && data.painted > painted + 1;
        }""",
        arg=[RUN, *state(notebook)[2:]],
    )
    assert notebook.errors == []


def test_keyboard_alone_works_the_whole_lab(open_notebook):
    notebook = open_notebook(ENDURING)
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
    notebook = open_notebook(ENDURING)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    run = state(notebook)[1]
    slider(notebook, 1).focus()
    notebook.page.keyboard.press("ArrowRight")
    expect(notebook.page.get_by_label("settings")).to_have_value(
        "num_hiddens=256 lr=0.2 num_epochs=1000"
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
    notebook = open_notebook(ENDURING)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=30)
    run = state(notebook)[1]
    button(notebook, "pin").click()
    legend = shown(notebook).locator(".w1lab-legend")
    legend.get_by_text("A: num_hiddens=256 lr=0.1").wait_for()
    slider(notebook).focus()
    notebook.page.keyboard.press("ArrowLeft")
    until_state(notebook, "running", beyond=10, after=run)
    assert "A: num_hiddens=256" in legend.inner_text()


# What is typed before a line is answered stays.
ENTER_AND_TYPE = """(field, next) => {
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    field.value = next;
}"""


def test_a_pasted_line_and_a_wrong_one(open_notebook):
    notebook = open_notebook("lab(data)")
    settings = notebook.page.get_by_label("settings")
    settings.fill("num_hidden=3")
    line = "num_hiddens=32 lr=0.3 num_epochs=1"
    settings.evaluate(ENTER_AND_TYPE, line)
    note = shown(notebook).locator(".w1lab-note")
    note.get_by_text("did you mean 'num_hiddens'").wait_for()
    notebook.page.wait_for_timeout(200)
    assert settings.input_value() == line
    settings.evaluate(ENTER_AND_TYPE, "num_hiddens=64")
    until_state(notebook, "done")
    assert settings.input_value() == "num_hiddens=64"
    assert (
        "Done after 196 steps" in shown(notebook).locator(".w1lab-status").inner_text()
    )
    settings.press("Escape")
    assert settings.input_value() == line
    settings.fill(line.replace(" lr=", ",  lr = "))  # the same settings
    settings.press("Enter")
    expect(settings).to_have_value(line)


def test_code_is_shown_and_nothing_jumps_before_it(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=16, num_epochs=1000)")
    until_state(notebook, "preview")
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
    notebook = open_notebook(
        ENDURING.replace("data", "data, num_hiddens=32"),
        ENDURING.replace("data", "data, num_hiddens=16"),
    )
    button(notebook, "start", 0).click()
    until_state(notebook, "running", 0, beyond=5)
    expect(button(notebook, "pause")).to_be_visible()  # a little later than it runs
    button(notebook, "start", 0).click()  # the second one's
    until_state(notebook, "running", 1, beyond=5)
    steps = state(notebook, 0)[2], state(notebook, 1)[2]
    until_state(notebook, "running", 0, beyond=steps[0] + 5)
    until_state(notebook, "running", 1, beyond=steps[1] + 5)
    assert notebook.errors == []


def test_another_cell_answers_while_it_trains(open_notebook):
    notebook = open_notebook(ENDURING, "1 + 1")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(2)
    assert notebook.output(2).strip().endswith("2")
    until_state(notebook, "running", beyond=state(notebook)[2] + 5)


def test_running_the_cell_again_stops_the_old_lab(open_notebook):
    notebook = open_notebook(ENDURING, WORKERS)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(1)
    until_state(notebook, "preview")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.run(2)
    assert notebook.output(2).strip().endswith("1")


WATCHED = "shown = lab(data, num_epochs=1000)\nshown._watch.seconds = 0.5\nshown"
STATE = "print(shown._state.name, shown._state.newest.step)"


def kernel_state(notebook, index=2):
    """The state and the step of the lab `shown`, by a cell that prints them."""
    notebook.run(index)
    name, step = notebook.output(index).split()[-2:]
    return name, int(step)


def until_away(notebook, index=2):
    """Returns the step. A cell that runs makes the lab ask anew whether it is shown."""
    for _ in range(10):
        notebook.page.wait_for_timeout(6000)
        name, step = kernel_state(notebook, index)
        if name == "away":
            return step
    raise AssertionError(name)


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
    step = until_away(notebook, 1)
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
    command(notebook, "notebook:insert-cell-above", 1)  # in its place
    assert notebook.errors == []


def test_a_closed_page_pauses_its_lab(open_notebook):
    notebook = open_notebook(WATCHED, STATE)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=10)
    address = notebook.page.url
    notebook.page.goto("about:blank")
    notebook.page.goto(address)
    notebook.wait_idle()
    notebook.fill(["", STATE])
    until_away(notebook)


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
    notebook = open_notebook(ENDURING)
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
    until_state(notebook, "preview")
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
        until_step(notebook, step)
        film.shoot()
    button(notebook, "pin").click()
    film.shoot()
    slider(notebook).focus()
    for _ in range(5):  # from 256 to 8 hidden units
        notebook.page.keyboard.press("ArrowLeft")
        film.shoot()
    settings = notebook.page.get_by_label("settings").first
    expect(settings).to_have_value(re.compile("num_hiddens=8 "))
    for step in range(60, 1401, 120):
        until_step(notebook, step)
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
