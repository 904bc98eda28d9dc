"""The live lab: sliders that re-train a real model while you watch.

Its thread takes the newest commands between two training steps, so a new value abandons
the old run within one step.
"""

import math
import string
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets

from helpers.controls import OPTIONS, PAUSE, START, button, choice, choose, grid, row
from helpers.curves import Curves
from helpers.data import FashionMNIST, check_data
from helpers.given import brief, items
from helpers.instrument import NUM_THREADS, Instrument, give_way, of_this_cell
from helpers.language import COMMA, SPACE, tr
from helpers.live.history import History, cut, epoch_of, values_near
from helpers.live.page_watch import PageWatch
from helpers.live.pasted import read_settings
from helpers.live.sees import Sees, SeesTraits
from helpers.live.weights import Shown, packed, shown_weights
from helpers.own import own_config
from helpers.own.inside import Inside
from helpers.own.learner_line import describe_error, own_line
from helpers.own.printed import Printed, hear_prints
from helpers.own.settings import keep_settings
from helpers.own.stopping import Stopped
from helpers.plots import Picture, plot_lab
from helpers.script import as_code
from helpers.tables import one_line
from helpers.training import Config, Progress, Run, as_word, check_fits, train

HERE = Path(__file__).parent
# Together one module, in this order.
SCRIPTS = ("panels.js", "columns.js", "back.js", "sees_draw.js", "sees.js", "lab.js")
FRAME_SECONDS = 0.020
TILE_SECONDS = 0.1
PRINTED_SECONDS = 0.5  # so often can one read another line
SUMMARY_SECONDS = 5
LOOK_SECONDS = 3  # so long steps are repeated for nothing but to show one
PREVIEW_STEPS = 100
PREVIEW_WORK = 100_000_000  # parameters times steps: that of a large net is shorter
PREVIEW_SECONDS = 1.5  # of a learner's own net
ABANDON_SECONDS = 1  # then a step that does not end is stopped
MAX_PINS = 4
REST_BYTES = 5e6  # of the states kept to go back to, while no page shows the lab
# (net, data, optimizer=..., train_step=...) -> a report; handed in from a wing.
doctor: Callable | None = None

