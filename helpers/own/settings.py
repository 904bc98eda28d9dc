"""What is set for all of Python, NumPy and PyTorch: noted, to be put back."""

import builtins
import decimal
import gc
import locale
import logging
import math
import os
import random
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from operator import is_
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np
import torch
from torch import nn
from torch._C import _autograd as autograd
from torch.backends import cuda, cudnn, mha, opt_einsum
from torch.utils import _device, _python_dispatch

try:
    import resource
except ImportError:  # on Windows
    resource = None

# Their functions and variables can be replaced (`torch.relu = ...`).
OWNERS = [torch, torch.Tensor, nn.modules.module, np, math, random]
OWNERS += [sys, os, time, threading, warnings, logging, np.random]
for space in (nn, torch.optim):
    inside = vars(space).values()
    OWNERS += space, *(one for one in inside if isinstance(one, (type, ModuleType)))
# Who does so when first used: PyTorch's compiler, and an optimizer with its `step`.
THEIR_OWN = ("torch._dynamo", "torch.optim.optimizer")
FLAGS = [
    *((cudnn, one) for one in ("enabled", "benchmark", "deterministic")),
    *((opt_einsum, one) for one in ("enabled", "strategy")),
    (torch.utils.deterministic, "fill_uninitialized_memory"),
]
SWITCHES = {
    torch._C._get_mkldnn_enabled: torch._C._set_mkldnn_enabled,
    mha.get_fastpath_enabled: mha.set_fastpath_enabled,
    cuda.flash_sdp_enabled: cuda.enable_flash_sdp,
    cuda.math_sdp_enabled: cuda.enable_math_sdp,
    cuda.mem_efficient_sdp_enabled: cuda.enable_mem_efficient_sdp,
    **{
        vars(torch.__future__)[f"get_{one}"]: vars(torch.__future__)[f"set_{one}"]
        for one in (
            "overwrite_module_params_on_conversion",
            "swap_module_params_on_conversion",
        )
    },
}
# PyTorch 2.6 does not tell them.
_top_hook = getattr(autograd, "_top_saved_tensors_default_hooks", lambda _: None)
TINY = 5e-324  # 0 where numbers that small are flushed
HOOKS = [
    value
    for name, value in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(value, dict)
]


# Whose code runs with settings of its own; meanwhile nobody reads what others have.
whose_turn = threading.RLock()


def keep_settings() -> Iterator[Callable[[], None]]:
    """Notes all of them, and random numbers; each function puts one kind back.

    Outside the main thread only what is each thread's own, and random numbers: the rest
    belongs to the cell that runs meanwhile.
    """
    is_main = threading.current_thread() is threading.main_thread()
    for read, put in (kinds(is_main) | (FOR_MAIN if is_main else {})).items():
        kept = read()
        is_space = isinstance(kept, _Names)
        yield kept.put_back if is_space else partial(_put, read, put, kept)
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    elif torch.cuda.is_available():  # it will begin with the seed that was set last
        yield lambda: torch.cuda.manual_seed_all(torch.initial_seed())


def kinds(for_all: bool) -> "Table":
    """What reads each one -> what sets it, in the order to put them back in.

    for_all: also those that are not each thread's own.
    """
    # All the rest needs them.
    first = {builtins.__dict__.copy: builtins.__dict__.update}
    modes = {_modes: _put_modes}  # these hear the others
    return (first | modes | FOR_ALL if for_all else modes) | FOR_A_THREAD


def _put(read: Callable, put: Callable, kept: Any) -> None:
    if read() != kept:
        put(kept)


class _Names(dict):
    """Of a module or class, with what they stand for."""

    def __init__(self, owner: type | ModuleType) -> None:
        super().__init__(vars(owner))
        self.owner = owner

    def __ne__(self, earlier: "_Names") -> bool:
        return any(True for _ in earlier.replaced(self))

    def replaced(self, now: Mapping) -> Iterator[str]:
        """Those that were removed since, or stand for something else."""
        if len(self) == len(now) and all(map(is_, self.values(), [*now.values()])):
            return  # the usual case, and quick
        for name, value in self.items():
            if (new := now.get(name)) is not value:
                space = getattr(new, "__globals__", {})
                if not str(space.get("__name__")).startswith(THEIR_OWN):
                    yield name

    def put_back(self) -> None:
        """As `_put`, and twice as fast, since nothing is copied."""
        for name in [*self.replaced(vars(self.owner))]:
            setattr(self.owner, name, self[name])


