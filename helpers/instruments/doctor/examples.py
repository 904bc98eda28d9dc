"""The pictures and labels that the doctor is given, and whether they fit together."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import data as torch_data

from helpers.data import FashionMNIST
from helpers.given import FROM_TO, WHOLE
from helpers.language import tr

ROWS = 2048  # as many pictures represent all of them
PASS_ROWS, FEW_ROWS = 128, 32  # in an examined pass, and where that is slow
TINY_ROWS = 4  # where only counts what is called
BATCH = 128
FEW_OF_A_CLASS = 10  # pictures: fewer can't show whether it can be told apart
USUAL_SAMPLERS = torch_data.RandomSampler, torch_data.SequentialSampler

NOT_DATA = tr(
    "doctor(net, data) needs what load_fashion_mnist() returns, a pair (X, y) of "
    "tensors, or a DataLoader of such pairs; you gave {found}."
)
NOT_AS_LONG = tr(
    "X and y need one row for each picture, and at least 2 rows; you gave {X:,} "
    "pictures and {y:,} labels."
)
NOT_LABELS = tr(
    "doctor examines classifiers, so y needs a class number from 0 up for each "
    "picture, such as a tensor of int64, or a row of probabilities; you gave {found}."
)
# Translators: the {found} above, in the middle of a sentence.
OF_SHAPE = tr("y of shape {shape} and {dtype}")

Pair = tuple[torch.Tensor, torch.Tensor]  # pictures and labels


@dataclass
class Examples:
    """Pictures and labels, as the doctor reads them."""

    splits: dict[str, Pair]  # all pictures at hand
    classes: int  # how many there are
    sure: bool  # whether that is known, and is not merely the largest label plus 1
    batch_size: int | None = None  # of a DataLoader
    last_batch: int = 0  # how many pictures are in its last one, where those are fewer
    # The labels of its batches, if their order can be the same in each epoch:
    batches: tuple[torch.Tensor, ...] = ()
    all_pictures: torch.Tensor | None = None  # of a DataLoader, if they lie in a tensor

    def labels(self, which: torch.Tensor) -> torch.Tensor:
        """The labels of these pictures of the training set."""
        y = self.splits["train"][1]
        return y[which.to(y.device)]

    def find(self, rows: torch.Tensor, first: torch.Tensor) -> torch.Tensor | None:
        """For each of the rows, which picture of the training set it is, whatever its
        brightness and contrast; None where one isn't there. first: pictures that are
        searched before all others."""
        X = self.splits["train"][0]
        if rows.ndim == 0 or rows[:1].numel() != X[:1].numel() or not len(rows):
            return None
        found = _look_up(rows, first)
        return _look_up(rows, X) if found is None else _fixed_order(len(X))[found]

    def not_finite(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(X, which): all pictures to train with, and the rows among them with a NaN
        or an infinite value."""
        X = self.splits["train"][0] if self.all_pictures is None else self.all_pictures
        if not X.is_floating_point():
            return X, torch.tensor([], dtype=torch.long)
        sums = torch.cat([part.flatten(1).sum(dim=1) for part in X.split(4096)])
        return X, (~sums.isfinite()).nonzero().flatten()


def sample(X: torch.Tensor, y: torch.Tensor) -> Pair:
    """ROWS pictures and their labels, drawn with a fixed seed."""
    which = _fixed_order(len(X))[:ROWS]
    return X[which.to(X.device)], y[which.to(y.device)]


def unseen(X: torch.Tensor, y: torch.Tensor, count: int) -> Pair:
    """So many pictures that are not in `sample`; of few, those at its end."""
    which = _fixed_order(len(X))
    which = which[ROWS : ROWS + count] if len(X) >= ROWS + count else which[-count:]
    return X[which.to(X.device)], y[which.to(y.device)]


def _fixed_order(count):
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def _look_up(rows, pool):
    """Which row of the pool each row is, apart from a factor and a constant in each;
    None where one isn't there."""
    rows = _standard(rows)
    alike = [rows @ _standard(part).T for part in pool.split(2048)]
    which = torch.cat(alike, dim=1).argmax(dim=1)
    there = torch.allclose(rows, _standard(pool[which]), 1e-3, 1e-3)
    return which if there else None


def _standard(rows):
    """Each row with a mean of 0 and a spread of 1."""
    rows = rows.flatten(1).double()
    rows = rows - rows.mean(dim=1, keepdim=True)
    return rows / rows.std(dim=1, keepdim=True).clamp_min(1e-9)


def read_data(data: Any) -> Examples:
    """`Examples` of `doctor`'s data; TypeError or ValueError for anything else."""
    if isinstance(data, FashionMNIST):
        parts = {"train": data.train, "val": data.val, "test": data.test}
        splits = {name: (part.images, part.labels) for name, part in parts.items()}
        return Examples(splits, len(data.class_names), True)
    is_loader = isinstance(data, torch_data.DataLoader)
    pair, more = _read_loader(data) if is_loader else (data, {})
    if not (_is_pair(pair) and all(isinstance(part, torch.Tensor) for part in pair)):
        found = type(data).__name__
        if _is_pair(data):
            found = f"({type(data[0]).__name__}, {type(data[1]).__name__})"
        raise TypeError(NOT_DATA.format(found=found))
    X, y = pair
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y) or len(X) < 2:
        counts = {"X": len(X) if X.ndim else 1, "y": len(y) if y.ndim else 1}
        raise ValueError(NOT_AS_LONG.format(**counts))
    X, y = X.detach(), y.detach()
    if y.ndim == 2 and y.shape[1] > 1:  # such as one-hot labels
        return Examples({"train": (X, y)}, y.shape[1], True, **more)
    if not _are_class_numbers(y):
        found = OF_SHAPE.format(shape=tuple(y.shape), dtype=y.dtype)
        if y.dtype in WHOLE and len(y) == y.numel():  # so some are below 0
            found = FROM_TO.format(low=y.min().item(), high=y.max().item())
        raise ValueError(NOT_LABELS.format(found=found))
    return Examples({"train": (X, y)}, int(y.max()) + 1, False, **more)


