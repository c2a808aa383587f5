"""What a record keeps of the code that made a result."""

import platform
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
import torch
import torchvision

from carelu import ActivationFactory
from carelu.kernels import cpp
from experiments.errors import BadInput
from experiments.record import environment


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without files, in which a task's package lies."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    monkeypatch.delitem(sys.modules, "toy_of_environment", raising=False)
    (tmp_path / "plugins/toy_of_environment").mkdir(parents=True)
    (tmp_path / "plugins/toy_of_environment/__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("carelu/functional.py", True),
        ("carelu/kernels/carelu.cpp", True),
        ("carelu/kernels/panels.h", True),
        ("experiments/training/engine.py", True),
        ("experiments/distributed/sharding.py", True),
        ("experiments/randomness.py", True),
        ("experiments/tasks/contract.py", True),
        ("plugins/toy_of_environment/task.py", True),
        ("plugins/toy_of_environment/models/linear.py", True),
        ("plugins/another/task.py", False),
        ("experiments/tasks/text/task.py", False),
        ("experiments/record/ledger.py", False),
        ("experiments/analysis/statistics.py", False),
        ("experiments/report/tables.py", False),
        ("experiments/benchmarking/operations.py", False),
        ("experiments/configuration/help.py", False),
    ],
)
def test_the_code_of_a_result_is_what_computes_it(checkout, name, matters):
    file = checkout / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("before")
    before = environment.code_hash("toy_of_environment")
    file.write_text("after")
    assert (environment.code_hash("toy_of_environment") != before) == matters


def test_each_task_has_its_own_code_hash():
    hashes = [environment.code_hash(f"experiments.tasks.{task}") for task in ("cifar100", "superres", "text")]
    assert len({*hashes}) == 3
    assert all(len(each) == 12 for each in hashes)


def test_the_hash_of_an_activation_follows_its_own_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "activations_of_environment.py"
    file.write_text("class One: pass\nclass Two: pass\n")
    import activations_of_environment as module

    one, two = environment.activation_hash(module.One), environment.activation_hash(module.Two)
    assert len({one, two}) == 2
    assert environment.activation_hash(module.One) == one
    file.write_text("class One: x = 1\nclass Two: pass\n")
    assert environment.activation_hash(module.One) != one


def test_the_environment_holds_both_hashes():
    activation = type(ActivationFactory("carelu").stand_alone())
    found = environment.describe(torch.device("cpu"), task_package="experiments.tasks.cifar100", activation=activation)
    assert found["code_hash"] == environment.code_hash("experiments.tasks.cifar100")
    assert found["activation_hash"] == environment.activation_hash(activation)


def test_a_class_of_pytorch_is_the_same_function_in_every_version(monkeypatch):
    before = environment.activation_hash(torch.nn.ReLU)
    monkeypatch.setattr(environment.inspect, "getsourcefile", lambda _: __file__)
    assert environment.activation_hash(torch.nn.ReLU) == before
    assert environment.activation_hash(torch.nn.ELU) != before


@pytest.mark.parametrize("forced", ["eager", "torch_ops"])
def test_the_kernel_is_the_one_that_computes(monkeypatch, forced):
    monkeypatch.setenv("CARELU_KERNEL", forced)
    assert environment.kernel_in_use(torch.device("cpu")) == forced


def test_without_a_forced_kernel_it_is_the_fastest_that_works_here(monkeypatch):
    monkeypatch.delenv("CARELU_KERNEL", raising=False)
    monkeypatch.setattr(cpp, "unsupported_reason", lambda *_: None)
    assert environment.kernel_in_use(torch.device("cpu")) == "cpp"
    monkeypatch.setattr(cpp, "unsupported_reason", lambda *_: "it could not be built")
    assert environment.kernel_in_use(torch.device("cpu")) == "torch_ops"


def test_an_unknown_kernel_is_a_mistake_of_one_line(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "fastest")
    with pytest.raises(BadInput, match="CARELU_KERNEL='fastest' is unknown; accepted: eager"):
        environment.kernel_in_use(torch.device("cpu"))


def test_the_processor_is_named_by_the_instructions_that_torch_uses(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert environment.processor_features(torch.device("cpu")).split()[0] == "AVX2"


def test_versions_are_those_of_what_the_task_uses():
    found = environment.describe(
        torch.device("cpu"),
        task_package="experiments.tasks.text",
        activation=torch.nn.ReLU,
        libraries=("tokenizers", "no-such-package"),
    )
    assert found["numpy"] == np.__version__
    assert found["tokenizers"] == tokenizers.__version__
    assert found["no-such-package"] == ""
    assert "transformers" not in found


CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch):
    """Answers as a machine with a GPU does; no test needs one."""
    calls = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA {device}")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: {CUDA: (9, 0)}[device])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: {CUDA: 3 * 2**20}[device])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", calls.append)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    monkeypatch.setattr(environment, "kernel_in_use", lambda device: f"kernel of {device.type}")
    return calls


