"""torchrun's environment, and its command line."""

import subprocess
import sys

import pytest

from experiments.distributed.torchrun import TorchrunProcess, read_torchrun
from experiments.errors import BadInput
from tests.conftest import ROOT

LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]

TORCHRUN = {
    **{"WORLD_SIZE": "2", "RANK": "1", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"},
    **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"},
}


def test_the_rank_is_read_from_the_environment():
    assert read_torchrun(TORCHRUN) == TorchrunProcess(rank=1, size=2, local_rank=1, local_size=2)
    assert read_torchrun({}) == read_torchrun(TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"}) == TorchrunProcess()


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        (
            {"RANK": None},
            "WORLD_SIZE=2 is set, but RANK is missing; unset it, or start several processes with: torchrun",
        ),
        ({"WORLD_SIZE": None}, "RANK=1 is set, but WORLD_SIZE is missing"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR is missing"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT=http is not a number"),
        ({"RANK": "2"}, "RANK=2 does not fit WORLD_SIZE=2"),
        ({"LOCAL_RANK": "3"}, "LOCAL_RANK=3 does not fit LOCAL_WORLD_SIZE=2"),
    ],
)
def test_a_variable_that_is_missing_or_does_not_fit_is_named(changed, answer):
    variables = {name: value for name, value in (TORCHRUN | changed).items() if value is not None}
    with pytest.raises(BadInput) as caught:
        read_torchrun(variables)
    assert answer in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["-m", "act=relu,carelu"], "start each run of the sweep with torchrun"),
        (["act=relux"], "unknown act 'relux'; did you mean relu"),
    ],
)
def test_a_mistake_on_the_command_line_of_torchrun_is_reported_once(arguments, answer):
    done = subprocess.run([*LAUNCHER, str(ROOT / "run.py"), *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert answer in line
