"""What a run may change in its process, and how the next run in that process finds it unchanged."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator

import torch

_CUDNN_FLAGS = ("enabled", "benchmark", "deterministic")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def process_state_kept() -> Iterator[None]:
    """Puts back, when a run is over, everything of its process that it may have changed and another run would notice.

    Environment variables (W&B's among them), working directory, signal handlers, torch's flags, default dtype and
    threads; what torch.compile has compiled is forgotten, and what the run left in memory is freed. The random
    generators are not kept: each run starts them from its own seed.
    """
    environment, folder = dict(os.environ), os.getcwd()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
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
        if "torch._dynamo" in sys.modules:  # a graph compiled for another run may be taken for this one's, or count
            torch.compiler.reset()  # against its number of recompilations, after which torch goes on uncompiled
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
