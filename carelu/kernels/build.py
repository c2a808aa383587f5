"""Builds carelu.cpp at first use with the machine's C++ compiler, once per machine and kind of processor.

The library has a plain C interface and no torch headers, so it builds in seconds. Its OpenMP calls are left open and
bind to the OpenMP runtime that torch has loaded: a second runtime would bring a second pool of threads, and the two
would wait for each other's processors.
"""

import contextlib
import ctypes
import hashlib
import importlib.resources
import itertools
import logging
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import torch

logger = logging.getLogger("carelu")

TIME_LIMIT = 300
"""Seconds for one command of the compiler; compiling takes about twenty."""
SOURCES = ("carelu.cpp", "panels.h", "rows.h", "arithmetic.h")
"""What is compiled, and what it includes."""
COMPILE = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-fPIC"]

_lock = threading.Lock()
_loaded: list[ctypes.CDLL | None] = []


class BuildError(Exception):
    """The library cannot be built or loaded here; the message says why."""


def cache_folder() -> Path:
    """Where built libraries are kept: $CARELU_CACHE, or carelu in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("CARELU_CACHE"):
        return _expanded(chosen)
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "carelu"


def _expanded(folder: str) -> Path:
    """`folder`, with the home folder for ~, which a shell leaves where it stands in quotes or in a file."""
    return Path(os.path.expanduser(folder))


def library() -> ctypes.CDLL | None:
    """The library, built at the first call and then cached; None, with a logged warning, if it cannot be built."""
    return _loaded[0] if _loaded else _load_once()


def built_library() -> ctypes.CDLL:
    """The library, if `library` has one.

    Raises:
        BuildError: it cannot be built or loaded here.
    """
    loaded = library()
    if loaded is None:
        raise BuildError("the C++ kernel could not be built; the log says why")
    return loaded


def _load_once() -> ctypes.CDLL | None:
    with _lock:
        if not _loaded:
            try:
                _loaded.append(_declared(_load()))
            except BuildError as error:
                logger.warning("CAReLU on the CPU uses the slower kernel 'torch_ops' (plain PyTorch): %s", error)
                _loaded.append(None)
        return _loaded[0]


def _load() -> ctypes.CDLL:
    folder_of_sources = importlib.resources.files("carelu.kernels")
    sources = {name: folder_of_sources.joinpath(name).read_bytes() for name in SOURCES}
    compiler = _compiler()
    key = hashlib.sha256()
    for part in (*sources.values(), " ".join(COMPILE), _run([*compiler, "--version"]), _processor(), torch.__version__):
        key.update(part if isinstance(part, bytes) else part.encode())
        key.update(b"\0")
    file = cache_folder() / f"carelu-{key.hexdigest()[:16]}.so"
    if file.exists():
        with contextlib.suppress(BuildError):  # a damaged file is rebuilt
            return _open(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=file.parent, prefix="build-")
    except OSError:
        folder = tempfile.TemporaryDirectory(prefix="carelu-")  # for this process only
        file = None
    with folder:
        built = Path(folder.name) / "carelu.so"
        _build(compiler, sources, built)
        if file is None:
            return _open(built)
        os.replace(built, file)  # atomic, even if other processes build it too
    return _open(file)


def _open(file: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        raise BuildError(f"{file} cannot be loaded ({error})") from error


def _compiler() -> list[str]:
    chosen = os.environ.get("CXX")
    for command in [shlex.split(chosen)] if chosen else [["g++"], ["c++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    raise BuildError(f"no C++ compiler was found ({f'CXX={chosen}' if chosen else 'g++, c++, clang++ or $CXX'})")


def _processor() -> str:
    """What -march=native depends on."""
    try:
        with open("/proc/cpuinfo") as file:
            first = itertools.takewhile(str.strip, file)  # up to the empty line before the next processor
            return "".join(line for line in first if line.startswith(("model name", "flags", "Features", "CPU part")))
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


def _build(compiler: list[str], sources: dict[str, bytes], file: Path) -> None:
    for name, content in sources.items():
        file.with_name(name).write_bytes(content)
    compiled = file.with_suffix(".o")
    _run([*compiler, *COMPILE, "-c", str(file.with_name(SOURCES[0])), "-o", str(compiled)])
    _run([*compiler, "-shared", str(compiled), "-o", str(file)])  # without -fopenmp: see above


def _run(command: list[str]) -> str:
    try:
        code, output, messages = _ended(command)
    except OSError as error:
        raise BuildError(f"{command[0]} does not run ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} has not ended within {TIME_LIMIT} seconds ({shlex.join(command)})") from error
    if code:
        logger.debug("%s\n%s%s", shlex.join(command), output, messages)
        raise BuildError(f"{command[0]} failed ({_ending(code)}){_reason(messages)}")
    return output


def _ended(command: list[str]) -> tuple[int, str, str]:
    """(exit status, output, messages) of a command; one that does not end in time is ended with all that it started."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, messages = process.communicate(timeout=TIME_LIMIT)
        except BaseException:  # the time limit, or Ctrl-C
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    return process.returncode, output, messages


def _ending(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"ended by signal {-code}, as when memory runs out"


def _reason(messages: str) -> str:
    """The first error that the compiler or linker names, else its last line."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and not line.startswith("collect2")]
    undefined = [line for line in lines if "cannot find" in line or "undefined" in line]
    return f": {[*errors, *undefined, *lines[-1:]][0]}" if lines else ""


def _declared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    for function in (loaded.carelu_forward, loaded.carelu_backward):
        function.argtypes, function.restype = [ctypes.c_void_p], None
    return loaded
