"""Restores the global state of a process after a run, so that the next run in it is not affected."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator

import torch

from experiments.training.signals import stop_signals

_CUDNN_FLAGS = ("enabled", "benchmark", "deterministic")


@contextlib.contextmanager
def process_state_kept() -> Iterator[None]:
    """Restores, when a run is over, all global state of the process that the run may have changed.

    Restored are environment variables (W&B sets some), working directory, signal handlers, torch's flags, default
    dtype and number of threads; the cache of torch.compile is cleared and unused memory is freed. The random generators
    are not restored: each run seeds them itself.
    """
    environment, folder = dict(os.environ), os.getcwd()
    handlers = {number: signal.getsignal(number) for number in stop_signals()}
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in _CUDNN_FLAGS}
    precision, dtype, threads = torch.get_float32_matmul_precision(), torch.get_default_dtype(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        os.chdir(folder)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        if "torch._dynamo" in sys.modules:  # the next run must not reuse a graph or inherit the count
            torch.compiler.reset()  # of recompilations, beyond which torch falls back to eager mode
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
