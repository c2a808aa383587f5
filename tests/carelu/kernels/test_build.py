import logging
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carelu.kernels import build
from tests.conftest import ROOT

PROGRAM = """
import torch
from carelu import CAReLU
from carelu.functional import reference
module, z = CAReLU(alpha=0.7), torch.randn(4, 50, requires_grad=True)
for _ in range(2):
    module(z).sum().backward()
torch.testing.assert_close(module(z), reference(z, module.alpha, module.beta))
"""


@pytest.fixture(scope="module")
def built():
    """The library of this machine, as a file."""
    library = build.library()
    if library is None:
        pytest.skip("no C++ compiler")
    return library._name


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and nothing loaded yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CARELU_CACHE", str(folder))
    monkeypatch.setattr(build, "_loaded", [])
    return folder


@pytest.fixture
def compiler(built, tmp_path, monkeypatch):
    """A compiler that takes no time, says in `calls` that it was called, and hands out the library of this machine."""
    calls = tmp_path / "calls"
    script = tmp_path / "compiler"
    script.write_text(f"""#!/bin/sh
echo "$*" >> {calls}
while [ $# -gt 1 ]; do [ "$1" = -o ] && cp {built} "$2"; shift; done
exit 0
""")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return lambda: [line for line in calls.read_text().splitlines() if "--version" not in line]


@pytest.mark.slow
def test_without_a_compiler_everything_works_and_says_once_how(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path), "CARELU_CACHE": str(tmp_path / "cache")}
    environment.pop("CXX", None)
    environment.pop("CARELU_KERNEL", None)

    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert run.returncode == 0, run.stderr
    (line,) = run.stderr.splitlines()
    assert "kernel 'torch_ops'" in line and "no C++ compiler" in line


def test_library_is_built_once_and_then_taken_from_the_cache(cache, compiler, monkeypatch):
    assert build.library() is not None
    assert len(compiler()) == 2  # compiled and linked

    monkeypatch.setattr(build, "_loaded", [])

    assert build.library() is not None
    assert len(compiler()) == 2


def test_library_is_built_again_for_another_processor(cache, compiler, monkeypatch):
    build.library()
    monkeypatch.setattr(build, "_loaded", [])
    monkeypatch.setattr(build, "_processor", lambda: "another")

    build.library()

    assert len(compiler()) == 4
    assert len(list(cache.iterdir())) == 2


def test_library_is_built_safely_by_several_at_once(cache, compiler):
    with ThreadPoolExecutor(8) as pool:
        libraries = list(pool.map(lambda _: build._load(), range(8)))

    assert len({library._name for library in libraries}) == 1
    assert [file.name for file in cache.iterdir()] == [os.path.basename(libraries[0]._name)]


def test_damaged_library_is_built_again(cache, compiler, monkeypatch, tmp_path):
    build.library()
    (file,) = cache.iterdir()
    (tmp_path / file.name).write_bytes(b"damaged")
    monkeypatch.setenv("CARELU_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "_loaded", [])

    assert build.library() is not None
    assert len(compiler()) == 4


def test_library_is_built_where_the_cache_cannot_be_written(cache, compiler):
    cache.write_text("no folder")

    assert build.library() is not None


@pytest.mark.parametrize(
    ("command", "reason"),
    [("false", r"false failed \(exit status 1\)"), ("no-such-compiler -x", "no C\\+\\+ compiler.*no-such-compiler")],
)
def test_failed_build_is_said_in_one_line(cache, monkeypatch, caplog, command, reason):
    monkeypatch.setenv("CXX", command)

    with caplog.at_level(logging.INFO, logger="carelu"):
        assert build.library() is None
        assert build.library() is None

    (record,) = caplog.records
    assert record.name == "carelu" and record.levelno == logging.WARNING
    assert re.search(reason, record.getMessage())


def test_errors_of_the_compiler_are_quoted(cache, compiler, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", script(tmp_path, "echo 'x.cpp:1:2: error: odd' >&2; exit 1"))

    with pytest.raises(build.BuildError, match="error: odd"):
        build._load()


def script(tmp_path, text: str) -> str:
    file = tmp_path / "script"
    file.write_text(f"#!/bin/sh\n[ $1 = --version ] || {{ {text}; }}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kill -9 $$", "ended by signal 9"),
        ("echo 'collect2: error: ld returned 1'; echo 'ld: cannot find -lx' >&2; exit 1", r"\(exit status 1\): .*-lx"),
        ("echo one >&2; echo 'no space left' >&2; exit 4", r"\(exit status 4\): no space left"),
    ],
)
def test_the_reason_of_a_compiler_without_a_plain_error_is_said(cache, monkeypatch, tmp_path, text, reason):
    monkeypatch.setenv("CXX", script(tmp_path, text))

    with pytest.raises(build.BuildError, match=reason):
        build._load()


def test_all_that_a_failing_compiler_says_is_logged(cache, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("CXX", script(tmp_path, "echo 'x.cpp:1: error: odd' >&2; echo 'note: because' >&2; exit 1"))

    with caplog.at_level(logging.DEBUG, logger="carelu"), pytest.raises(build.BuildError):
        build._load()

    assert "note: because" in caplog.text and "-march=native" in caplog.text


def test_a_compiler_that_hangs_is_given_up(cache, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("CXX", script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/started; wait"))
    monkeypatch.setattr(build, "TIME_LIMIT", 1.0)

    assert build.library() is None

    assert "has not ended within 1.0 seconds" in caplog.text and "torch_ops" in caplog.text
    assert ends(int((tmp_path / "started").read_text()))


def ends(process: int) -> bool:
    """Whether a process that was told to end is gone, or dead and not yet collected, within seconds."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("variable", ["CARELU_CACHE", "XDG_CACHE_HOME"])
def test_the_folder_of_the_cache_may_be_in_the_home_folder(monkeypatch, tmp_path, variable):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CARELU_CACHE", raising=False)
    monkeypatch.setenv(variable, "~/kernels")

    assert build.cache_folder().relative_to(tmp_path / "kernels") is not None


def test_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CARELU_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.cache_folder() == tmp_path

    monkeypatch.delenv("CARELU_CACHE")
    assert build.cache_folder() == tmp_path / "xdg" / "carelu"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / ".cache" / "carelu"


@pytest.mark.slow
def test_loops_run_in_the_threads_of_torch():
    program = """
import torch
from carelu.functional import carelu
torch.set_num_threads(2)
z = torch.randn(64, 8192)
torch.relu(z)  # starts the threads of torch
import os
import re
before = len(os.listdir("/proc/self/task"))
carelu(z, 0.7, 0.3)
assert len(os.listdir("/proc/self/task")) == before
runtimes = {line.split()[-1] for line in open("/proc/self/maps") if "omp" in line.split("/")[-1]}
assert len(runtimes) == 1, runtimes
"""
    if not os.path.exists("/proc/self/task"):
        pytest.skip("needs /proc")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