def _are_class_numbers(y):
    """Whether these are whole numbers, also as floats or in a column."""
    if y.shape not in ((len(y),), (len(y), 1)) or y.is_complex():
        return False
    return bool((y >= 0).all() and (y == y.long()).all())


def _is_pair(value):
    return isinstance(value, (tuple, list)) and len(value) == 2


def _read_loader(loader):
    """(X, y) of the first batches, or None where they are no such pairs; and the fields
    of `Examples` that a DataLoader fills."""
    pairs, rows = [], 0
    for batch in loader:
        if not _is_pair(batch):
            return None, {}
        if not all(isinstance(part, torch.Tensor) and part.ndim for part in batch):
            return None, {}
        pairs.append(batch)
        rows += len(batch[1])
        if rows >= ROWS:
            break
    if not pairs:
        return None, {}
    more = {"batch_size": loader.batch_size}
    if loader.batch_size and not loader.drop_last:
        with contextlib.suppress(TypeError):  # no length, as of an iterable
            more["last_batch"] = len(loader.dataset) % loader.batch_size
    if type(loader.sampler) is not torch_data.RandomSampler:
        more["batches"] = tuple(y for _, y in pairs)
    tensors = getattr(loader.dataset, "tensors", None)
    is_usual = type(loader.sampler) in USUAL_SAMPLERS
    if tensors and is_usual and loader.collate_fn is torch_data.default_collate:
        more["all_pictures"] = tensors[0]  # it gives them out unchanged
    return [torch.cat(parts) for parts in zip(*pairs)], more


def class_numbers(y: torch.Tensor) -> torch.Tensor:
    """Labels as class numbers, also of a column or of rows of probabilities."""
    if y.ndim == 2:
        return y.argmax(dim=1) if y.shape[1] > 1 else y[:, 0].long()
    return y.long()


# --- Do they fit together?


def accuracy(out: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of rows whose largest score is that of the label."""
    return (out.argmax(dim=1) == labels).float().mean().item()


def guessing_accuracy(labels: torch.Tensor) -> float:
    """The accuracy of always guessing the most frequent label."""
    return labels.bincount().max().item() / len(labels)


def guessing_loss(labels: torch.Tensor) -> float:
    """The mean cross-entropy of guessing each class as often as it occurs."""
    shares = labels.bincount() / len(labels)
    return -torch.xlogy(shares, shares).sum().item()


def told_apart(X: torch.Tensor, y: torch.Tensor) -> float | None:
    """The accuracy of the better of two simple methods, or None where neither is any
    better than guessing."""
    tries = [*_tries(X, y)]
    return max(tries)[0] if any(told for _, told in tries) else None


def by_means(X: torch.Tensor, y: torch.Tensor) -> float:
    """The accuracy of the nearest class mean; 0 for too few pictures."""
    return next(_tries(X, y), (0.0, False))[0]


def not_told_apart(X: torch.Tensor, y: torch.Tensor) -> float | None:
    """Their accuracy where neither is any better than guessing, or else None."""
    found = None
    for right, told in _tries(X, y):
        if told:
            return None
        found = max(right, found or 0)
    return found


def _tries(X, y):
    """(accuracy, whether it is any better than guessing) of the nearest class mean, and
    then, if still asked for, of the nearest neighbour, which takes longer.

    They learn on one half and are tested on the other. Nothing comes where there are
    too few pictures, also of all classes but one.
    """
    X, y = X.flatten(1).float(), class_numbers(y)
    half = len(X) // 2
    if half < 150 or len(y.unique()) < 2 or not X.isfinite().all():
        return
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(1))
    X, y = X[order], y[order]
    X = (X - X.mean(dim=0)) / X.std().clamp_min(1e-9)
    known, y_known, asked, y_asked = X[:half], y[:half], X[half:], y[half:]
    kinds = y_known.unique()
    means = torch.stack([known[y_known == kind].mean(dim=0) for kind in kinds])
    if y_asked.bincount().sort()[0][-2:-1].sum() < FEW_OF_A_CLASS:
        return
    chance = guessing_accuracy(y_asked)
    enough = chance + 4 * math.sqrt(chance * (1 - chance) / half) + 0.02
    for labels, examples in ((kinds, means), (y_known, known)):
        guess = labels[torch.cdist(asked, examples).argmin(dim=1)]
        right = (guess == y_asked).float().mean().item()
        yield right, right > enough or _told_in_each(guess, y_asked)


def _told_in_each(guess, y):
    """Whether it is, where each class counts the same, however rare it is."""
    kinds, counts = y.unique(return_counts=True)
    right = [(guess[y == kind] == kind).float().mean().item() for kind in kinds]
    spread = math.sqrt((0.25 / counts).sum().item()) / len(kinds)
    return sum(right) / len(kinds) > 1 / len(kinds) + 4 * spread + 0.02


def looks_scrambled(X: torch.Tensor) -> bool:
    """Whether these are square pictures whose neighbouring pixels differ as much as
    any two pixels do."""
    side = math.isqrt(X[0].numel())
    if side * side != X[0].numel() or side < 8:
        return False
    X = X.flatten(1).float()
    order = torch.randperm(side * side, generator=torch.Generator().manual_seed(2))
    neighbours = X.reshape(-1, side, side).diff(dim=2).abs().mean()
    return bool(neighbours > 0.7 * X[:, order].diff(dim=1).abs().mean())