TOOLTIPS = {
    "num_hiddens": tr("Units in each hidden layer. A change starts a new run."),
    "num_layers": tr("Number of hidden layers. A change starts a new run."),
    "lr": tr("Learning rate, the step size. A change acts on the running model."),
    "batch_size": tr("Pictures in each step. A change starts a new run."),
    "num_epochs": tr("Passes over the training pictures. A change starts a new run."),
    "sigma": tr("Spread of the first weights (normal, constant). Starts a new run."),
    "momentum": tr("Momentum of SGD. A change starts a new run."),
    "weight_decay": tr("Pull of the weights towards zero. A change starts a new run."),
    "seed": tr("Seed of the weights and of the order of pictures. Starts a new run."),
    "activation": tr("Function after each hidden layer. A change starts a new run."),
    "init": tr("How the weights begin. A change starts a new run."),
    "optimizer": tr("How gradients become updates. A change starts a new run."),
    "dropout": tr("Share of hidden units switched off in each step. Starts a new run."),
    "lr_schedule": tr("Whether the step size falls to 0. A change starts a new run."),
}
ARGUMENT = tr("An argument of your net. A change starts a new run.")
CODE = tr("Show and copy plain PyTorch that reproduces this run; again: hide it.")
BUTTONS = (  # name, icon, tooltip
    (START, "play", tr("Start, pause or continue.")),
    (tr("step"), "step-forward", tr("Take one training step, then pause.")),
    (tr("reset"), "undo", tr("Back to step 0, with the first weights.")),
    (tr("new seed"), "random", tr("Start again with the next seed.")),
    (
        tr("pin"),
        "thumb-tack",
        tr("Keep this run's curves in the picture to compare with."),
    ),
    (tr("code"), "code", CODE),
)
DOCTOR = (tr("doctor"), "stethoscope", tr("Ask why this net doesn't learn."))
FRESH = tr("Step 0 of {run.num_steps:,}: nothing is trained yet; W1 is as first drawn.")
FRESH_NET = tr("Step 0 of {run.num_steps:,}: nothing is trained yet.")
RUNNING = tr(
    "Step {newest.step:,} of {run.num_steps:,}, epoch {newest.epoch} of "
    "{run.config.num_epochs}. Train: loss {last.train_loss:.3f}, accuracy "
    "{last.train_accuracy:.3f}. Validation: loss {last.val_loss:.3f}, accuracy "
    "{last.val_accuracy:.3f}."
)
STATUS = {  # state -> what is said of it
    "preview": tr(
        "Preview, the first {newest.step} steps. Press start, or move a slider."
    ),
    "running": RUNNING,
    "paused": tr("Paused. {running}").replace("{running}", RUNNING),
    "away": tr("Paused, because no page shows this lab. {running}").replace(
        "{running}", RUNNING
    ),
    "done": tr(
        "Done after {newest.step:,} steps, epochs: {newest.epoch}. Accuracy on all "
        "{num_val:,} validation pictures: {newest.full_val_accuracy:.4f}."
    ),
    "diverged": tr("This run {newest.reason}."),
}
BACK = tr(  # measured: of the nearest point of the curves
    "Step {step:,} of {newest.step:,}, epoch {epoch}. Train: loss {train_loss:.3f}, "
    "accuracy {train_accuracy:.3f}. Validation: loss {val_loss:.3f}, accuracy "
    "{val_accuracy:.3f}."
)
NEAR = tr(
    "Step {step:,} of {newest.step:,}, epoch {epoch}, with the weights of step "
    "{known:,}. Train: loss {train_loss:.3f}, accuracy {train_accuracy:.3f}. "
    "Validation: loss {val_loss:.3f}, accuracy {val_accuracy:.3f}."
)
GOING_BACK = tr(
    "Going back to step {step:,}: its steps are repeated, now step {known:,}."
)
GOES_ON = tr(
    "Goes on from step {step:,} with lr={lr:g}. The run as it was is pinned as {name}."
)
CANT_REPEAT = tr("Step {step:,} can't be repeated to go on from it. {error}")
NEXT_LR = tr("lr={lr:g} holds once you go on from here.")
FAILED = tr("Training failed. {error}")
STOPPED = tr("Stopped inside a step.")
STOPPED_AT = tr("Stopped inside a step, at line {number}, `{line}`.")
STILL_INSIDE = tr(
    "This step has taken {seconds:.0f} s so far. The lab pauses when it ends; press "
    "the button again to stop it now."
)
STILL_INSIDE_AT = tr(
    "This step has taken {seconds:.0f} s so far, and is at line {number}, `{line}`. "
    "The lab pauses when it ends; press the button again to stop it now."
)
ASKING = tr(
    "The doctor looks at a new {net} with these settings; it takes a few seconds."
)
STILL_ASKING = tr(
    "The doctor has been at work for {seconds:.0f} s. Press the button again to stop "
    "it."
)
ASK_STOPPED = tr("The doctor was stopped.")
SHOWS_NOTHING = tr("no weights that can be shown")
PINNED = tr("Pinned as {name}.")
PINNED_OVER = tr("Pinned as {name}. Only {most} runs fit, so the oldest was removed.")
PINNED_LR = tr("{config}, lr changed to {lr:g} at step {step:,}")
PINNED_LRS = tr("{config}, lr changed {count} times, to {lr:g} at step {step:,}")
PINNED_WEIGHTS = tr("{name}: {weights}")
PINNED_AT = (tr("as it was at step {step:,}"), tr("step {step:,}"))
UNPIN = tr("Remove pin {name}")
UNPINNED = tr("Pin {name} is removed.")
NOTHING_TO_PIN = tr("Nothing to pin yet: press start first.")
COPIED = tr(
    "The code above repeats this run, and is copied if the browser allows that."
)
PLAIN_TEXT = tr(
    "Live lab with {controls}, at {config}. In JupyterLab, run this cell, then press "
    "start or move a slider."
)
ALT = tr(
    "Loss and accuracy over the first {step} steps of {config}, and the first "
    "columns of W1 as pictures."
)
ALT_NET = tr(
    "Loss and accuracy over the first {step} steps of {config}, and its weights."
)
NO_SUCH_CONTROL = tr("The lab has no control {name}; it has: {known}.")
WORDS = {  # what the page itself says; it puts in what stands in braces
    "settings": tr("settings"),
    "settings_tip": tr(
        "All settings in one line: copy it, or paste one and press Enter."
    ),
    "weights": tr("weights to show"),
    "pictures": [
        sentence + SPACE  # and what is shown
        for sentence in (tr("Loss."), tr("Accuracy."), tr("Weights as pictures."))
    ],
    "loss": tr("loss (log scale)"),
    "accuracy": tr("accuracy"),
    "epoch": tr("epoch"),
    "at_epoch": tr("epoch {epoch}: "),
    "comma": COMMA,
    "batch": tr("batch"),
    "train": tr("train"),
    "val": tr("val"),
    "validation": tr("validation"),
    "zero": tr("all 0"),
    "printed": tr("Your code printed:"),
    "back": tr("earlier steps"),
    "back_tip": tr(
        "Back to an earlier step of this run: drag, or use the arrow keys, Page Up, "
        "Page Down, Home and End."
    ),
    "newest": tr("step {last}"),
    "step": tr("step {step} of {last}"),
    "go_on": tr("go on from here"),
    "go_on_tip": tr(
        "Train on from this step, with the lr that is set now. The run as it was is "
        "pinned."
    ),
}


