"""What the shape tracer sees: operations and modules, while fn runs.

It watches through `torch.overrides.TorchFunctionMode`, PyTorch's own hook for this,
and through the global hooks of modules. It patches nothing, and restores everything.
"""

import inspect
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from helpers.instruments.objects import is_a
from helpers.instruments.state import Snapshot
from helpers.instruments.trace_shapes import layers, mismatch
from helpers.instruments.trace_shapes.steps import Block, TraceStep

TORCH = str(Path(torch.__file__).parent)  # paths in torchvision begin with it too
ATTRIBUTES = ("T", "mT", "H", "mH", "real", "imag")  # those that are operations
IN_PLACE = ("setitem", "iand", "ior", "ixor", "ilshift", "irshift")
UNSEEN = ("embedding", "fused_moving", "fake_quant")  # they change what they get
COUNTER = ("num_batches_tracked",)  # of batch norm: not a matter of shapes
VIEWS = {"T", "mT", "t", "transpose", "swapaxes", "permute", "movedim", "view"}
VIEWS |= {"reshape", "flatten", "ravel", "squeeze", "unsqueeze", "getitem", "select"}
VIEWS |= {"unflatten", "expand", "contiguous", "unbind", "split", "chunk", "narrow"}
VIEWS |= {"detach", "to", "float", "double", "clone"}  # other tensors, the same numbers


