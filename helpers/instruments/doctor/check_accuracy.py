"""The doctor's checks of what a training reaches: is it as good as simple models?

They are asked only where no other check has found anything.
"""

import contextlib
import functools

import torch
from torch import nn
from torch.nn import functional as F

from helpers.instruments.doctor import examples
from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.trial import SHORT, Trial

STAGES = SHORT, 4 * SHORT, 16 * SHORT  # steps; each is asked for if the last is low
CLEARLY = 0.12  # as much below a linear model is not chance
MUCH = 0.15  # between the accuracies of the two modes, in two trainings
RISES = 0.03  # from one stage to the next, where a net is still learning
ENOUGH = 60  # pictures, without which an accuracy says little


def below_linear(exam: Examination) -> Finding | None:
    """The net is less accurate than a linear model after as many steps."""
    earlier = 0.0
    for steps in STAGES:
        trial = exam.trial(steps=steps)
        few = len(exam.unseen[0][0]) < ENOUGH
        if trial is None or trial.by_mode is None or few:
            return None
        reached, linear = trial.by_mode[1], _linear_accuracy(exam, trial)
        if reached >= linear - CLEARLY:
            exam.below_linear = {}
            return None
        facts = {"reached": reached, "linear": linear, "steps": trial.steps}
        exam.below_linear = facts | {"done": trial.steps == STAGES[-1]}
        if trial.steps < steps:  # no time for more
            return None
        before, earlier = earlier, reached
    if reached > before + RISES and reached > linear - 2 * CLEARLY:
        return None
    facts |= {"before": before, "earlier": STAGES[-2]}
    return exam.finding("below_linear", ruled_out=", ".join(exam.asked[:-1]), **facts)


def worse_in_eval(exam: Examination) -> Finding | None:
    """The net is right far more often in training mode than in eval mode."""
    for steps in STAGES[:2]:
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


def _linear_accuracy(exam: Examination, trial: Trial) -> float:
    """Of a linear model after as many steps with the same pictures. Where the net has a
    layer with fewer units than there are classes, so has the linear model."""
    setup = exam.setup
    X, y = setup.X.flatten(1).float(), examples.class_numbers(setup.y)
    mean, spread = X.mean(dim=0), X.std().clamp_min(1e-9)

    def standardized(pictures):
        return (pictures.flatten(1).float() - mean) / spread

    with setup.experiment():
        inner, count = exam.recording.inner_products, int(y.max()) + 1
        width = min((p.data.numel() // len(exam.X) for p in inner), default=count)
        sizes = [X.shape[1], width, count] if 0 < width < count else [X.shape[1], count]
        layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
        model = nn.Sequential(*layers).to(X.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
        for _, (some, labels) in zip(range(trial.steps), setup.batches(exam.batch)):
            scores = model(standardized(some))
            loss = F.cross_entropy(scores, examples.class_numbers(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        rows, labels = exam.unseen[0]
        with torch.no_grad():
            scores = model(standardized(rows))
    return examples.accuracy(scores, examples.class_numbers(labels))