class _Canvas(SeesTraits, anywidget.AnyWidget):
    """What the browser draws; written by the worker alone."""

    _esm = "".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    _css = (HERE / "lab.css").read_text("utf-8")
    words = traitlets.Dict(WORDS).tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    tiles = traitlets.Dict().tag(sync=True)
    pins = traitlets.List().tag(sync=True)
    settings = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    refused = traitlets.Bool().tag(sync=True)  # what the note says
    code = traitlets.Unicode().tag(sync=True)
    weights = traitlets.List().tag(sync=True)  # the names that can be shown
    finding = traitlets.Unicode().tag(sync=True)  # the doctor's
    printed = traitlets.Unicode().tag(sync=True)  # the learner's code, its newest line
    summary = traitlets.Unicode().tag(sync=True)


# Of which pin, and its pictures by step.
_PinnedWeights = tuple[str, list[tuple[int, dict]]]


@dataclass(frozen=True)
class _State:
    """Where a lab is. The worker replaces it as a whole; other threads only read it.

    name: "new" (a run is to begin), "fresh" (it has no step yet), "failed", or as in
    STATUS. wanted: the steps it is still to take; math.inf: to the end of the run.
    newest: what its last step left. failure: what went wrong, in a sentence.
    """

    name: str
    wanted: float = 0
    newest: Progress | None = None
    failure: str = ""


UNDER_WAY = ("running", "paused", "away")  # the run can go on from its last step


def lab(
    data: FashionMNIST,
    controls: str | Sequence[str] | None = None,
    net: Callable | None = None,
    step: Callable | None = None,
    **defaults: Any,
) -> "Lab":
    """A live lab: sliders, curves and W1, training on `data` as you drag.

    data: what `load_fashion_mnist` returns. controls: the fields of `Config`
    that get a slider or a menu (any except device); num_hiddens and lr if left out.
    defaults: the other settings, as fields of `Config`; `init` may be your own
    function.

    net: your own, in place of the course's: a function or class that returns an
    nn.Module, such as `def my_net(num_hiddens, bias=True): ...`. Its arguments get
    controls: as in `Config` if they have its names, else by their default: a number,
    a list to choose from, True or False. `num_inputs` and `num_outputs` are 784 and 10.
    step: your own, called as step(net, optimizer, X, y) for each batch; it returns the
    loss. `optimizer.param_groups[0]["lr"]` is the lr of the slider; `optimizer` is None
    if the net has no parameters. Of what both print, the newest line is shown.

    Returns a widget. Its `wait()` returns when the current run has ended or is
    paused, and raises what went wrong in it; `run` and `config` are the current
    ones; `close()` removes the lab. While no page shows it, it pauses. Raises
    ValueError or TypeError with one sentence for an unknown control, a bad setting, a
    net that needs more memory than is free, or a net or step that isn't a function.
    """
    check_data(data, "lab(data)")
    kind = own_config(net, step)
    arguments = [name for name in kind.arguments if name != "device"]
    if controls is None:
        controls = kind.controls
    else:
        asked = items(controls)
        controls = (*arguments, *([controls] if asked is None else asked))
    offered = dict.fromkeys((*arguments, *OPTIONS))
    known = [name for name in offered if name in kind.names()]
    for name in controls:
        if not isinstance(name, str) or name not in known:
            known = COMMA.join(known)
            raise ValueError(NO_SUCH_CONTROL.format(name=brief(name), known=known))
    kind.check_fields(defaults)
    config = kind(**defaults)
    check_fits(config, data)
    controls = tuple(dict.fromkeys(controls))
    if config.own or callable(config.init):
        hear_prints()
    return of_this_cell(Lab(data, controls, config))