def tensors_in(*values: Any) -> list[torch.Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    found = [leaf for leaf in leaves(values) if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in found if not nn.parameter.is_lazy(tensor)]


def leaves(value: Any) -> Iterator[Any]:
    """Everything that is in nested tuples, lists and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _shapes(*values):
    return tuple(tuple(tensor.shape) for tensor in tensors_in(*values))


class Tracer(TorchFunctionMode):
    """Watches one call of fn. root: what ran. said: cause and explanation."""

    def __init__(self, fn: Callable, name: str) -> None:
        super().__init__()
        self.root = Block("", name)
        self.said, self.returned_none = (None, ""), False
        self._fn, self._stack = fn, [self.root]
        self._modules = [fn]  # those of the stack
        self._sequences = []  # layers that read sequences: their blocks and modules
        self._paths, self._names = {}, {}  # module -> path, id of tensor -> name
        # All threads share the settings and the random numbers: the main one's stay.
        main = threading.current_thread() is threading.main_thread()
        # It learns of a tensor when an operation uses it, so a large network costs
        # nothing.
        self._saved = Snapshot(settings=main)
        # Of what was computed: whether a size of 1 was put in, and the origin.
        self._computed = WeakTensorKeyDictionary()
        self._data = None  # the first tensor that fn was given
        self._explained = None, None  # an error, and the text about it
        self._thread = threading.get_ident()
        for path, value in _in_scope(fn).items():
            self._register(path, value)

    def run(self, fn: Callable, tensors: tuple) -> Exception | None:
        """Call fn, and return what it raised, or None."""
        given = tensors_in(tensors)
        for tensor in given:
            self._saved.watch(tensor)
        self._data = given[0] if given else None
        self.root.inputs = _shapes(tensors)
        hooks = nn.modules.module
        before = hooks.register_module_forward_pre_hook(self._enter)
        after = hooks.register_module_forward_hook(self._leave, always_call=True)
        try:
            with warnings.catch_warnings():
                # PyTorch's own warning, which `mismatch.warn` words better.
                warnings.filterwarnings("ignore", "Using a target size")
                with self, _uncompiled():
                    result = fn(*tensors)
            self.root.outputs = _shapes(result)
            self.returned_none = result is None
            self._look_at_sequences()
        except Exception as error:  # noqa: BLE001  the learner's own code
            known, said = self._explained
            own = mismatch.explain_own(self.root.steps(), error)
            # The course's own MLP says it in a sentence of its own.
            self.said = said if known and known in (error, error.__context__) else own
            return _without_tracebacks(error)
        finally:
            before.remove()
            after.remove()
            self._saved.restore()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = _name_of(func)
        if name is None:
            return func(*args, **kwargs)
        given = tensors_in(args, kwargs)
        for tensor in given:
            if tensor not in self._computed:
                self._saved.watch(tensor)  # such as one in a list
        in_place = name in IN_PLACE or name.endswith(("_", "norm"))
        in_place = in_place or name.startswith(UNSEEN)
        if in_place or name.startswith("foreach") or {"out", "inplace"} & {*kwargs}:
            self._saved.save(*given)
        step = self._step(name, given)
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            step.failed = True
            self._explained = error, self._explain(step, error)
            self._stack[-1].parts.append(step)
            raise
        made = given[:1] if name == "setitem" else tensors_in(result)
        if made and name != "requires_grad_" and step.names != COUNTER:
            self._succeeded(step, given, made)
        return result

    def _explain(self, step, error):
        where, before = (self._stack[-1], self._modules[-1]), self.root.steps()
        return mismatch.explain(step, error, *where, before)

    def _look_at_sequences(self):
        """Warn where a layer's examples and steps look exchanged, by what came out."""
        ends = [step.inputs[0] for step in self.root.steps() if step.is_loss()]
        end = (ends or [*self.root.outputs, ()])[0]
        for block, module in self._sequences:
            step = block.steps()[-1]
            said = layers.exchanged(module, block.inputs[0], end)
            step.warning = step.warning or said

    def _succeeded(self, step, given, made):
        step.outputs = _shapes(made)
        # Whole numbers are positions, and a size of 1 put in on purpose is meant.
        floats = any(tensor.is_floating_point() for tensor in given)
        meant = any(self._of(tensor)[0] for tensor in given)
        if floats or step.name in mismatch.COMPARISONS:
            step.warning = mismatch.warn(step, meant)
        if step.name == "linear" and len(step.inputs[0]) == 4:
            step.warning = layers.along_width(step, self.root.steps())
        self._stack[-1].parts.append(step)
        adds = step.name in ("getitem", "unsqueeze")
        for tensor in made if given else ():  # what torch.zeros(...) makes is kept
            grew = adds and tensor.dim() > given[0].dim()
            origin = step.origins[0] if step.name in VIEWS else "computed"
            self._computed[tensor] = grew, origin

    def _step(self, name, given):
        frame = sys._getframe(2)
        while frame and frame.f_code.co_filename.startswith(TORCH):
            frame = frame.f_back
        own = frame is None or frame.f_code.co_filename == __file__
        outer, local = ({}, {}) if own else (frame.f_globals, frame.f_locals)
        names = _names_of(outer) | self._names | _names_of(local)
        return TraceStep(
            name=name,
            path=self._stack[-1].path,
            inputs=_shapes(given),
            names=tuple(names.get(id(tensor), "") for tensor in given),
            kept=tuple(tensor not in self._computed for tensor in given),
            origins=tuple(self._of(tensor)[1] for tensor in given),
        )

    def _of(self, tensor):
        """Whether a size of 1 was put in, and its origin."""
        before = False, "data" if tensor is self._data else "kept"
        return self._computed.get(tensor, before)

    def _register(self, name, value):
        """Watch a tensor, or all those of a module, and learn their names."""
        if isinstance(value, torch.Tensor):
            self._names[id(value)] = name
            self._saved.watch(value)
        elif isinstance(value, nn.Module):
            for path, module in value.named_modules(prefix=name):
                if module not in self._paths:
                    self._paths[module] = path
                    for held in (module._parameters, module._buffers):
                        for key, tensor in held.items():
                            self._register(key, tensor)
                            if isinstance(module, torch.jit.ScriptModule):
                                self._saved.save(tensor)  # its operations are unseen

    def _enter(self, module, args):
        if threading.get_ident() != self._thread:
            return
        kind = type(module).__name__
        with torch._C.DisableTorchFunction():  # not an operation of fn's
            self._register(kind, module)
        if is_a(buffers := vars(module).get("_buffers"), dict) and buffers:
            self._saved.hold(buffers)
        block = self.root
        if module is not self._fn:
            block = Block(self._paths[module] or kind, kind, _shapes(args))
            self._stack[-1].parts.append(block)
        self._stack.append(block)
        self._modules.append(module)

    def _leave(self, module, args, result):
        if threading.get_ident() != self._thread:
            return
        block, error = self._stack[-1], sys.exc_info()[1]
        new = error is not None and error is not self._explained[0]
        frames = traceback.extract_tb(error.__traceback__) if new else []
        if frames and frames[-1].filename.startswith(TORCH):
            name = " ".join(dict.fromkeys([block.kind, block.path])).strip()
            step = TraceStep(name, "", block.inputs[:1], ("",), (), ("",))
            with torch._C.DisableTorchFunction():
                self._explained = error, self._explain(step, error)
        self._stack.pop()
        self._modules.pop()
        block.outputs = _shapes(result)
        if isinstance(module, layers.SEQUENCES) and block.parts:
            self._sequences.append((block, module))
        if len(block.parts) < 2 and block is not self.root:  # nothing to fold
            self._stack[-1].parts[-1:] = block.parts


def _uncompiled():
    """Compiled modules run as they were written; nothing is compiled where the
    compiler has not been loaded, which takes seconds."""
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


def _name_of(func):
    """What an operation is called; None for a question, such as X.shape."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
        if name not in ATTRIBUTES:
            return None
    return name[2:-2] if name.startswith("__") else name.removeprefix("_")


def _in_scope(fn):
    """What fn can use although it is not an argument, by name."""
    owner = getattr(fn, "__self__", fn)
    if isinstance(owner, nn.Module):
        return {"": owner}
    found = dict(getattr(owner, "__dict__", {}))
    with suppress(TypeError, ValueError):  # not written in Python
        variables = inspect.getclosurevars(fn)
        found |= variables.globals | variables.nonlocals
    return found


def _names_of(variables):
    return {
        id(value): name
        for name, value in list(variables.items())
        if isinstance(value, torch.Tensor) and not name.startswith("_")
    }


def _without_tracebacks(error):
    """The error, without the frames that would keep their tensors alive."""
    one = error
    while one is not None and one.__traceback__ is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error
