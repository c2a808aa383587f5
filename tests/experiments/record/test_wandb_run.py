"""The description of a run in W&B, its mode, and what W&B is sent."""

from pathlib import Path

import pytest
import wandb

from experiments.errors import BadInput
from experiments.record import wandb_run
from experiments.record.wandb_run import (
    Description,
    WandbRun,
    _reachable,
    describe_run,
    destination,
    history_values,
    resolve_mode,
)
from tests.wandb_files import offline_runs


@pytest.mark.usefixtures("no_login")
def test_long_labels_are_shortened_to_what_wandb_takes_and_stay_different(tmp_path):
    names = {"task": "text", "act": "a" * 140, "data": "snli", "seed": 3, "run_id": "r", "command": "c"}
    names["recipe"] = "small"
    written = []
    for value in (1, 2):
        description = describe_run({**names, "overrides": {"x" * 200: value}}, {}, {}, [], "id")
        folder = tmp_path / str(value)
        folder.mkdir()
        WandbRun(description, destination(mode="offline"), folder, live=False).finish({"status": "finished"})
        written.append(offline_runs(folder)[0].run)
    assert all(len(run.run_group) <= 128 and len(run.display_name) <= 128 for run in written)
    assert all(0 < len(tag) <= 64 for run in written for tag in run.tags)
    assert written[0].run_group != written[1].run_group
    assert set(written[0].tags) != set(written[1].tags)


def test_a_run_is_named_with_what_departs_from_its_recipe_data_and_activation():
    names = {
        "task": "text",
        "act": "carelu",
        "recipe": "small",
        "data": "snli",
        "seed": 3,
        "run_id": "r",
        "command": "",
    }
    overrides = {"act.options.gain": 2, "data.max_length": 9, "trainer.epochs": 1}
    description = describe_run({**names, "overrides": overrides}, {}, {}, ["mine"], "id")
    assert (description.group, description.name) == ("text/small(trainer.epochs=1)", "carelu(gain=2)-s3")
    assert description.tags == ("text", "carelu(gain=2)", "small(trainer.epochs=1)", "snli(max_length=9)", "mine")


def test_what_all_layers_have_learned_has_one_section():
    record = {"epoch": 1, "set5/psnr_y": 30.0, "activations": {"blocks.0.act": {"alpha": 0.5, "share": 0.25}}}
    assert history_values(record) == {
        "epoch": 1,
        "set5/psnr_y": 30.0,
        "activations/blocks_0_act_alpha": 0.5,
        "activations/blocks_0_act_share": 0.25,
    }


@pytest.fixture
def server(monkeypatch, no_login):
    """Logs in at a W&B server of one's own; returns the list of addresses that are tried."""
    tried = []

    class Connection:
        def close(self): ...

    def connect(address, timeout):
        tried.append(address)
        return Connection()

    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.invalid:8080")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb_run.socket, "create_connection", connect)
    wandb.teardown()  # wandb reads its environment once a process
    yield tried
    wandb.teardown()


def test_auto_is_online_where_the_configured_server_can_be_reached(server, monkeypatch):
    assert resolve_mode("auto") == "online"
    assert server == [("wandb.invalid", 8080)]

    def unreachable(address, timeout):
        raise OSError

    monkeypatch.setattr(wandb_run.socket, "create_connection", unreachable)
    assert resolve_mode("auto") == "offline"


@pytest.mark.parametrize(("url", "port"), [("https://w.test", 443), ("http://w.test", 80), ("https://w.test:8", 8)])
def test_a_server_is_tried_at_the_port_of_its_address(server, url, port):
    assert _reachable(url)
    assert server == [("w.test", port)]


