"""The machine that is measured: its names, its cache, its load."""

import pytest
import torch

from experiments.benchmarking import machine

CPU = torch.device("cpu")


def test_a_processor_is_named_with_its_threads_and_a_file_after_it(monkeypatch):
    monkeypatch.setattr(machine, "device_name", lambda device: "AMD EPYC")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert machine.labels(CPU)["device"] == "AMD EPYC (2 threads)"
    assert machine.file_name(CPU) == "amd-epyc-2-threads"
    assert machine.full_name(torch.device("cuda")) == "AMD EPYC"


def test_the_cache_of_a_core_is_some_kilobytes_or_unknown():
    size = machine.cache_bytes(CPU)
    assert size is None or 2**14 <= size <= 2**28


@pytest.mark.parametrize(("busy", "share"), [((100.0, 106.0), 0.5), ((100.0, 101.0), 0.0), ((None, None), None)])
def test_the_load_is_what_other_processes_took_of_all_processors(monkeypatch, busy, share):
    clocks = {"_busy_seconds": iter(busy), "_own_seconds": iter([10.0, 12.0])}
    for name, values in clocks.items():
        monkeypatch.setattr(machine, name, lambda values=values: next(values))
    times = iter([0.0, 4.0])
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.OtherProcesses().share() == share


def test_the_conditions_hold_the_command_that_repeats_the_benchmark(monkeypatch):
    monkeypatch.setattr("sys.argv", ["scripts/x.py", "--also", "a=1 b=2"])
    conditions = machine.conditions(CPU, machine.OtherProcesses())
    assert conditions.command == "python scripts/x.py --also 'a=1 b=2'"
    assert not conditions.on_gpu
