"""The pictures and labels that the doctor is handed, and whether they fit together."""

import math
from dataclasses import dataclass

import torch

from helpers.data import FashionMNIST

ROWS = 2048  # pictures that stand for all
BATCH = 128

NOT_DATA = (
    "doctor(net, data) needs what load_fashion_mnist() returns, a pair (X, y) of "
    "tensors, or a DataLoader that gives such pairs; you gave {found}."
)
NOT_AS_LONG = (
    "X and y need one row for each picture, and at least 2 of them; you gave {X:,} "
    "pictures and {y:,} labels."
)
NOT_LABELS = (
    "y needs the number of a class for each picture, such as a tensor of int64, or a "
    "row of shares for each; you gave {found}."
)


@dataclass
class Data:
    """splits: name -> (X, y), all pictures at hand. classes: how many there are.
    sure: whether that is known, and not only the largest label plus 1."""

    splits: dict
    classes: int
    sure: bool
    batch_size: int = BATCH

    def rows(self, name, count=ROWS):
        """(X, y): `count` pictures of a split, drawn with a fixed seed."""
        X, y = self.splits[name]
        generator = torch.Generator().manual_seed(0)
        which = torch.randperm(len(X), generator=generator)[:count]
        return X[which.to(X.device)], y[which.to(y.device)]


def read_data(data):
    """`Data` from the three kinds that doctor takes; else one clear TypeError."""
    if isinstance(data, FashionMNIST):
        names = ("train", "val", "test")
        splits = {name: getattr(data, name) for name in names}
        splits = {name: (s.images, s.labels) for name, s in splits.items()}
        return Data(splits, len(data.class_names), True)
    batch_size, pair = BATCH, data
    if isinstance(data, torch.utils.data.DataLoader):
        pair = _batches(data)
        batch_size = min(data.batch_size or BATCH, BATCH)
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
    if y.ndim == 2 and y.shape[1] > 1:  # shares of each class, as of one-hot labels
        return Data({"train": (X, y)}, y.shape[1], True, batch_size)
    if y.ndim != 1 or y.is_floating_point() or y.is_complex() or y.min() < 0:
        found = f"y of shape {tuple(y.shape)} and {y.dtype}"
        raise ValueError(NOT_LABELS.format(found=found))
    return Data({"train": (X, y)}, int(y.max()) + 1, False, batch_size)


def _batches(loader):
    """(X, y) of the first batches, or None where they are no such pairs."""
    pairs, rows = [], 0
    for batch in loader:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
            return None
        if not all(isinstance(part, torch.Tensor) and part.ndim for part in batch):
            return None
        pairs.append(batch)
        rows += len(batch[1])
        if rows >= ROWS:
            break
    return [torch.cat(parts) for parts in zip(*pairs)] if pairs else None


def class_numbers(y):
    """Labels as class numbers, also where each row holds shares."""
    return y.argmax(dim=1) if y.ndim == 2 else y.long()


# --- Do they fit together?


def same_rows(X, y):
    """Rows spread over all of them."""
    which = torch.linspace(0, len(X) - 1, min(len(X), ROWS)).long()
    return X[which], y[which]


def most(labels):
    """The accuracy of always guessing the most frequent label."""
    return labels.bincount().max().item() / len(labels)


def told_apart(X, y):
    """How well simple means tell the classes apart, and what counts as not at all.

    They learn on one half and are tested on the other: the better of the nearest
    class mean and the nearest neighbour. (None, None) where that says nothing.
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
    chance = most(y_asked)
    return best, chance + 4 * math.sqrt(chance * (1 - chance) / half) + 0.02


def rough(X):
    """Whether these are square pictures whose neighbouring pixels differ as much as
    any two pixels do."""
    side = math.isqrt(X[0].numel())
    if side * side != X[0].numel() or side < 8:
        return False
    X = X.flatten(1).float()
    order = torch.randperm(side * side, generator=torch.Generator().manual_seed(2))
    neighbours = X.reshape(-1, side, side).diff(dim=2).abs().mean()
    return bool(neighbours > 0.7 * X[:, order].diff(dim=1).abs().mean())
