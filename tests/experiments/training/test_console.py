"""What the terminal shows."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.training.console import Display, advice, duration

RESULT = {
    "status": "finished",
    "headline_metric": "top1",
    "headline_value": 71.25,
    "wall_seconds": 125.0,
    "step_milliseconds": 3.25,
    "peak_memory_mib": 1234.0,
    "reason": "",
}


@pytest.fixture
def shown():
    """(a display, what it has printed so far)."""
    text = io.StringIO()
    return Display(Console(file=text, width=200, highlight=False, markup=False)), text.getvalue


def identity(*overrides):
    return identify(*compose(["recipe=small", "trainer.device=cpu", "trainer.precision=float32", *overrides]))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5.0 s"),
        (9.96, "10.0 s"),
        (42.4, "42 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


def test_an_epoch_is_one_line_with_the_headline_its_time_and_the_time_left(shown):
    display, text = shown
    display.epoch({"epoch": 3, "top1": 12.5, "train/loss": 4.0, "seconds": 65.0, "step": 9}, 10, "top1", 455.0)
    assert text() == "epoch   3/10  top1 12.5  train/loss 4  1 min 05 s, about 7 min 35 s left\n"


def test_where_the_validation_set_selects_an_epoch_shows_its_values_and_not_those_of_test(shown):
    display, text = shown
    record = {"epoch": 1, "top1": 12.5, "loss": 3.0, "validation/top1": 11.0, "validation/loss": 3.5, "seconds": 9.0}
    display.epoch({**record, "train/top1": 10.0}, 1, "top1", 0.0, selection="validation")
    assert text() == "epoch   1/1  validation/top1 11  validation/loss 3.5  train/top1 10  9.0 s\n"


@pytest.mark.parametrize("act", ["carelu", "gelu"])
def test_the_panel_holds_headline_and_cost_and_the_command_of_the_baseline(shown, act):
    display, text = shown
    display.result(identity(f"act={act}", "seed=3"), RESULT)
    for expected in ("71.25 % (chance: 1.00 %)", "2 min 05 s", "3.2 ms per step", "1,234 MiB"):
        assert expected in text()
    (command,) = (line for line in text().splitlines() if line.startswith("compare with: "))
    assert {"act=relu", "seed=3"} <= set(command.split())


def test_there_is_nothing_to_compare_with_where_the_baseline_is_there_or_is_this_run(shown):
    display, text = shown
    display.result(identity("act=gelu"), RESULT, differences={"relu": 0.5})
    display.result(identity("act=relu"), RESULT)
    assert "minus relu" in text() and "compare with" not in text() and "carelu" not in text()


def test_the_panel_names_bicubic_interpolation_where_it_was_measured(shown):
    display, text = shown
    measured = {"headline_metric": "psnr_y", "headline_value": 27.5314, "bicubic_psnr_y": 27.1}
    display.result(identity("task=superres", "act=relu"), {**RESULT, **measured})
    assert "27.531 dB (bicubic: 27.100 dB)" in text()


def test_a_number_without_unit_and_chance_stands_alone(shown):
    display, text = shown
    display.result(identity("act=relu"), {**RESULT, "headline_metric": "loss", "headline_value": 3.5})
    (line,) = [line for line in text().splitlines() if "loss" in line]
    assert line.strip("│ ").split() == ["loss", "3.5000"]


def test_the_panel_holds_the_difference_to_each_counterpart(shown):
    display, text = shown
    display.result(identity("act=relu"), RESULT, differences={"gelu": -1.5, "carelu": 0.4167})
    lines = [line.strip("│ ") for line in text().splitlines() if "minus" in line]
    assert [line.split("  ") for line in lines] == [
        ["minus carelu", "+0.42 points with this seed"],
        ["minus gelu", "", "\N{MINUS SIGN}1.50 points with this seed"],
    ]


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_without_headline_is_compared_with_nothing(shown, status):
    display, text = shown
    display.result(identity("act=carelu"), {**RESULT, "status": status, "headline_value": None, "reason": "step 5"})
    assert "compare with" not in text() and "minus" not in text()


def test_a_result_that_was_already_there_is_marked(shown):
    display, text = shown
    display.result(identity("act=relu"), RESULT, again=True)
    assert "already done" in text()


def test_a_run_without_headline_shows_its_status_and_reason(shown):
    display, text = shown
    display.result(identity("act=relu"), {**RESULT, "status": "diverged", "headline_value": None, "reason": "step 5"})
    assert "diverged: step 5" in text()


def test_the_header_names_what_runs_and_where(shown):
    display, text = shown
    run = identity("act=gelu")
    display.header(run, 1234567, "a device", "float32", "at step 3 of 9")
    for expected in ("gelu", "1,234,567 parameters", "a device, float32", str(Path(run.directory)), "at step 3 of 9"):
        assert expected in text()


def test_without_a_terminal_a_long_epoch_has_a_line_a_minute_with_the_time_left(shown, monkeypatch):
    display, text = shown
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    display.start(100, 20)  # a resumed run: its first 20 steps say nothing of the time
    for step in range(21, 34):
        now += 10
        assert display.wants_step() == (step in (26, 32))
        display.step(step, 1, 2, {"loss": 1.0})
    assert text().splitlines() == [
        "epoch   1/2  step 26 of 100  loss 1, about 12 min 20 s left",
        "epoch   1/2  step 32 of 100  loss 1, about 11 min 20 s left",
    ]


def test_a_quiet_display_wants_no_step_however_long_an_epoch_takes(monkeypatch):
    display = Display(quiet=True)
    display.start(100, 0)
    monkeypatch.setattr("time.monotonic", lambda: 1e9)
    assert not display.wants_step()


def test_a_run_that_max_steps_ended_says_so(shown):
    display, text = shown
    ended = {**RESULT, "steps": 20, "epochs": 0.5}
    display.result(identity("trainer.max_steps=20"), ended)
    assert "20 (0.5 epochs): it stopped there, as trainer.max_steps says" in text()
    display.result(identity("trainer.max_steps=30"), ended)
    assert text().count("max_steps says") == 1


def test_chance_that_depends_on_the_data_is_named(shown):
    display, text = shown
    measured = {"headline_metric": "accuracy", "headline_value": 60.0, "chance": 100 / 3}
    display.result(identity("task=text", "data=sample"), {**RESULT, **measured})
    assert "60.00 % (chance: 33.33 %)" in text()


@pytest.mark.parametrize(
    ("data", "recipe", "recipes", "max_steps", "warned"),
    [
        ("sample", "standard", ["small", "standard"], None, True),
        ("sample", "small", ["small", "standard"], None, False),
        ("full", "standard", ["small", "standard"], None, False),
        ("sample", "standard", ["standard"], None, False),
        ("sample", "standard", ["small", "standard"], 3, False),
    ],
)
def test_a_sample_without_a_recipe_is_warned_of(data, recipe, recipes, max_steps, warned):
    said = advice(data, recipe, recipes, 200, max_steps)
    assert bool(said) == warned
    assert not warned or ("200 epochs" in said and "recipe=small" in said)


def test_on_a_terminal_the_bar_shows_steps_twice_a_second_at_most():
    text = io.StringIO()
    display = Display(Console(file=text, width=200, force_terminal=True))
    display.start(10, 0)
    assert display.wants_step()
    assert not display.wants_step()
    display.step(4, 1, 2, {"loss": 1.5})
    display.stop()
    assert "epoch 1/2" in text.getvalue()
    assert "4/10" in text.getvalue()
    assert "loss 1.5" in text.getvalue()
