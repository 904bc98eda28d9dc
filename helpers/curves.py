"""What a run leaves to draw: curves of bounded length, whatever its steps."""

from array import array

from helpers.training import Progress

LIMIT = 300  # points a curve; more can't be told apart on a screen

MEASURED = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")


class Curve:
    """Points (x, y) in order; neighbours are averaged once there are too many.

    per_point: how many are averaged in one. waiting: those of the next, not yet drawn.
    """

    def __init__(self) -> None:
        self.x, self.y = array("f"), array("f")
        self.per_point = 1
        self.waiting: list[tuple[float, float]] = []

    def append(self, x: float, y: float) -> None:
        self.waiting.append((x, y))
        if len(self.waiting) == self.per_point:
            xs, ys = zip(*self.waiting)
            self.waiting.clear()
            self.x.append(sum(xs) / len(xs))
            self.y.append(sum(ys) / len(ys))
        if len(self.x) == LIMIT:
            self.per_point *= 2
            for values in (self.x, self.y):
                pairs = zip(values[0::2], values[1::2])
                values[:] = array("f", [(a + b) / 2 for a, b in pairs])


class Curves:
    """The curves of one run over epochs (float), by the field of `Progress`.

    "batch" is the loss of each step's batch.
    """

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.by_name = {name: Curve() for name in ("batch", *MEASURED)}
        self.last: Progress | None = None  # the newest Progress that measured accuracy

    def add(self, progress: Progress) -> None:
        epoch = progress.step / self.steps_per_epoch
        self.by_name["batch"].append(epoch, progress.loss)
        if progress.val_accuracy is not None:
            self.last = progress
            for name in MEASURED:
                self.by_name[name].append(epoch, getattr(progress, name))

    def packed(self) -> dict:
        """As the browser reads them: {name: points}, and all their x and y in turn.

        The numbers are float32, and one run of bytes: each of its own would cost as
        much again to send.
        """
        curves = self.by_name.items()
        both = (values.tobytes() for _, one in curves for values in (one.x, one.y))
        lengths = {name: len(one.x) for name, one in curves}
        return {"lengths": lengths, "values": b"".join(both)}
