"""The doctor's check of what a loss asks for.

In place of the net's scores the learner's step gets known ones. Their gradients tell,
for each picture, the probabilities that the loss asks for and how much it counts.
"""

from functools import partial

import torch
from torch.utils._pytree import tree_map

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.findings import Finding

CLEAR = 0.15  # of a probability: a right class that is ahead by less barely shows
EXTREME = 50  # times as much: a class that counts so little is barely learned,
MADE_UP = 10  # unless others are as much less frequent
ALIKE = 0.01  # of a number: pictures of a class count the same


def smoothed_labels(exam: Examination) -> Finding | None:
    """The loss says next to nothing on some classes, or on all."""
    asked = None if exam.step.error else _asked(exam)
    if asked is None:
        return None
    goals, weights = asked
    counts = weights > 0
    goals = torch.cat([1 - goals, goals], 1) if goals.shape[1] == 1 else goals
    right, classes = goals.max(dim=1)
    others = (goals.sum(dim=1) - right) / (goals.shape[1] - 1)
    right, other = right[counts].mean().item(), others[counts].mean().item()
    if right - other < CLEAR:
        return exam.finding("smoothed_labels", right=right, other=other)
    if len(weights) == len(exam.labels):
        classes = exam.labels
    groups = {c: weights[classes == c] for c in classes.unique().tolist()}
    if any(group.max() > (1 + ALIKE) * group.min() for group in groups.values()):
        return None  # each picture has a weight of its own
    low = min(groups, key=lambda c: groups[c].mean())
    high = max(groups, key=lambda c: groups[c].mean())
    least, most = groups[low], groups[high]
    if least[0] == 0:
        return exam.finding("class_weights: zero", low=low)
    if most[0] < EXTREME * least[0] or most.sum() < MADE_UP * least.sum():
        return None
    ratio = (most[0] / least[0]).item()
    return exam.finding("class_weights", low=low, high=high, ratio=ratio)


def _asked(exam):
    """(probabilities, a row for each picture; weights) as the learner's loss asks for.
    None where it is no cross-entropy of scores or of log-probabilities."""
    (one, slope), *others = (_slopes(exam, seed) for seed in (5, 6, 7))
    change = torch.cat([slope - other for _, other in others], dim=1)
    found = []
    if not change.any():  # of log-probabilities
        weights = -slope.sum(dim=1)
        found.append((-slope / weights[:, None], weights))
    for probabilities in (partial(torch.softmax, dim=1), torch.sigmoid):
        asked = probabilities(one)
        expected = torch.cat([asked - probabilities(o) for o, _ in others], dim=1)
        weights = (change * expected).sum(dim=1) / expected.square().sum(dim=1)
        misfit = (change - weights[:, None] * expected).norm(dim=1)
        if change.any() and (misfit <= ALIKE * change.norm(dim=1)).all():
            found.append((asked - slope / weights[:, None], weights))
    return next((pair for pair in found if pair[1].min() >= 0 and pair[1].any()), None)


def _slopes(exam, seed):
    """Random scores in place of the net's, and their gradients in a step."""
    setup, own, scores, slopes = exam.setup, exam.raw, [], {}
    leaves = setup.learnable[-1:] if exam.slow else setup.learnable  # in the graph
    generator = torch.Generator().manual_seed(seed)

    def note(which, slope):
        slopes[which] = slope.detach()

    def forward(X, *others, **more):
        rows = [len(X)] if X.ndim == exam.X.ndim else []
        new = torch.randn([*rows, *own.shape[1:]], generator=generator).to(own)
        given = new + sum(0 * t.flatten()[0] for t in leaves)
        if given.requires_grad:
            given.register_hook(partial(note, len(scores)))
            scores.append(new)
        return tree_map(lambda t: given if t is own else t, exam.whole)

    with setup.experiment():
        setup.net.train()
        setup.net.forward = forward
        try:
            setup.step(*exam.given)
        finally:
            del setup.net.forward
    width = 1 if setup.binary else scores[0].shape[-1]
    pairs = zip(*((scores[i], slope) for i, slope in slopes.items()))
    return [
        torch.cat([p.reshape(-1, width) for p in parts]).double() for parts in pairs
    ]
