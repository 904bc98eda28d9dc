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
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _device, _python_dispatch

# Their functions and variables can be replaced (`torch.relu = ...`).
OWNERS = [torch, torch.Tensor, nn.modules.module, np, math, random]
OWNERS += [sys, os, time, threading, warnings, logging, np.random]
for space in (nn, torch.optim):
    inside = vars(space).values()
    OWNERS += space, *(one for one in inside if isinstance(one, (type, ModuleType)))
# Who does so when first used: PyTorch's compiler, and an optimizer with its `step`.
THEIR_OWN = ("torch._dynamo", "torch.optim.optimizer")
FLAGS = [
    *((torch.backends.cudnn, one) for one in ("enabled", "benchmark", "deterministic")),
    *((torch.backends.opt_einsum, one) for one in ("enabled", "strategy")),
    (torch.utils.deterministic, "fill_uninitialized_memory"),
]
HOOKS = [
    value
    for name, value in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(value, dict)
]


def keep_settings() -> Iterator[Callable[[], None]]:
    """Notes all of them, and random numbers; each function puts one kind back.

    Outside the main thread only what is each thread's own, and random numbers: the rest
    belongs to the cell that runs meanwhile.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:  # first, since all that follows needs them
        yield partial(builtins.__dict__.update, dict(builtins.__dict__))
    yield partial(_put_modes, *_modes())  # then these, since they hear the others
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    elif torch.cuda.is_available():  # it will begin with the seed that was set last
        yield lambda: torch.cuda.manual_seed_all(torch.initial_seed())
    if is_main:
        for owner in OWNERS:
            yield partial(_put_names, owner, dict(vars(owner)))
        for read, put in FOR_ALL.items():
            yield partial(_put, read, put, read())
    for read, put in FOR_A_THREAD.items():
        yield partial(_put, read, put, read())


def _put(read: Callable, put: Callable, kept: Any) -> None:
    if read() != kept:
        put(kept)


def _put_names(owner: type | ModuleType, kept: dict) -> None:
    """What was replaced or removed."""
    names = vars(owner)
    for name, value in kept.items():
        if (now := names.get(name)) is not value:
            space = getattr(now, "__globals__", {})
            if not str(space.get("__name__")).startswith(THEIR_OWN):
                setattr(owner, name, value)


def _modes() -> tuple:
    """Those that are entered, of both kinds, and the default device, which is one."""
    functions = torch.overrides._get_current_function_mode_stack()
    dispatch = _python_dispatch._get_current_dispatch_mode_stack()
    device = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return functions, dispatch, device, _device.CURRENT_DEVICE


def _put_modes(functions: list, dispatch: list, *device: Any) -> None:
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in functions:
        torch._C._push_on_torch_function_stack(mode)
    while len(_python_dispatch._get_current_dispatch_mode_stack()) > len(dispatch):
        _python_dispatch._pop_mode()
    torch._GLOBAL_DEVICE_CONTEXT.device_context, _device.CURRENT_DEVICE = device


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
    sys.getprofile: sys.setprofile,
    sys.gettrace: sys.settrace,
}
FOR_ALL: Table = {
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
    lambda: {each: signal.getsignal(each) for each in signal.valid_signals()}: (
        _put_signals
    ),
    _loggers: _put_loggers,
}
if hasattr(signal, "setitimer"):
    FOR_ALL[lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0] = lambda alarm: (
        alarm or signal.setitimer(signal.ITIMER_REAL, 0)
    )
