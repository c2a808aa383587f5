"""Processes that are measured in turn."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmarking.workers import Worker, WorkerFailed
from experiments.errors import BadInput


def answer(receive, send):
    """Answers "processes" with its own and its child's, anything else with an error of that name."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    while True:
        request = receive()
        if request == "processes":
            send([os.getpid(), child.pid])
        else:
            raise {"bad input": BadInput("correct it"), "mistake": KeyError("oops")}[request]


def refuse_to_start(receive, send):
    """Asked or not."""
    raise BadInput("correct it first")


def comes_to(pid, *states):
    """Whether a process soon is in one of the states of /proc; "" is that there is none."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            state = ""
        if state in states:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")
def test_a_worker_and_what_it_started_are_suspended_between_requests_and_end_with_it():
    with Worker(answer) as worker:
        processes = worker.ask("processes")
        assert all(comes_to(pid, "T") for pid in processes)
        assert worker.ask("processes") == processes
    assert all(comes_to(pid, "Z", "") for pid in processes)


def test_bad_input_of_a_worker_is_bad_input_here():
    with Worker(answer) as worker, pytest.raises(BadInput, match=r"^correct it$"):
        worker.ask("bad input")


def test_bad_input_of_a_worker_that_ended_before_it_was_asked_is_bad_input_here():
    with Worker(refuse_to_start) as worker:
        worker._process.join()
        with pytest.raises(BadInput, match=r"^correct it first$"):
            worker.ask("processes")


def test_a_mistake_in_a_worker_comes_back_with_its_traceback():
    with Worker(answer) as worker:
        with pytest.raises(WorkerFailed, match=r"(?s)Traceback.*in answer.*KeyError: 'oops'"):
            worker.ask("mistake")
        with pytest.raises(WorkerFailed, match="ended with exit code"):
            worker.ask("processes")
