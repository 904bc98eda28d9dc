"""The doctor's checks of what a training reaches: is it as good as simple models?

They are asked only where no other check has found anything.
"""

import contextlib
import functools
import zlib

import torch
from torch import nn
from torch.nn import functional as F

from helpers.instruments.doctor import examples
from helpers.instruments.doctor.check_training import cause_of_poor
from helpers.instruments.doctor.examination import ENOUGH, Examination
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.training_setup import OutOfTime
from helpers.instruments.doctor.trial import SHORT
from helpers.language import COMMA

CLEARLY = 0.12  # as much below a linear model is not chance
NOISE = 0.02  # as much may be chance
MUCH = 0.15  # between the accuracies of the two modes, in two trainings
RISES = 0.03  # from one stage to the next, where a net is still learning

_known: dict[tuple, float] = {}  # accuracies of linear models


def below_linear(exam: Examination) -> Finding | None:
    """The net is less accurate than a linear model after as many steps."""
    if len(exam.unseen[0][0]) < ENOUGH:
        if exam.slow:
            raise OutOfTime
        return None
    more, most = 4 * exam.short, 16 * exam.short  # where these steps are too few
    for steps in (exam.short, most):
        good = _linear_accuracy(exam, min(steps, more)) - CLEARLY
        trial = exam.trial(steps=steps, enough=good)
        if trial is None or trial.by_mode is None:
            return None
        reached = trial.by_mode[1]
        if reached < good:
            good = (linear := _linear_accuracy(exam, trial.steps)) - CLEARLY
        if reached >= good:
            exam.below_linear = {}
            _note_a_narrow_layer(exam, trial)
            return None
        facts = {"reached": reached, "linear": linear, "steps": trial.steps}
        rises = "reached" in exam.below_linear and trial.steps > exam.short
        rises = rises and reached > exam.below_linear["reached"] + RISES
        exam.below_linear = facts | {"rises": rises}
        if trial.steps < steps:  # no time for more
            return None
    before = trial.looks[more][1]
    exam.below_linear["rises"] = reached > before + RISES
    if reached > before + RISES and reached > linear - 2 * CLEARLY:
        return None
    if found := cause_of_poor(exam, trial):
        return found
    facts |= {"before": before, "earlier": more}
    return exam.finding("below_linear", ruled_out=COMMA.join(exam.asked[:-1]), **facts)


def _note_a_narrow_layer(exam, trial):
    """Where a linear model without the net's narrowest layer is clearly better."""
    width = _narrowest(exam)
    if width < exam.classes:
        linear, reached = _linear_accuracy(exam, trial.steps, False), trial.by_mode[1]
        if reached < linear - CLEARLY:
            facts = {"reached": reached, "linear": linear, "steps": trial.steps}
            exam.narrow = facts | {"width": width}


def _narrowest(exam):
    """The fewest numbers for each picture that a layer gets from another one."""
    inner = exam.recording.inner_products
    widths = (product.data.numel() // len(exam.X) for product in inner)
    return min(filter(None, widths), default=exam.classes)


def as_good_as_linear(exam: Examination) -> bool:
    """Whether a short training shows it."""
    trial = exam.trial() if len(exam.unseen[0][0]) >= ENOUGH else None
    if trial is None or trial.by_mode is None:
        return False
    return trial.by_mode[1] > _linear_accuracy(exam, exam.short) - NOISE


def worse_in_eval(exam: Examination) -> Finding | None:
    """The net is right far more often in training mode than in eval mode."""
    for steps in (exam.short, 4 * exam.short):
        trial = exam.trial(steps=steps)
        if trial is None or trial.by_mode is None or trial.steps < SHORT:
            return None
        training, evaluated = trial.by_mode
        if training < evaluated + MUCH:
            return None
    facts = {"training": training, "evaluated": evaluated, "steps": trial.steps}
    uses = _uses_of_statistics(exam)
    if shared := [name for name, count in uses.items() if count > 1]:
        return exam.finding("worse_in_eval: shared", shared, **facts)
    if uses:
        return exam.finding("worse_in_eval: statistics", uses, **facts)
    return exam.finding("worse_in_eval", **facts)


def _uses_of_statistics(exam):
    """For each layer with running statistics, by its name, its calls in a pass."""
    uses: dict[str, int] = {}

    def count(name, module, args):
        uses[name] = uses.get(name, 0) + 1

    net = exam.setup.net
    with contextlib.ExitStack() as hooks, exam.setup.experiment(), torch.no_grad():
        for name, layer in net.named_modules():
            if getattr(layer, "running_mean", None) is not None:
                add = layer.register_forward_pre_hook
                hooks.enter_context(add(functools.partial(count, name)))
        net.train()(exam.X)
    return uses


def _linear_accuracy(exam: Examination, steps: int, as_narrow: bool = True) -> float:
    """Of a linear model after as many steps with the same pictures. as_narrow: where
    the net has a layer with fewer units than there are classes, it has one, too."""
    X, y = exam.setup.X.flatten(1).float(), examples.class_numbers(exam.setup.y)
    rows, labels = exam.unseen[0]
    parts = X, y, rows.flatten(1).float(), examples.class_numbers(labels)
    width, count = _narrowest(exam), int(y.max()) + 1
    sizes = [X.shape[1], *[width] * (as_narrow and width < count), count]
    prints = (zlib.crc32(part.cpu().contiguous().numpy()) for part in parts)
    key = *prints, *sizes, exam.batch, steps
    if key not in _known:  # a model is often examined again, or the next one
        with exam.setup.experiment():
            _known[key] = _train_linear(exam, sizes, steps, parts)
    return _known[key]


def _train_linear(exam, sizes, steps, parts):
    """The accuracy that it reaches. parts: pictures and labels to take the mean and the
    spread from, and those to measure with."""
    X, _, unseen, wanted = parts
    mean, spread = X.mean(dim=0), X.std().clamp_min(1e-9)

    def standardized(pictures):
        return (pictures.flatten(1).float() - mean) / spread

    layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
    model = nn.Sequential(*layers).to(X.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _, (some, labels) in zip(range(steps), exam.setup.batches(exam.batch)):
        scores = model(standardized(some))
        loss = F.cross_entropy(scores, examples.class_numbers(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return examples.accuracy(model(standardized(unseen)), wanted)
