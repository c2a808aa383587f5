"""Signals and full disks at random moments: the same command then ends as if nothing had been."""

import os
import random
import signal

import pytest

from tests.faults.injections import SETTINGS, ended, in_child, recorded, run_of, use_few_images

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


@pytest.fixture
def few_images(monkeypatch):
    from experiments.tasks.cifar100 import dataset

    monkeypatch.setattr(dataset, "load_sample", dataset.load_sample)  # put back at the end
    use_few_images()


@pytest.mark.slow
def test_a_run_that_is_hit_again_and_again_ends_as_an_undisturbed_one(few_images, tmp_path):
    chance = random.Random(0)
    whole, hit, log = (
        [*SETTINGS, f"output_root={tmp_path / 'whole'}"],
        [*SETTINGS, f"output_root={tmp_path}"],
        tmp_path / "log",
    )
    assert ended(in_child(run_of(whole), log), 300) == 0, log.read_text()
    for number in SIGNALS:
        child = in_child(run_of(hit), log)
        if ended(child, chance.uniform(0, 1)) is None:
            os.kill(child, number)
            assert ended(child, 300) in (0, 75, -number), log.read_text()  # the last before it composed its settings
    assert ended(in_child(run_of(hit), log), 300) == 0, log.read_text()
    assert recorded(tmp_path) == recorded(tmp_path / "whole")
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_written_before(few_images, tmp_path):
    log = tmp_path / "log"
    whole, hit = [*SETTINGS, f"output_root={tmp_path / 'whole'}"], [*SETTINGS, f"output_root={tmp_path}"]
    assert ended(in_child(run_of(whole), log), 300) == 0, log.read_text()
    for room in (500, 3000, 40_000):
        assert ended(in_child(run_of(hit, largest_file=room), log), 300) == 2
    assert ended(in_child(run_of(hit), log), 300) == 0, log.read_text()
    assert recorded(tmp_path) == recorded(tmp_path / "whole")
    assert "cannot be written: File too large" in log.read_text() and "Traceback" not in log.read_text()