def test_auto_is_what_the_environment_says(server, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert resolve_mode("auto") == "offline"
    assert server == []


@pytest.mark.usefixtures("no_login")
def test_online_needs_a_login():
    assert resolve_mode("auto") == "offline"
    with pytest.raises(BadInput, match="needs `wandb login`"):
        resolve_mode("online")


class Recorded:
    """Stands for wandb and for its run: notes each call as (name, arguments, options)."""

    def __init__(self):
        self.calls, self.offline, self.dir, self.url = [], False, "/runs/wandb/offline-run-1/files", "https://w.test/1"
        self.summary = {}

    def __getattr__(self, name):
        def note(*arguments, **options):
            self.calls.append((name, arguments, options))
            return self if name == "init" else (name, *arguments, *options.items())

        return note

    def of(self, name):
        return [(arguments, options) for called, arguments, options in self.calls if called == name]


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Opens a run of a job type with a recorder in place of wandb; returns (run, recorder)."""

    def with_(job_type="train", live=True, **config):
        recorded = Recorded()
        monkeypatch.setattr(wandb_run, "_wandb", lambda: recorded)
        description = Description("id", "group", job_type, "name", ("tag",), config)
        logger = destination(project="p", entity="e", mode="offline")
        return WandbRun(description, logger, tmp_path, live), recorded

    return with_


@pytest.mark.parametrize("live", [True, False])
def test_a_run_is_opened_as_it_is_described_and_its_machine_is_watched_while_it_trains(opened, tmp_path, live):
    _, recorded = opened(live=live, seed=3)
    ((_, options),) = recorded.of("init")
    settings = dict(options.pop("settings")[1:])
    assert options == {
        "project": "p",
        "entity": "e",
        "mode": "offline",
        "id": "id",
        "resume": "allow",
        "reinit": "create_new",
        "group": "group",
        "job_type": "train",
        "name": "name",
        "tags": ["tag"],
        "config": {"seed": 3},
        "dir": str(tmp_path),
    }
    assert settings == {
        "silent": True,
        "console": "off",
        "init_timeout": 20,
        "finish_timeout": 60,
        "disable_git": True,
        "x_disable_meta": True,
        "x_disable_stats": not live,
    }


def test_curves_of_a_training_run_are_over_epochs_and_a_comparison_has_none(opened):
    _, recorded = opened("train")
    assert recorded.of("define_metric") == [(("epoch",), {"hidden": True}), (("*",), {"step_metric": "epoch"})]
    _, recorded = opened("comparison")
    assert recorded.of("define_metric") == []


@pytest.mark.parametrize(("logger", "step"), [(None, 2), ({"every_steps": None}, 2), ({"every_steps": 5}, 30)])
def test_a_record_is_at_its_epoch_or_where_steps_are_logged_at_its_step(opened, logger, step):
    run, recorded = opened(logger=logger)
    run.show({})
    run.show({"strip": "strip.png"})
    run.log({"epoch": 2, "step": 30, "top1": 5.0})
    run.log_step({"step": 31, "train_step/loss": 4.0})
    run.show({"strip": "strip.png"})
    picture = ("Image", "strip.png")
    assert recorded.of("log") == [
        (({"pictures/strip": picture, "epoch": 0},), {"step": 1, "commit": True}),
        (({"epoch": 2, "step": 30, "top1": 5.0},), {"step": step, "commit": True}),
        (({"step": 31, "train_step/loss": 4.0},), {"step": 31, "commit": True}),
        (({"pictures/strip": picture, "epoch": 2},), {"step": step + 1, "commit": True}),
    ]


def test_a_comparison_has_tables_and_figures(opened):
    run, recorded = opened("comparison")
    run.log_comparison({"cifar100": [{"act": "relu", "mean": 1}, {"act": "gelu", "mean": None}]}, [Path("cost.png")])
    ((((media,), options)),) = recorded.of("log")
    assert options == {}
    assert media == {
        "figures/cost": ("Image", "cost.png"),
        "tables/cifar100": (
            "Table",
            ("columns", ["act", "mean"]),
            ("data", [["relu", 1], ["gelu", None]]),
            ("allow_mixed_types", True),
        ),
    }


@pytest.mark.parametrize(
    ("result", "code"), [({"status": "finished", "top1": 5.0}, 0), ({"status": "diverged"}, 1), ({}, 1), (None, 1)]
)
def test_a_run_ends_with_its_result_or_is_marked_as_to_be_resumed(opened, result, code):
    run, recorded = opened()
    run.finish(result)
    assert recorded.of("finish") == [((), {"exit_code": code})]
    assert recorded.summary == (result or {})
    assert len(recorded.of("mark_preempting")) == (result is None)


def test_a_run_that_is_abandoned_counts_as_failed_and_raises_nothing(opened, monkeypatch):
    run, recorded = opened()
    run.abandon()
    assert recorded.of("finish") == [((), {"exit_code": 1})]
    monkeypatch.setattr(recorded, "finish", None, raising=False)
    run.abandon()


def test_the_place_of_a_run_is_its_address_or_its_folder(opened):
    run, recorded = opened()
    assert (run.place, run.offline) == ("https://w.test/1", False)
    recorded.offline = True
    assert (run.place, run.offline) == ("/runs/wandb/offline-run-1", True)
