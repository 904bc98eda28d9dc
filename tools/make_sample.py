"""Rebuild helpers/data/sample/, the part of Fashion-MNIST that comes with the course.

    python tools/make_sample.py [folder to write to]

It takes the first 600 / 100 / 100 pictures of each class, in file order, from the full
set's train / val / test splits: 8,000 pictures in two idx files. They are packed with
bzip2, whose output, unlike zlib's, is the same on every system.
"""

import bz2
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from helpers import data  # noqa: E402


def first_of_each_class(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Positions, in file order, of the first `count` of each class in `labels` [N]."""
    firsts = [torch.nonzero(labels == label)[:count, 0] for label in range(10)]
    return torch.cat(firsts).sort().values


def make_sample(full: data.FashionMNIST, folder: str | Path) -> None:
    """Write the two idx files of the sample of `full`, a FashionMNIST, to `folder`."""
    images, labels = [], []
    splits = (full.train, full.val, full.test)
    for split, size in zip(splits, data.SAMPLE_SIZES, strict=True):
        which = first_of_each_class(split.labels, size // 10)
        images.append((split.images[which] * 255).round().to(torch.uint8))
        labels.append(split.labels[which].to(torch.uint8))
    for name, parts, sizes in (
        ("images-idx3-ubyte.bz2", images, (28, 28)),
        ("labels-idx1-ubyte.bz2", labels, ()),
    ):
        sizes = (sum(map(len, parts)), *sizes)
        header = bytes([0, 0, 8, len(sizes)])  # idx: 8 means unsigned bytes
        header += b"".join(size.to_bytes(4, "big") for size in sizes)
        content = header + torch.cat(parts).numpy().tobytes()
        Path(folder, name).write_bytes(bz2.compress(content))


if __name__ == "__main__":
    full = data.load_fashion_mnist()
    if full.source != "full":
        sys.exit("The sample can only be made from the full set.")
    make_sample(full, *(sys.argv[1:2] or [data.Sources().sample_folder]))