def _modes() -> tuple:
    """Those that are entered, of both kinds, and the default device, which is one."""
    functions = torch.overrides._get_current_function_mode_stack()
    dispatch = _python_dispatch._get_current_dispatch_mode_stack()
    device = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return functions, dispatch, device, _device.CURRENT_DEVICE


def _put_modes(kept: tuple) -> None:
    functions, dispatch, *device = kept
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in functions:
        torch._C._push_on_torch_function_stack(mode)
    while len(_python_dispatch._get_current_dispatch_mode_stack()) > len(dispatch):
        _python_dispatch._pop_mode()
    context = vars(torch._GLOBAL_DEVICE_CONTEXT)
    context["device_context"], _device.CURRENT_DEVICE = device
    if device[0] is None:  # which PyTorch 2.6 can't read
        del context["device_context"]


def _autocast() -> tuple:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    depth = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return (
        depth,
        torch.is_autocast_cache_enabled(),
        *(
            (
                device,
                torch.is_autocast_enabled(device),
                torch.get_autocast_dtype(device),
            )
            for device in devices
        ),
    )


def _put_autocast(kept: tuple) -> None:
    depth, cached, *devices = kept
    for device, enabled, dtype in devices:
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(cached)
    while _autocast()[0] < depth:
        torch.autocast_increment_nesting()
    while _autocast()[0] > depth:
        torch.autocast_decrement_nesting()
    if not depth:
        torch.clear_autocast_cache()


def _saved_hooks() -> tuple:
    """What autograd calls for each tensor that it keeps, the innermost first; and why
    it may not."""
    stack = []
    while pair := _top_hook(True):
        stack.append(pair)
        autograd._pop_saved_tensors_default_hooks()
    for pair in reversed(stack):
        autograd._push_saved_tensors_default_hooks(*pair)
    return stack, autograd._saved_tensors_hooks_get_disabled_error_message()


def _put_saved_hooks(kept: tuple) -> None:
    autograd._saved_tensors_hooks_enable()
    while _top_hook(True):
        autograd._pop_saved_tensors_default_hooks()
    for pair in reversed(kept[0]):
        autograd._push_saved_tensors_default_hooks(*pair)
    if kept[1]:
        autograd._saved_tensors_hooks_disable(kept[1])


def _umask() -> int:
    with suppress(OSError, StopIteration), open("/proc/self/status") as lines:
        return int(next(line for line in lines if line.startswith("Umask"))[6:], 8)
    # Elsewhere it is read by setting it; what is made meanwhile is for nobody else.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> dict[int, tuple[int, int]]:
    """Of what the process may take: memory, open files, ..."""
    names = [name for name in vars(resource) if name.startswith("RLIMIT_")]
    return {one: resource.getrlimit(one) for one in map(vars(resource).get, names)}


def _put_limits(kept: dict) -> None:
    for which, limits in kept.items():
        try:
            resource.setrlimit(which, limits)
        except (OSError, ValueError):  # lowered for good: what is left
            resource.setrlimit(which, resource.getrlimit(which)[1:] * 2)


def _put_style(kept: dict) -> None:
    """Of matplotlib's figures, and what draws them."""
    backend = kept["backend"]
    now = dict.get(matplotlib.rcParams, "backend")
    if now != backend and isinstance(backend, str):
        matplotlib.use(backend)
    dict.update(matplotlib.rcParams, kept)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _put_signals(kept: dict) -> None:
    for each, handler in kept.items():
        if handler is not None and signal.getsignal(each) != handler:
            signal.signal(each, handler)


def _loggers() -> tuple:
    """What each lets pass, and where it goes."""
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    return logging.root.manager.disable, [
        (one, one.level, one.disabled, one.propagate, one.handlers[:], one.filters[:])
        for one in known
        if isinstance(one, logging.Logger)
    ]


