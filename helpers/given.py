"""What a learner gives to a call: in a few words, and what is wrong with it."""

from typing import Any

import torch

from helpers.language import tr
from helpers.tables import one_line

LONGEST = 30  # characters of a value in a sentence
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)

NOT_TENSORS = tr(
    "{call} needs tensors of images and labels; you gave {images}, {labels}."
)
NOT_ONE_EACH = tr(
    "{call} needs one label for each image, and at least one image; you gave {images} "
    "and {labels}."
)
NOT_SPLIT = tr(
    "{call} needs images of float32 [N, 784] and labels of int64 [N]; you gave "
    "{images} and {labels}."
)
NOT_CLASSES = tr(
    "{call} needs labels that are whole numbers from 0 to {last}; you gave {found}."
)
NOT_SCORES = tr(
    "{call} needs a net that returns scores of shape [N, number of classes]; for "
    "images of {given} it returned {found}."
)
NO_SUPER = tr(
    "{found} is not an nn.Module yet: its __init__ must call super().__init__()."
)
OTHER_DTYPE = tr("{call} needs images of the net's own {dtype}; you gave {given}.")
FROM_TO = tr("numbers from {low:,} to {high:,}")


def brief(value: Any, longest: int = LONGEST) -> str:
    """A value as code, on one line and of so many characters, whatever it is."""
    try:
        text = one_line(repr(value))
    except Exception:  # a learner's own __repr__, or an int of 5,000 digits
        text = f"<{type(value).__name__}>"
    if len(text) <= longest:
        return text
    if isinstance(value, torch.Tensor):
        return described(value)
    return f"{text[: longest - 11]} ... {text[-6:]}"


def described(value: Any) -> str:
    """What kind of thing it is; of a tensor its dtype and shape."""
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__


def require_kind(fine: bool, sentence: str, value: Any, **named: str) -> None:
    """Raise TypeError with the sentence and the kind of value, unless that is fine."""
    if not fine:
        raise TypeError(sentence.format(found=described(value), **named))


def require(fine: bool, sentence: str, value: Any, **named: str) -> None:
    """Raise ValueError with the sentence and the value, unless that is fine."""
    if not fine:
        raise ValueError(sentence.format(found=brief(value), **named))


def check_begun(module: Any) -> None:
    """Raise ValueError where a module's __init__ has not called super().__init__()."""
    traced = isinstance(module, torch.jit.ScriptModule)  # it has them elsewhere
    begun = traced or "_parameters" in getattr(module, "__dict__", {})
    if isinstance(module, torch.nn.Module) and not begun:
        raise ValueError(NO_SUPER.format(found=type(module).__name__))


def items(values: Any) -> list | None:
    """What is in a list, or in anything else that can be gone through; else None."""
    if isinstance(values, (str, bytes)):
        return None
    try:
        return list(values)
    except TypeError:  # a single number, also as a tensor
        return None


def are_texts(values: Any, count: int | None = None) -> bool:
    """Whether it is a list of texts, of so many where a count is given."""
    if not isinstance(values, (list, tuple)) or count not in (None, len(values)):
        return False
    return all(isinstance(value, str) for value in values)


def is_matrix(value: Any, rows: int | None = None, columns: int | None = None) -> bool:
    """Whether it is a tensor [rows, columns] of real numbers that can be drawn."""
    if not isinstance(value, torch.Tensor) or value.is_meta or value.is_complex():
        return False
    wanted = (rows, columns)
    return value.dim() == 2 and all(
        size in (None, found) and found for size, found in zip(wanted, value.shape)
    )


def check_labelled(images: Any, labels: Any, call: str) -> None:
    """Raise TypeError or ValueError unless these are N images and N whole numbers."""
    found = {"images": described(images), "labels": described(labels), "call": call}
    if not (isinstance(images, torch.Tensor) and isinstance(labels, torch.Tensor)):
        raise TypeError(NOT_TENSORS.format(**found))
    if labels.dim() != 1 or labels.dtype not in WHOLE:
        raise ValueError(NOT_SPLIT.format(**found))
    if not images.dim() or len(images) != len(labels) or not len(labels):
        raise ValueError(NOT_ONE_EACH.format(**found))


def check_classes(labels: torch.Tensor, num_classes: int, call: str) -> None:
    """Raise ValueError where a label is none of the classes."""
    if labels.is_meta:  # it has no values
        return
    low, high = (end.item() for end in labels.aminmax())
    if low < 0 or high >= num_classes:
        seen = FROM_TO.format(low=low, high=high)
        said = {"call": call, "last": num_classes - 1, "found": seen}
        raise ValueError(NOT_CLASSES.format(**said))


def check_split(images: Any, labels: Any, num_classes: int, call: str) -> None:
    """Raise TypeError or ValueError unless the course can train on these."""
    check_labelled(images, labels, call)
    kinds = images.dtype, images.dim(), labels.dtype
    if kinds != (torch.float32, 2, torch.int64):
        said = {"images": described(images), "labels": described(labels)}
        raise ValueError(NOT_SPLIT.format(call=call, **said))
    check_classes(labels, num_classes, call)


def scores_of(net: torch.nn.Module, X: torch.Tensor, call: str) -> torch.Tensor:
    """What the net makes of X, [N, classes]; ValueError where it isn't that."""
    try:
        scores = net(X)
    except RuntimeError:
        for weight in net.parameters():
            if weight.is_floating_point() and weight.dtype != X.dtype:
                said = {"call": call, "dtype": weight.dtype, "given": described(X)}
                raise ValueError(OTHER_DTYPE.format(**said)) from None
        raise
    if isinstance(scores, tuple) and scores:  # the scores, and what else it returns
        scores = scores[0]
    if not isinstance(scores, torch.Tensor) or scores.shape[:-1] != X.shape[:1]:
        said = {"call": call, "given": described(X), "found": described(scores)}
        raise ValueError(NOT_SCORES.format(**said))
    return scores
