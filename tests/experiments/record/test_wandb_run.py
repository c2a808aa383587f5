"""The description of a run in W&B, and its mode."""

import pytest
import wandb

from experiments.errors import BadInput
from experiments.record import wandb_run
from experiments.record.wandb_run import WandbRun, describe_run, destination, history_values, resolve_mode
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


def test_auto_is_what_the_environment_says(server, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert resolve_mode("auto") == "offline"
    assert server == []


@pytest.mark.usefixtures("no_login")
def test_online_needs_a_login():
    assert resolve_mode("auto") == "offline"
    with pytest.raises(BadInput, match="needs `wandb login`"):
        resolve_mode("online")