def _put_loggers(kept: tuple) -> None:
    for one, level, *flags, one.handlers[:], one.filters[:] in kept[1]:
        one.disabled, one.propagate = flags
        one.setLevel(level)
    logging.disable(kept[0])


# What reads one -> what sets it.
Table = dict[Callable[[], Any], Callable[[Any], object]]
FOR_A_THREAD: Table = {
    torch.is_grad_enabled: torch.set_grad_enabled,
    torch.get_num_threads: torch.set_num_threads,
    _autocast: _put_autocast,
    np.geterr: lambda kept: np.seterr(**kept),
    np.geterrcall: np.seterrcall,
    np.get_printoptions: lambda kept: np.set_printoptions(**kept),
    lambda: decimal.getcontext().__reduce__()[1]: (
        lambda kept: decimal.setcontext(decimal.Context(*kept))
    ),
    np.getbufsize: np.setbufsize,
    lambda: TINY * 1.0 == 0: torch.set_flush_denormal,
    _saved_hooks: _put_saved_hooks,
    sys.getprofile: sys.setprofile,
    sys.gettrace: sys.settrace,
}
FOR_ALL: Table = {partial(_Names, owner): _Names.put_back for owner in OWNERS} | {
    torch.get_default_dtype: torch.set_default_dtype,
    torch.get_float32_matmul_precision: torch.set_float32_matmul_precision,
    torch.is_warn_always_enabled: torch.set_warn_always,
    lambda: (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    ): lambda kept: torch.use_deterministic_algorithms(kept[0], warn_only=kept[1]),
    lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()): (
        lambda kept: torch.autograd.set_detect_anomaly(*kept)
    ),
    torch._C._check_sparse_tensor_invariants: (
        torch._C._set_check_sparse_tensor_invariants
    ),
    lambda: dict(vars(torch._tensor_str.PRINT_OPTS)): (
        vars(torch._tensor_str.PRINT_OPTS).update
    ),
    lambda: [dict(hooks) for hooks in HOOKS]: lambda kept: [
        (hooks.clear(), hooks.update(before)) for hooks, before in zip(HOOKS, kept)
    ],
    lambda: [getattr(*flag) for flag in FLAGS]: lambda kept: [
        setattr(*flag, value) for flag, value in zip(FLAGS, kept)
    ],
    lambda: [read() for read in SWITCHES]: lambda kept: [
        put(value) for put, value in zip(SWITCHES.values(), kept)
    ],
    # Its own iteration warns, and chooses a backend.
    lambda: dict(dict.items(matplotlib.rcParams)): _put_style,
    _umask: os.umask,
    sys.getrecursionlimit: sys.setrecursionlimit,
    sys.getswitchinterval: sys.setswitchinterval,
    sys.get_int_max_str_digits: sys.set_int_max_str_digits,
    lambda: [*sys.path]: lambda kept: sys.path.__setitem__(slice(None), kept),
    gc.isenabled: lambda kept: gc.enable() if kept else gc.disable(),
    gc.get_threshold: lambda kept: gc.set_threshold(*kept),
    socket.getdefaulttimeout: socket.setdefaulttimeout,
    partial(locale.setlocale, locale.LC_ALL): partial(locale.setlocale, locale.LC_ALL),
    _folder: lambda kept: kept and os.chdir(kept),
    os.environ.copy: lambda kept: (os.environ.clear(), os.environ.update(kept)),
    lambda: [*warnings.filters]: lambda kept: (
        warnings.resetwarnings(),  # which also tells the warnings that came before
        warnings.filters.extend(kept),
    ),
    _loggers: _put_loggers,
}
if hasattr(signal, "setitimer"):
    FOR_ALL[lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0] = lambda alarm: (
        alarm or signal.setitimer(signal.ITIMER_REAL, 0)
    )
if resource:
    FOR_ALL[_limits] = _put_limits
SIGNALS = signal.valid_signals()
FOR_MAIN: Table = {  # only its thread can set them
    lambda: {each: signal.getsignal(each) for each in SIGNALS}: _put_signals
}