def described(device, *processes):
    return environment.describe(
        device, *processes, task_package="experiments.tasks.cifar100", activation=torch.nn.ReLU, libraries=()
    )


def test_a_gpu_is_named_with_its_libraries_and_has_no_threads(gpu, monkeypatch):
    monkeypatch.setattr(environment, "git_state", lambda: ("c0ffee", True))
    found = described(CUDA, 4)
    assert (found["device"], found["processes"], found["processor"]) == ("4 × NVIDIA cuda", 4, "sm_90")
    assert (found["cuda"], found["cudnn"], found["threads"]) == ("13.0", 91000, None)
    assert (found["kernel"], found["git_commit"], found["git_dirty"]) == ("kernel of cuda", "c0ffee", True)
    assert environment.peak_memory_mib(CUDA) == 3.0
    environment.reset_peak_memory(CUDA)
    assert gpu == [CUDA]


def test_a_processor_is_named_with_its_threads_and_has_no_libraries_of_a_gpu(gpu):
    found = described(CPU)
    assert (found["device"], found["processes"]) == (environment.device_name(CPU), 1)
    assert (found["cuda"], found["cudnn"], found["threads"]) == (None, None, torch.get_num_threads())
    assert found["torch"] == torch.__version__ and found["python"].startswith("3.")
    assert found["torchvision"] == torchvision.__version__
    assert found["platform"] == f"{platform.system()} {platform.machine()}"
    assert found["kernel"] == "kernel of cpu" and found["processor"] == environment.processor_features(CPU)


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """Stands for /proc: sets the text of its files; a file without a text is not there."""

    def with_(**texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)

        def path(name):
            return Path(str(name).replace("/proc/self", str(tmp_path)).replace("/proc", str(tmp_path)))

        monkeypatch.setattr(environment, "Path", path)
        return tmp_path

    return with_


CPUINFO = """\
processor: 0
model name\t: AMD EPYC: 9
flags\t: fpu avx512_bf16 sse amx_tile

model name: another
flags: none
"""


def test_a_processor_has_the_name_and_the_instructions_that_the_system_knows(proc, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    proc(cpuinfo=CPUINFO)
    assert environment.device_name(CPU) == "AMD EPYC: 9"
    assert environment.processor_features(CPU) == "AVX512 amx_tile avx512_bf16"


@pytest.mark.parametrize("texts", [{}, {"cpuinfo": "nothing\n"}])
def test_where_the_system_does_not_say_it_python_names_the_processor(proc, monkeypatch, texts):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    proc(**texts)
    assert environment.device_name(CPU) == "riscv64"
    assert environment.processor_features(CPU) == "DEFAULT"
    monkeypatch.setattr(platform, "processor", lambda: "a processor")
    assert environment.device_name(CPU) == "a processor"


def test_the_peak_of_memory_is_that_of_the_system_since_its_reset(proc):
    folder = proc(status="VmPeak: 9 kB\nVmHWM:\t 5120 kB\nVmRSS: 1 kB\n", clear_refs="")
    assert environment.peak_memory_mib(CPU) == 5.0
    environment.reset_peak_memory(CPU)
    assert (folder / "clear_refs").read_text() == "5"


@pytest.mark.parametrize(("system", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_on_other_systems_the_peak_is_that_of_the_process(proc, monkeypatch, system, unit):
    proc(status="nothing of it")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(
        resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss={resource.RUSAGE_SELF: 2**20}[who])
    )
    assert environment.peak_memory_mib(CPU) == unit


def test_a_folder_that_is_no_checkout_has_an_unknown_commit_and_counts_as_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.git_state() == ("unknown", True)
    monkeypatch.setenv("PATH", "")
    assert environment.git_state() == ("unknown", True)


def test_a_checkout_is_changed_where_code_differs_and_not_where_results_do(tmp_path, monkeypatch):
    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", "-C", tmp_path, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(environment, "ROOT", tmp_path)
    git("init", "-q")
    (tmp_path / "run.py").write_text("1")
    git("add", "run.py")
    git("commit", "-qm", "first")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "ledger.csv").write_text("new")
    assert environment.git_state() == (git("rev-parse", "HEAD"), False)
    (tmp_path / "run.py").write_text("2")
    assert environment.git_state() == (git("rev-parse", "HEAD"), True)


def test_an_activation_without_a_source_file_is_hashed_by_its_name():
    made = type("Made", (torch.nn.Module,), {"__module__": "__main__"})
    other = type("Other", (torch.nn.Module,), {"__module__": "__main__"})
    assert environment.activation_hash(made) != environment.activation_hash(other)
    assert re.fullmatch("[0-9a-f]{12}", environment.activation_hash(made))
