"""What is set for all of Python, NumPy and PyTorch: noted, to be put back."""

import builtins
import gc
import math
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._device import DeviceContext

CPU = torch.device("cpu")
# Their functions can be replaced (`torch.relu = ...`).
MODULES = (torch, nn, F, nn.init, torch.optim, np, math, random, builtins)
FLAGS = [  # as in a recipe for repeatable numbers
    *((torch.backends.cudnn, name) for name in ("benchmark", "deterministic")),
    (torch.utils.deterministic, "fill_uninitialized_memory"),
]
HOOKS = [
    value
    for name, value in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(value, dict)
]


def keep_settings() -> Iterator[Callable[[], None]]:
    """Notes all of them, and random numbers; each function puts one kind back."""
    yield partial(_leave_modes, _modes())  # first, since they hear the others
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    elif torch.cuda.is_available():  # it will begin with the seed that was set last
        yield lambda: torch.cuda.manual_seed_all(torch.initial_seed())
    for read, put in SETTINGS.items():
        yield partial(_put, read, put, read())
    for names in map(vars, MODULES):
        yield partial(_put_names, names, dict(names))


def _put(read: Callable, put: Callable, kept: Any) -> None:
    if read() != kept:
        put(kept)


def _put_names(names: dict, kept: dict) -> None:
    """What was replaced or removed; what PyTorch's own imports bring stays."""
    for name, value in kept.items():
        now = names.get(name)
        space = getattr(now, "__globals__", {})
        if now is not value and "torch._dynamo" not in str(space.get("__name__")):
            names[name] = value


def _modes() -> list:
    stack = torch._C._len_torch_function_stack()
    return [torch._C._get_function_stack_at(i) for i in range(stack)]


def _leave_modes(kept: list) -> None:
    """Those that were entered since; the default device is one, and is put back."""
    modes = _modes()
    for _ in modes:
        torch._C._pop_torch_function_stack()
    for mode in modes:
        if mode in kept or isinstance(mode, DeviceContext):
            torch._C._push_on_torch_function_stack(mode)


def _put_device(kept: torch.device) -> None:
    # No device set is less work than this one.
    torch.set_default_device(None if kept == CPU else kept)


def _deterministic() -> tuple:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


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


def _put_environment(kept: dict) -> None:
    os.environ.clear()
    os.environ.update(kept)


def _put_filters(kept: list) -> None:
    warnings.filters[:] = kept
    warnings._filters_mutated()


def _signals() -> tuple:
    """What handles each signal, and whether an alarm is set."""
    if threading.current_thread() is not threading.main_thread():
        return {}, False
    alarm = hasattr(signal, "setitimer") and signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return {each: signal.getsignal(each) for each in signal.valid_signals()}, alarm


def _put_signals(kept: tuple) -> None:
    handlers, alarm = kept
    if _signals()[1] and not alarm:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for each, handler in handlers.items():
        if handler is not None and signal.getsignal(each) != handler:
            signal.signal(each, handler)


# What reads one -> what sets it.
SETTINGS: dict[Callable[[], Any], Callable[[Any], object]] = {
    torch.is_grad_enabled: torch.set_grad_enabled,
    torch.get_default_dtype: torch.set_default_dtype,
    torch.get_num_threads: torch.set_num_threads,
    torch.get_default_device: _put_device,
    torch.get_float32_matmul_precision: torch.set_float32_matmul_precision,
    torch.is_warn_always_enabled: torch.set_warn_always,
    _deterministic: lambda kept: torch.use_deterministic_algorithms(
        kept[0], warn_only=kept[1]
    ),
    lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()): (
        lambda kept: torch.autograd.set_detect_anomaly(*kept)
    ),
    _autocast: _put_autocast,
    lambda: dict(vars(torch._tensor_str.PRINT_OPTS)): (
        vars(torch._tensor_str.PRINT_OPTS).update
    ),
    lambda: [dict(hooks) for hooks in HOOKS]: lambda kept: [
        (hooks.clear(), hooks.update(before)) for hooks, before in zip(HOOKS, kept)
    ],
    lambda: [getattr(*flag) for flag in FLAGS]: lambda kept: [
        setattr(*flag, value) for flag, value in zip(FLAGS, kept)
    ],
    np.geterr: lambda kept: np.seterr(**kept),
    np.geterrcall: np.seterrcall,
    np.get_printoptions: lambda kept: np.set_printoptions(**kept),
    sys.getrecursionlimit: sys.setrecursionlimit,
    sys.getswitchinterval: sys.setswitchinterval,
    gc.isenabled: lambda kept: gc.enable() if kept else gc.disable(),
    _folder: lambda kept: kept and os.chdir(kept),
    lambda: dict(os.environ): _put_environment,
    lambda: list(warnings.filters): _put_filters,
    _signals: _put_signals,
}