class Lab(Instrument):
    """The widget that `lab` returns."""

    def __init__(
        self, data: FashionMNIST, controls: Sequence[str], config: Config
    ) -> None:
        self.config = config
        self.run: Run | None = None
        self._data = data.to(config.device)
        self._own_init = config.init if callable(config.init) else None
        self._canvas = _Canvas(settings=str(config))
        self._canvas.on_msg(self._on_message)
        self._inside = Inside(self._tell_wait)  # the learner's code
        self._asked_to_pause = 0  # in which visit of it
        self._asking = False  # the doctor
        self._seen: Run | None = None  # whose weights are shown now, after its .step
        self._weights: list[Shown] = []
        self._chosen = ""
        self._pinned_weights: dict[str, _PinnedWeights] = {}  # by the menu's words
        self._sees = Sees(self._canvas)
        self._watch = PageWatch(
            self._canvas, self._on_page, on_gone=lambda: self._submit(self._rest)
        )
        self._curves = Curves(1)
        self._writing = threading.Lock()  # while they grow, nobody may draw them
        self._history: History | None = None
        self._heard: float | None = None  # when it was last asked to go back
        self._branches: list[float] = []  # the epochs where this run went another way
        self._state = _State("new")
        self._quiet = self._says_pause = False
        self._runs = self._pinned = 0
        self._tiles_due = self._frame_due = self._summary_due = self._look_until = 0.0
        self._printed, self._printed_due = Printed(), 0.0
        options = OPTIONS | config.options
        tooltips = TOOLTIPS | dict.fromkeys(config.options, ARGUMENT)
        self._controls = {
            name: choice(name, options[name], getattr(config, name), tooltips[name])
            for name in controls
        }
        actions = (
            self.start,
            lambda: self._submit(self._step),
            lambda: self._submit_new(self._reset),
            self._on_new_seed,
            lambda: self._submit(self._pin),
            lambda: self._submit(self._show_code),
        )
        buttons = [button(*said, action) for said, action in zip(BUTTONS, actions)]
        if doctor and config.own:
            buttons.append(button(*DOCTOR, lambda: self._submit(self._ask_doctor)))
        self._start_button = buttons[0]
        self._start_button.button_style = "primary"
        self._inside.watches = config.own or callable(config.init)
        controls = grid(self._controls.values())
        super().__init__([row(buttons), controls, self._canvas])
        self.add_class("course-lab")
        self._preview()
        for control in self._controls.values():
            control.observe(self._on_control, "value")

    def _preview(self):
        """The first steps, at once: a picture also where no front end is."""
        kept = [*keep_settings()]
        torch.set_num_threads(NUM_THREADS)  # the worker may repeat them, to the bit
        try:
            self._begin()
            steps, end = PREVIEW_STEPS, time.monotonic() + PREVIEW_SECONDS
            if not self.config.own:  # as many on every machine
                size = sum(weights.numel() for weights in self.run.net.parameters())
                steps, end = min(steps, PREVIEW_WORK // size or 1), math.inf
            for progress in self.run:
                last = progress.step == steps or time.monotonic() > end
                if last and progress.val_accuracy is None:
                    progress = self.run.measure(progress)
                self._curves.add(progress)
                self._history.add(progress)
                if last:
                    break
            self._state = _State(_ended(progress) or "preview", newest=progress)
            self._see(self.run)
            self._show()
        except Exception as error:  # anything, from the learner's own init
            self.error = error
            self._show_error(error)
        except KeyboardInterrupt:
            self.close()
            raise
        finally:
            for put_back in kept:
                put_back()

    def _text(self) -> str:
        if self._state.failure:
            return self._state.failure
        controls = COMMA.join(self._controls)
        return PLAIN_TEXT.format(controls=controls, config=self.config)

    def _picture(self) -> Picture | None:
        with self._writing:
            # The worker may replace them meanwhile.
            curves, run, newest = self._curves, self.run, self._state.newest
            if not (run and newest and curves and curves.last):
                return None
            alt = ALT_NET if run.config.own else ALT
            alt = alt.format(step=newest.step, config=run.config)
            shown = self._shown_weights()
            if not shown:
                return plot_lab(curves, None, SHOWS_NOTHING, alt)
            return plot_lab(curves, shown.tiles(shown.parameter), shown.title, alt)

    # Callbacks, on any thread: they read values and submit, no more.

    def _on_control(self, change):
        if self._quiet:
            return
        if change["owner"] is self._controls.get("lr"):
            self._submit(lambda: self._change_lr(change["new"]))
        else:
            values = {name: control.value for name, control in self._controls.items()}
            self._submit_new(lambda: self._change(values))

    def _submit_new(self, command):
        """What begins anew; a step that does not end can't hold it up."""
        visit = self._inside.visit
        self._submit(command)
        if visit == self._inside.visit:  # else the command itself may be inside
            self._inside.stop_after(ABANDON_SECONDS)

    def _on_message(self, _, content, *__):
        """What the page sends: a settings line, say, or the step to go back to."""
        if "back" in content:
            self._submit(lambda: self._go_back(content["back"], content.get("asked")))
        elif "repeat" in content:
            self._submit(lambda: self._repeat_to(content["repeat"]))
        elif "settings" in content:
            self._on_settings(content["settings"])
        elif "unpin" in content:
            self._submit(lambda: self._unpin(content["unpin"]))
        elif "weights" in content:
            self._submit(lambda: self._show_weights(content["weights"]))
        elif "sees" in content:
            self._submit(lambda: self._on_sees(content["sees"]))

    def _on_settings(self, text):
        try:
            config = read_settings(text, type(self.config), self._own_init)
            check_fits(config, self._data, instead_of=self.config)
        except ValueError as error:
            sentence = str(error)
            self._submit(lambda: self._refuse(sentence))
            return
        self._set_quietly(vars(config))
        self._canvas.send("back")  # else a line that changes nothing stays as typed
        self._submit_new(lambda: self._change(vars(config)))

    def _set_quietly(self, values):
        """Set the controls that there are, without each one starting a run."""
        self._quiet = True
        try:
            for name, control in self._controls.items():
                if name in values:
                    choose(control, values[name])
        finally:
            self._quiet = False

    def _on_new_seed(self):
        if slider := self._controls.get("seed"):
            seed = slider.value + 1
            self._set_quietly({"seed": seed})
            self._submit_new(lambda: self._change({"seed": seed}))
        else:  # two presses at once are two
            self._submit_new(lambda: self._change({"seed": self.config.seed + 1}))

    def _on_page(self):
        if self._state.name == "away":
            self._submit(self._go_on)

    def start(self) -> None:
        """Start, pause or continue, as the button does.

        A step that has taken a second already is said to do so, and stopped by a second
        press: this alone is not left to the worker, which is inside that step.
        """
        visit, seconds = self._inside.visit, self._inside.seconds
        if seconds < ABANDON_SECONDS:
            self._submit(self._toggle)
        elif visit == self._asked_to_pause:
            self._inside.stop(visit)
        elif self._asking:
            self._asked_to_pause = visit
            self._say(STILL_ASKING.format(seconds=seconds))
        else:
            self._asked_to_pause = visit
            self._submit(self._pause)
            frame = self._inside.frame
            where = frame and self._line_of([*traceback.walk_stack(frame)][::-1])
            sentence = STILL_INSIDE_AT if where else STILL_INSIDE
            self._say(sentence.format(seconds=seconds, **(where or {})))

    def _line_of(self, frames):
        where = own_line(frames, self.config)
        return where and {"number": where[0], "line": where[1]}

    def _end(self):
        self._inside.stop_after(ABANDON_SECONDS)
        super()._end()

    def _free(self) -> None:
        self._leave_run()
        self._sees = self._data = self._curves = None
        self._pinned_weights = {}
        self._state = replace(self._state, newest=None)

    # The worker: all below runs on its thread alone, once it has begun.

    def _more(self) -> bool:
        return self._state.wanted > 0 or self._is_repeating()

    def _work(self, commands: list) -> None:
        self._printed.listen()
        if commands:
            self._watch.reset()
            self._say("")
        for command in commands:
            try:
                command()
            except ValueError as error:  # a setting that is refused, say
                self._refuse(one_line(error))
        if self._state.name == "new":
            self._begin()
            if self._state.wanted == math.inf:
                self._show(now=True)  # at once; a first step may take long
                give_way()
                return
        if self._state.wanted:
            self._advance()
        elif self._is_repeating():
            self._repeat()
        if not self._more():
            self._inside.settle()
        self._show(now=bool(commands))

    def _show_error(self, error: BaseException) -> None:
        if isinstance(error, Stopped):
            where = self._line_of([*traceback.walk_tb(error.__traceback__)])
            sentence = STOPPED_AT.format(**where) if where else STOPPED
        else:
            sentence = FAILED.format(error=describe_error(error, self.config))
        self._state = _State("failed", failure=sentence)
        if not (isinstance(error, Stopped) and self._commands):  # else they show theirs
            self._show(now=True)

    def _leave_run(self):
        """Free its memory now, not when Python next looks."""
        history = self._history
        for run in filter(None, (self.run, history and history.past)):
            run.close()
        self.run = self._seen = self._history = None
        self._weights = []

    def _begin(self):
        self._leave_run()
        self._runs += 1
        self._curves = Curves(1)
        self._printed.clear()
        self._state = replace(self._state, name="fresh", newest=None)
        self._canvas.settings = str(self.config)
        self._canvas.code = ""
        self._canvas.finding = ""
        self._data = self._data.to(self.config.device)
        self._inside.begin()
        with self._inside:
            self.run = train(self.config, self._data)
        self._curves = Curves(self.run.steps_per_epoch)
        self._history, self._branches = History(self.run), []
        if self._history.refused:
            self._say(self._history.refused)
        self._see(self.run)

    def _see(self, run):
        """Show the weights of this run: the one that trains, or it as it was before."""
        self._seen, self._weights = run, shown_weights(run.net)
        self._offer_weights()

    def _offer_weights(self):
        """In the menu: those of this run, and of each pin."""
        names = [one.name for one in self._weights]
        self._canvas.weights = [*names, *self._pinned_weights]

    def _advance(self):
        if self._watch.is_gone():
            self._state = replace(self._state, name="away", wanted=0)
            self._rest()
            return
        with self._inside:
            progress = next(self.run)
            wanted = 0 if progress.reason else self._state.wanted - 1
            if not wanted and progress.val_accuracy is None and not progress.reason:
                progress = self.run.measure(progress)  # what is said is of this step
        with self._writing:
            self._curves.add(progress)
        if progress.step == 1:
            self._see(self.run)  # again: those of a lazy net are there now
        self._history.add(progress)
        name = _ended(progress) or ("running" if wanted else "paused")
        self._state = _State(name, wanted, progress)

    def _change(self, values):
        config = replace(self.config, **values)
        check_fits(config, self._data, instead_of=self.config)
        self.config = config
        self._state = _State("new", math.inf)

    def _change_lr(self, lr):
        if not self._is_back() and self._state.name not in UNDER_WAY:
            self._change({"lr": lr})
            return
        self.config = replace(self.config, lr=lr)
        self._canvas.settings = str(self.config)
        if self._is_back():
            self._say(NEXT_LR.format(lr=lr))
        else:
            self.run.lr = lr

    def _toggle(self):
        state = self._state
        if not state.wanted:
            self._want(math.inf)
        else:
            name = "new" if state.name == "new" else "paused"
            self._state = replace(state, name=name, wanted=0)

    def _pause(self):
        if self._state.name == "running":
            self._state = replace(self._state, name="paused", wanted=0)

    def _step(self):
        stepping = 0 < self._state.wanted < math.inf
        self._want(self._state.wanted + 1 if stepping else 1)

    def _want(self, steps):
        """Take so many steps, of this run where it can go on, else of a new one."""
        if self._state.name in (*UNDER_WAY, "fresh"):
            self._state = replace(self._state, wanted=steps)
            self._leave_back()
        else:
            self._state = _State("new", steps)

    def _reset(self):
        self._state = _State("new")

    def _rest(self):
        """Take less memory: no page shows this lab, and maybe none will."""
        if self._history and not self._state.wanted:
            self._history.thin(REST_BYTES)

    def _go_on(self):
        if self._state.name == "away":
            self._want(math.inf)

    def _is_back(self):
        return self._history is not None and self._history.step is not None

    def _is_repeating(self):
        return self._is_back() and self._history.wanted != ""

    def _go_back(self, step, asked):
        """Show an earlier step, by the weights of the nearest one known before it.

        asked: when, by the page's clock.
        """
        state, history, self._heard = self._state, self._history, asked
        if not (state.newest and history and history.kept) or state.wanted:
            return  # there is nothing to go back to, or it trains
        if step >= state.newest.step:
            self._leave_back()
        else:
            with self._inside:
                self._see(history.go_to(max(0, step)))

    def _leave_back(self):
        """Show the newest step again."""
        if self._is_back():
            self._history.leave()
            self._see(self.run)
            self.run.lr = self.config.lr

    def _repeat_to(self, why):
        """Repeat the steps up to where we are back, to "look" or to "go on"."""
        if self._is_back():
            self._history.wanted = why
            self._look_until = time.monotonic() + LOOK_SECONDS

    def _repeat(self):
        history = self._history
        looks = history.wanted == "look"
        try:
            with self._inside:
                there = history.repeat()
        except Exception as error:  # anything, from a learner's own step
            there, step = False, history.step
            self._see(history.go_to(step))  # wants nothing any more
            history.settled = True
            if not looks:
                said = describe_error(error, self.config)
                self._refuse(CANT_REPEAT.format(step=step, error=said))
        if there and not looks:
            self._go_on_from_here()
        elif there or (looks and time.monotonic() > self._look_until):
            history.wanted, history.settled = "", True

    def _go_on_from_here(self):
        """A branch begins: the run as it was is pinned, and trains on from here."""
        step, lr = self._history.step, self.config.lr
        name = self._add_pin()
        progress = self._history.go_on(lr)
        self.run = self._history.run
        with self._writing:
            cut(self._curves, progress)
        self._branches = [*self._branches, step / self.run.steps_per_epoch]
        self._see(self.run)
        self._canvas.code = ""
        self._state = _State("running", math.inf, progress)
        self._say(GOES_ON.format(step=step, lr=lr, name=name))

    def _pin(self):
        if not self._curves.last:
            self._say(NOTHING_TO_PIN)
            return
        said = PINNED_OVER if len(self._canvas.pins) == MAX_PINS else PINNED
        self._say(said.format(name=self._add_pin(), most=MAX_PINS))

    def _add_pin(self):
        name = string.ascii_uppercase[self._pinned % 26]
        self._pinned += 1
        pins = self._canvas.pins[1 - MAX_PINS :]
        pin = {
            "name": name,
            # Its colour and its kind of line.
            "place": min({*range(MAX_PINS)} - {other["place"] for other in pins}),
            "label": _pin_label(self.run),
            "remove": UNPIN.format(name=name),
            "curves": self._curves.packed(),
            "steps_per_epoch": self.run.steps_per_epoch,
        }
        self._pin_weights(name)
        self._set_pins([*pins, pin])
        return name

    def _pin_weights(self, name):
        """Pictures of what is shown now, at each step of the run that is kept."""
        shown = self._shown_weights()
        if not shown:
            return

        def look(run):
            same = [one for one in shown_weights(run.net) if one.name == shown.name]
            captions = [one.format(step=run.step) for one in PINNED_AT]
            said = {"name": label, "captions": captions, "units": []}
            return packed(same[0]) | said if same else None  # a lazy net has none yet

        label = PINNED_WEIGHTS.format(name=name, weights=shown.name)
        with self._inside:
            tiles = [*self._history.look_at_all(look), (self.run.step, look(self.run))]
        self._pinned_weights[label] = name, [one for one in tiles if one[1]]

    def _set_pins(self, pins):
        self._canvas.pins, names = pins, [pin["name"] for pin in pins]
        weights = self._pinned_weights.items()
        self._pinned_weights = {label: of for label, of in weights if of[0] in names}
        self._offer_weights()

    def _unpin(self, name):
        self._set_pins([pin for pin in self._canvas.pins if pin["name"] != name])
        self._say(UNPINNED.format(name=name))

    def _show_code(self):
        if self._canvas.code:
            self._canvas.code = ""
            return
        self._sees.hear({"open": False})  # they would need the same room
        self._canvas.code = as_code(self.run or self.config)
        self._canvas.send({"copy": self._canvas.code})
        self._say(COPIED)

    def _on_sees(self, asked):
        if asked.get("open"):
            self._canvas.code = ""
        self._sees.hear(asked)

    def _show_weights(self, name):
        self._chosen = name
        self._tiles_due = 0.0

    def _tiles(self, step):
        """What is shown of the weights: this run's, or a pin's at this step."""
        _, pinned = self._pinned_weights.get(self._chosen, ("", []))
        if pinned:
            return next((one for at, one in pinned[::-1] if at <= step), pinned[0][1])
        shown = self._shown_weights()
        return packed(shown) if shown else {"name": SHOWS_NOTHING}

    def _shown_weights(self):
        """Of this run's weights: those of the menu's choice, or those that say most."""
        chosen = [one for one in self._weights if one.name == self._chosen]
        return next(iter(chosen or self._weights), None)

    def _ask_doctor(self):
        """Its first finding on a new net with these settings."""
        config = self.config
        self._say(ASKING.format(net=as_word(config.make)))
        self._asking = True
        try:
            with self._inside:
                run = train(config, self._data)
                pictures = self._data.train.images.view(-1, *run.trainee.shape)
                report = doctor(
                    run.net,
                    (pictures, self._data.train.labels),
                    run.trainee.optimizer,
                    train_step=config.own_step,
                )
        except Stopped:
            self._say(ASK_STOPPED)  # the run itself is as it was
        except ValueError:
            raise
        except Exception as error:  # anything, from the learner's own code
            raise ValueError(describe_error(error, config)) from None
        else:
            run.close()
            self._say("")
            self._canvas.finding = str((report.findings or [report])[0])
        finally:
            self._asking = False

    def _say(self, sentence):
        self._canvas.note, self._canvas.refused = sentence, False

    def _tell_wait(self, sentence):
        """For another lab; at once, also while a frame is put together."""
        self._say(sentence)
        self._canvas.send_state(("note", "refused"))

    def _refuse(self, sentence):
        """Say why; the settings line goes back to what holds."""
        self._canvas.note, self._canvas.refused = sentence, True
        self._canvas.send("back")

    def _show(self, now=False):
        """Send a frame, if one is due."""
        state, newest, time_now = self._state, self._state.newest, time.monotonic()
        running = state.name == "running" or state.wanted == math.inf
        moves = running or (self._is_back() and not self._history.settled)
        now = now or not moves or newest.step == 1
        if not now and time_now < self._frame_due:
            return
        self._frame_due = max(time_now, self._frame_due + FRAME_SECONDS)
        status = self._status()
        with self._canvas.hold_sync():
            self._canvas.frame = self._frame(status, running)
            if now or time_now >= self._tiles_due:
                self._tiles_due = time_now + TILE_SECONDS
                if self._seen and not state.failure:
                    self._canvas.tiles = self._tiles(self._canvas.frame["step"])
            if now or time_now >= self._printed_due:
                self._printed_due = time_now + PRINTED_SECONDS
                self._canvas.printed = self._printed.line
            if self._sees.is_open:
                seen = None if state.failure else self._seen
                with self._inside:
                    self._sees.update(seen, self._shown_weights(), moves)
            # For screen readers: what changed, but not more often than one can hear.
            if not moves or time_now >= self._summary_due:
                self._summary_due = time_now + SUMMARY_SECONDS
                self._canvas.summary = status
        if running != self._says_pause:  # each frame would compare two traits
            self._says_pause = running
            self._start_button.description = PAUSE if running else START
            self._start_button.icon = "pause" if running else "play"

    def _frame(self, status, running):
        newest = self._state.newest.step if self._state.newest else 0
        back = self._history.step if self._is_back() else None
        return {
            "run": self._runs,
            "step": newest if back is None else back,
            "newest": newest,
            "back": back,
            "heard": self._heard,
            "kept": bool(self._history and self._history.kept),
            "moves": running or self._is_repeating(),  # by itself
            "state": "running" if running else self._state.name,
            "status": status,
            "num_epochs": self.config.num_epochs,
            "steps_per_epoch": self._curves.steps_per_epoch,
            "branches": self._branches,
            "curves": self._curves.packed(),
        }

    def _status(self):
        state, newest, last = self._state, self._state.newest, self._curves.last
        if state.failure:
            return state.failure
        if self._is_back():
            return self._status_back()
        fresh = FRESH_NET if self.config.own else FRESH
        sentence = STATUS[state.name] if newest else fresh
        facts = {"run": self.run, "num_val": len(self._data.val)}
        said = sentence.format(newest=newest, last=last, **facts)
        says = self.run.trainee.says if state.name in ("fresh", "preview") else ""
        return SPACE.join([said, says] if says else [said])

    def _status_back(self):
        step, known = self._history.step, self._seen.step
        if self._history.wanted == "go on":
            return GOING_BACK.format(step=step, known=known)
        if not step:
            return (FRESH_NET if self.config.own else FRESH).format(run=self.run)
        return (BACK if known == step else NEAR).format(
            **{"step": step, "known": known, "newest": self._state.newest},
            epoch=epoch_of(step, self.run),
            **values_near(self._curves, step),
        )


def _pin_label(run: Run) -> str:
    """The run's settings, and whether its lr changed on the way."""
    changes = run.lr_changes[1:]
    if not changes:
        return str(run.config)
    step, lr = changes[-1]
    sentence = PINNED_LR if len(changes) == 1 else PINNED_LRS
    return sentence.format(config=run.config, count=len(changes), lr=lr, step=step)


def _ended(progress: Progress) -> str | None:
    """How the run has ended with this step, or None."""
    if progress.reason:
        return "done" if progress.epoch_end else "diverged"
    return None
