"""The pictures and labels that the doctor is given, and whether they fit together."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from helpers.data import FashionMNIST

ROWS = 2048  # as many pictures represent all of them
BATCH = 128

NOT_DATA = (
    "doctor(net, data) needs what load_fashion_mnist() returns, a pair (X, y) of "
    "tensors, or a DataLoader of such pairs; you gave {found}."
)
NOT_AS_LONG = (
    "X and y need one row for each picture, and at least 2 rows; you gave {X:,} "
    "pictures and {y:,} labels."
)
NOT_LABELS = (
    "y needs a class number for each picture, such as a tensor of int64, or a row of "
    "probabilities; you gave {found}."
)


Pair = tuple[torch.Tensor, torch.Tensor]  # pictures and labels


@dataclass
class Examples:
    """Pictures and labels, as the doctor reads them.

    splits: name -> (X, y), all pictures at hand. classes: how many there are. sure:
    whether that is known, and is not merely the largest label plus 1. batches: the
    labels of each batch that a DataLoader gave. all_pictures: all that the DataLoader
    has to give, where they lie in one tensor.
    """

    splits: dict[str, Pair]
    classes: int
    sure: bool
    batch_size: int = BATCH
    batches: tuple[torch.Tensor, ...] = ()
    all_pictures: torch.Tensor | None = None

    def rows(self, name: str) -> Pair:
        """(X, y): ROWS pictures of a split, drawn with a fixed seed."""
        X, y = self.splits[name]
        which = _fixed_order(len(X))[:ROWS]
        return X[which.to(X.device)], y[which.to(y.device)]

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


def _fixed_order(count):
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def _look_up(rows, pool):
    """Which row of the pool each row is, apart from a factor and a constant in each;
    None where one isn't there."""
    keys, order = _keys(pool).sort()
    asked = _keys(rows)
    right = torch.searchsorted(keys, asked).clamp(1, len(keys) - 1)
    left = right - (asked - keys[right - 1] < keys[right] - asked).long()
    which = order[left]
    there = torch.allclose(_standard(rows), _standard(pool[which]), 1e-3, 1e-3)
    return which if there else None


def _keys(rows):
    """A number for each row that distinguishes it from the others."""
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(rows[0].numel(), generator=generator, dtype=torch.float64)
    parts = [_standard(part) @ weight.to(part.device) for part in rows.split(2048)]
    return torch.cat(parts)


def _standard(rows):
    """Each row with a mean of 0 and a spread of 1."""
    rows = rows.flatten(1).double()
    rows = rows - rows.mean(dim=1, keepdim=True)
    return rows / rows.std(dim=1, keepdim=True).clamp_min(1e-9)


def read_data(data: Any) -> Examples:
    """`Examples` from what `doctor` takes as data. Raises TypeError or ValueError with
    one sentence for anything else."""
    if isinstance(data, FashionMNIST):
        splits = {name: getattr(data, name) for name in ("train", "val", "test")}
        splits = {name: (s.images, s.labels) for name, s in splits.items()}
        return Examples(splits, len(data.class_names), True)
    pair, more = data, {}
    if isinstance(data, torch.utils.data.DataLoader):
        pair, more = _read_loader(data)
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise TypeError(NOT_DATA.format(found=type(data).__name__))
    X, y = pair
    if not (isinstance(X, torch.Tensor) and isinstance(y, torch.Tensor)):
        found = f"({type(X).__name__}, {type(y).__name__})"
        raise TypeError(NOT_DATA.format(found=found))
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y) or len(X) < 2:
        counts = {"X": len(X) if X.ndim else 1, "y": len(y) if y.ndim else 1}
        raise ValueError(NOT_AS_LONG.format(**counts))
    X, y = X.detach(), y.detach()
    if y.ndim == 2 and y.shape[1] > 1:  # such as one-hot labels
        return Examples({"train": (X, y)}, y.shape[1], True, **more)
    if y.ndim != 1 or y.is_floating_point() or y.is_complex() or y.min() < 0:
        found = f"y of shape {tuple(y.shape)} and {y.dtype}"
        raise ValueError(NOT_LABELS.format(found=found))
    return Examples({"train": (X, y)}, int(y.max()) + 1, False, **more)


def _read_loader(loader):
    """(X, y) of the first batches, or None where they are no such pairs; and the fields
    of `Examples` that a DataLoader fills."""
    pairs, rows = [], 0
    for batch in loader:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
            return None, {}
        if not all(isinstance(part, torch.Tensor) and part.ndim for part in batch):
            return None, {}
        pairs.append(batch)
        rows += len(batch[1])
        if rows >= ROWS:
            break
    if not pairs:
        return None, {}
    fields = {
        "batch_size": min(loader.batch_size or BATCH, BATCH),
        "batches": tuple(y for _, y in pairs),
        "all_pictures": _all_pictures(loader),
    }
    return [torch.cat(parts) for parts in zip(*pairs)], fields


def _all_pictures(loader):
    """Those that it gives out unchanged, or None."""
    usual = torch.utils.data.RandomSampler, torch.utils.data.SequentialSampler
    tensors = getattr(loader.dataset, "tensors", None)
    unchanged = loader.collate_fn is torch.utils.data.default_collate
    return (
        tensors[0] if tensors and unchanged and type(loader.sampler) in usual else None
    )


def class_numbers(y: torch.Tensor) -> torch.Tensor:
    """Labels as class numbers, also where each row holds probabilities."""
    return y.argmax(dim=1) if y.ndim == 2 else y.long()


# --- Do they fit together?


def evenly_spread(X: torch.Tensor, y: torch.Tensor) -> Pair:
    """ROWS pictures from all over, with their labels."""
    which = torch.linspace(0, len(X) - 1, min(len(X), ROWS)).long()
    return X[which], y[which]


def guessing_accuracy(labels: torch.Tensor) -> float:
    """The accuracy of always guessing the most frequent label."""
    return labels.bincount().max().item() / len(labels)


def guessing_loss(labels: torch.Tensor) -> float:
    """The mean cross-entropy of guessing each class as often as it occurs."""
    shares = labels.bincount() / len(labels)
    return -torch.xlogy(shares, shares).sum().item()


def told_apart(X: torch.Tensor, y: torch.Tensor) -> tuple[float | None, bool | None]:
    """How well simple methods tell the classes apart.

    Returns their accuracy, and whether it is any better than guessing. The methods
    learn on one half and are tested on the other: the better of the nearest class mean
    and the nearest neighbour counts. (None, None) where there are too few pictures.
    """
    X, y = X.flatten(1).float(), class_numbers(y)
    half = len(X) // 2
    if half < 150 or len(y.unique()) < 2 or not X.isfinite().all():
        return None, None
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(1))
    X, y = X[order], y[order]
    X = (X - X.mean(dim=0)) / X.std().clamp_min(1e-9)
    known, y_known, asked, y_asked = X[:half], y[:half], X[half:], y[half:]
    kinds = y_known.unique()
    means = torch.stack([known[y_known == kind].mean(dim=0) for kind in kinds])
    guesses = (
        kinds[torch.cdist(asked, means).argmin(dim=1)],
        y_known[torch.cdist(asked, known).argmin(dim=1)],
    )
    best = max((guess == y_asked).float().mean().item() for guess in guesses)
    chance = guessing_accuracy(y_asked)
    told = best > chance + 4 * math.sqrt(chance * (1 - chance) / half) + 0.02
    return best, told or any(_told_in_each(guess, y_asked) for guess in guesses)


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
