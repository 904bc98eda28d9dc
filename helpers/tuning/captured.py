"""A step on a GPU as one CUDA graph, captured once and then replayed.

A GPU computes a small step faster than Python can ask for its operations one by one.
"""

from collections.abc import Callable

import torch

WARM_UP = 3  # steps before the capture, in which PyTorch sets up what it needs


class Captured:
    """A function of tensors that behaves as it did, and on a GPU takes less time.

    It must not wait for the GPU, and its inputs must be all that changes from call to
    call, except for tensors that it changes in place. A call with other shapes, and
    each call where the capture fails, runs the function as it is.
    """

    def __init__(self, function: Callable[..., torch.Tensor], device: str) -> None:
        self._function, self._calls, self._graph = function, 0, None
        self._device = torch.device(device)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        self._calls += 1
        if self._device.type == "cuda" and self._calls == WARM_UP + 1:
            self._capture(inputs)
        shapes = [given.shape for given in inputs]
        if self._graph is None or shapes != [held.shape for held in self._inputs]:
            return self._function(*inputs)
        for held, given in zip(self._inputs, inputs):
            held.copy_(given)
        self._graph.replay()
        return self._output.clone()

    def _capture(self, inputs):
        graph, self._inputs = torch.cuda.CUDAGraph(), [one.clone() for one in inputs]
        stream = torch.cuda.current_stream(self._device)
        if stream == torch.cuda.default_stream(self._device):  # it can't be captured
            stream = None
        try:
            # Other threads may use the GPU in the meantime.
            options = {"stream": stream, "capture_error_mode": "thread_local"}
            with torch.cuda.graph(graph, **options):
                self._output = self._function(*self._inputs)
            self._graph = graph
        except RuntimeError:  # a driver, or a release of PyTorch, that can't
            torch.cuda.synchronize()
