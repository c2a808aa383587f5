"""What a result was made with: code, versions and machine, in terms that may be published."""

import contextlib
import hashlib
import importlib
import importlib.metadata
import inspect
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from torch import nn

from carelu.functional import EPS, GAIN
from carelu.kernels.autograd_function import Settings
from carelu.kernels.dispatch import choose, forced_kernel
from experiments.errors import BadInput
from experiments.record.row import BFLOAT16_FLAGS

ROOT = Path(__file__).parents[2]

_SOURCES = ("run.py", "carelu", "experiments", "configs")
"""Paths whose uncommitted changes make a run dirty."""

_COMPUTES = (
    "carelu/**/*",
    "experiments/training/**/*",
    "experiments/distributed/**/*",
    "experiments/randomness.py",
    "experiments/tasks/*",
)
"""Files that every result depends on, besides its task's folder; not those that configure, record or analyse runs."""


def code_hash(task_package: str) -> str:
    """A fingerprint of the source files that a result of a task depends on.

    Args:
        task_package: the task's folder as a Python package.
    """
    files = {file.relative_to(ROOT).as_posix(): file for pattern in _COMPUTES for file in ROOT.glob(pattern)}
    for folder in map(Path, importlib.import_module(task_package).__path__):
        files |= {f"{task_package}/{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*")}
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        if file.suffix in (".py", ".cpp", ".h"):
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def activation_hash(activation: type[nn.Module]) -> str:
    """A fingerprint of an activation's class: its name and the source file that defines it.

    Of a class of PyTorch it is the name alone: PyTorch's version has its own column.
    """
    if activation.__module__.partition(".")[0] == "torch":
        return hashlib.sha256(f"{activation.__module__}.{activation.__qualname__}".encode()).hexdigest()[:12]
    try:
        source = Path(inspect.getsourcefile(activation) or "").read_bytes()
    except (OSError, TypeError):  # defined in a notebook or in a terminal
        source = b""
    return hashlib.sha256(activation.__qualname__.encode() + b"\0" + source).hexdigest()[:12]


def git_state() -> tuple[str, bool]:
    """(commit, whether `_SOURCES` differ from it); ("unknown", True) outside a git checkout."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *_SOURCES))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def device_name(device: torch.device) -> str:
    """The accelerator's name, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = models[0].partition(":")[2].strip() if models else processor
    return processor


def kernel_in_use(device: torch.device) -> str:
    """The kernel that computes CAReLU on a device: the one that CARELU_KERNEL names, else the fastest that works here.

    Raises:
        BadInput: CARELU_KERNEL names no kernel.
    """
    try:
        forced = forced_kernel()
    except ValueError as error:
        raise BadInput(str(error)) from error
    z = torch.ones(1, 2, device=device)
    return forced or choose(z, z.sum(), z.sum(), Settings("energy", (1,), GAIN, EPS)).NAME


def processor_features(device: torch.device) -> str:
    """What of the processor or the GPU decides which instructions compute, and with them the last bits of a result."""
    if device.type == "cuda":
        return "sm_{}{}".format(*torch.cuda.get_device_capability(device))
    flags: set[str] = set()
    with contextlib.suppress(OSError, StopIteration):  # not on Linux
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = set(next(line for line in lines if line.startswith("flags")).split())
    return " ".join([torch.backends.cpu.get_cpu_capability(), *(flag for flag in BFLOAT16_FLAGS if flag in flags)])


def versions_of(libraries: Sequence[str]) -> dict[str, str]:
    """The installed version of each package, "" for one that is not installed."""
    versions = {}
    for name in libraries:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = ""
    return versions


def describe(
    device: torch.device,
    processes: int = 1,
    *,
    task_package: str,
    activation: type[nn.Module],
    libraries: Sequence[str] = (),
) -> dict[str, object]:
    """The content of environment.json: code, versions and machine.

    Args:
        device: the device of each process.
        processes: the number of processes that train together.
        task_package: the folder of the task, as a Python package.
        activation: the class of the activation.
        libraries: further packages that the task depends on.
    """
    commit, dirty = git_state()
    return {
        "code_hash": code_hash(task_package),
        "activation_hash": activation_hash(activation),
        "kernel": kernel_in_use(device),
        "git_commit": commit,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        **versions_of(("numpy", *libraries)),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "device": device_name(device) if processes == 1 else f"{processes} × {device_name(device)}",
        "processor": processor_features(device),
        "processes": processes,
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of `peak_memory_mib`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):  # not on Linux: the peak is then that of the process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mib(device: torch.device) -> float:
    """The most memory in use since `reset_peak_memory`, in MiB: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except (OSError, IndexError):  # not on Linux
        import resource

        unit = 1 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
