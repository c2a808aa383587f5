"""W&B as a mirror: what a real offline run holds, and that its absence changes nothing."""

import json
import re
import signal
from pathlib import Path

import pytest
import wandb
from omegaconf import OmegaConf
from PIL import Image

from experiments.configuration.composition import as_dict
from experiments.configuration.identity import Identity
from experiments.record import tracking
from experiments.record.file_loggers import CSVLogger
from experiments.record.run_directory import read_metrics
from experiments.record.tracking import Mirrors, build_mirror
from experiments.tasks.cifar100.batches import ImageBatches
from experiments.tasks.cifar100.task import CIFAR100
from tests.wandb_files import offline_runs

pytestmark = pytest.mark.usefixtures("no_login")


@pytest.fixture
def picture(monkeypatch):
    """Makes a run end with a picture among its artifacts; returns the picture."""

    def write_artifacts(self, model, splits, folder):
        picture.save(folder / "strip.png")
        (folder / "strip.json").write_text("{}")
        return [folder / "strip.png", folder / "strip.json"]

    picture = Image.new("RGB", (3, 2), "orange")
    monkeypatch.setattr(CIFAR100, "write_artifacts", write_artifacts)
    return picture


def test_an_offline_run_mirrors_the_local_record(run, picture):
    outcome = run("act=carelu", "logger=wandb", "logger.tags=[mine]")
    folder = outcome.identity.directory
    (mirrored,) = offline_runs(folder)
    assert mirrored.run.run_group.startswith("cifar100/small(")
    assert mirrored.run.job_type == "train"
    assert mirrored.run.display_name == "carelu-s0"
    assert {"cifar100", "carelu", "cifar100-sample", "mine"} <= set(mirrored.run.tags)
    assert mirrored.config == {
        **as_dict(OmegaConf.load(folder / "config.yaml")),
        "environment": json.loads((folder / "environment.json").read_text()),
        "run_id": outcome.identity.run_id,
        "command": outcome.identity.command,
    }
    *epochs, last = mirrored.history
    for record, values in zip(read_metrics(folder / "metrics.jsonl"), epochs, strict=True):
        learned = record.pop("activations")
        assert values.pop("_step") == record["epoch"]
        assert {key: values.pop(key) for key in record} == record
        assert values == {
            f"activations/{layer.replace('.', '_')}_{name}": value
            for layer, parameters in learned.items()
            for name, value in parameters.items()
        }
    assert last["epoch"] == 2
    assert Image.open(mirrored.file(last["pictures/strip"])).tobytes() == picture.tobytes()
    assert {key: mirrored.summary[key] for key in outcome.result} == outcome.result


def test_curves_are_drawn_over_epochs(run):
    (mirrored,) = offline_runs(run("logger=wandb").identity.directory)
    assert mirrored.step_metrics == {"*": "epoch"}


def test_steps_are_mirrored_between_the_epochs_where_they_are_asked_for(run, capsys):
    outcome = run("logger=wandb", "logger.every_steps=2")
    (mirrored,) = offline_runs(outcome.identity.directory)
    steps = [(values["_step"], values["epoch"], "train_step/loss" in values) for values in mirrored.history]
    # Two epochs of three steps: the record of an epoch is at its last step.
    assert steps == [(0, 0, False), (2, 0.6667, True), (3, 1, False), (4, 1.3333, True), (6, 2, False)]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("W&B ")]
    assert line.startswith("W&B offline: ") and f"scripts/replay_wandb.py {outcome.identity.directory}" in line


def test_several_loggers_write_at_once_and_the_failure_of_one_is_one_line(run, monkeypatch, capsys):
    def fail(self, record):
        raise OSError("the disk is on fire")

    monkeypatch.setattr(CSVLogger, "log", fail)
    outcome = run("logger=wandb", "logger.also=[csv]")
    assert outcome.result["status"] == "finished"
    assert capsys.readouterr().out.count("note: logger=csv ends here (the disk is on fire)") == 1
    (mirrored,) = offline_runs(outcome.identity.directory)
    assert [values["epoch"] for values in mirrored.history] == [0, 1, 2]


@pytest.mark.slow
def test_a_resumed_run_resumes_the_same_wandb_run(run, monkeypatch):
    usual, begun = ImageBatches.__iter__, []

    def interrupted(self):
        begun.append(1)
        if len(begun) == 3:
            signal.raise_signal(signal.SIGTERM)
        return usual(self)

    with monkeypatch.context() as patch:
        patch.setattr(ImageBatches, "__iter__", interrupted)
        stopped = run("logger=wandb")
    assert stopped.result is None
    run("logger=wandb")
    first, second = offline_runs(stopped.identity.directory)
    assert first.run.run_id == second.run.run_id
    assert [values["epoch"] for values in first.history + second.history] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_failure_of_wandb_is_one_line_and_changes_no_result(run, monkeypatch, capsys, tmp_path, broken):
    expected = run("act=carelu", f"output_root={tmp_path / 'without'}")

    class Unreachable:
        def __init__(self):
            self.summary, self.offline, self.dir = {}, True, "wandb/run/files"

        def __getattr__(self, name):
            def fail(*arguments, **options):
                if name == broken:
                    raise ConnectionError("network is unreachable")

            return fail

    def start(**options):
        if broken == "init":
            raise ConnectionError("network is unreachable")
        return Unreachable()

    monkeypatch.setattr(wandb, "init", start)
    capsys.readouterr()
    outcome = run("act=carelu", "logger=wandb")
    notes = re.findall(r"^note: .*W&B.*network is unreachable.*$", capsys.readouterr().out, re.MULTILINE)
    assert len(notes) == 1
    assert outcome.result["headline_value"] == expected.result["headline_value"]
    assert outcome.result["status"] == "finished"


def test_online_without_a_login_is_answered_without_a_question(run, capsys):
    assert run("logger=wandb", "logger.mode=online").result["status"] == "finished"
    assert "needs `wandb login`" in capsys.readouterr().out


# Without W&B


class Noted:
    """A logger that notes what is called of it; calls of `broken` fail."""

    def __init__(self, broken="", **attributes):
        self.calls, self.broken = [], broken
        self.__dict__.update(attributes)

    def __getattr__(self, name):
        def note(*arguments):
            self.calls.append((name, *arguments))
            if name == self.broken:
                raise OSError(f"{name} is\non fire")

        return note


RECORD, STEP, FILES, RESULT = {"epoch": 1}, {"step": 3}, [Path("a.png"), Path("a.json")], {"status": "finished"}


def tell(mirror):
    mirror.log(RECORD)
    mirror.log_step(STEP)
    mirror.show(FILES)
    mirror.finish(RESULT)


TOLD = [("log", RECORD), ("log_step", STEP), ("show", FILES), ("finish", RESULT)]


def test_every_logger_is_told_all_and_one_that_fails_no_more(capsys):
    said, whole, half = [], Noted(), Noted("log_step")
    mirrors = Mirrors({"csv": half, "tensorboard": whole}, 5, "id", said.append)
    tell(mirrors)
    assert whole.calls == TOLD and half.calls == TOLD[:2]
    assert said == ["note: logger=csv ends here (log_step is on fire); the local record is complete"]
    assert (mirrors.every_steps, mirrors.wandb_id) == (5, "id")


def test_without_loggers_there_is_only_the_local_record():
    mirrors = Mirrors()
    tell(mirrors)
    assert mirrors.every_steps is mirrors.wandb_id is None


def test_a_failure_is_printed_where_nobody_listens(capsys):
    Mirrors({"csv": Noted("log")}).log(RECORD)
    assert "logger=csv ends here" in capsys.readouterr().out


IDENTITY = Identity("text", "bert", "snli", "small", "relu", 3, {}, "abc", "run", "command", Path("folder"), [])


def mirrors_of(monkeypatch, logger, wandb_id=None, broken="", offline=True):
    """(the loggers of a configuration, what they said, W&B's run, how it was opened), nothing written."""
    run = Noted(broken, offline=offline, place="there")
    opened, said = [], []

    def open_(description, options, folder, live):
        opened.append((description, options, folder, live))
        if broken == "open":
            raise OSError("no disk")
        return run

    monkeypatch.setattr(tracking, "WandbRun", open_)
    monkeypatch.setitem(tracking._FILE_LOGGERS, "csv", lambda folder, steps: Noted(place=f"{folder} from {steps}"))
    monkeypatch.setitem(tracking._FILE_LOGGERS, "tensorboard", lambda folder, steps: 1 / 0)
    cfg = OmegaConf.create({"logger": {"tags": ["mine"], "every_steps": 7, **logger}})
    arguments = (cfg, IDENTITY, {"torch": "2.11.0"}, Path("folder"), wandb_id, said.append, 6)
    return build_mirror(*arguments), said, run, opened


def test_each_logger_of_the_configuration_says_where_it_writes(monkeypatch):
    mirrors, said, run, ((description, options, folder, live),) = mirrors_of(
        monkeypatch, {"names": ["wandb", "csv", "tensorboard"]}, "resumed"
    )
    assert said == [
        "W&B offline: there; to send it later: python scripts/replay_wandb.py folder",
        "logger csv: folder from 6",
        "note: logger=tensorboard does not start (division by zero); the local record is complete",
    ]
    assert (mirrors.wandb_id, mirrors.every_steps) == ("resumed", 7)
    assert (description.wandb_id, description.name, description.tags[-1]) == ("resumed", "relu-s3", "mine")
    assert description.config["environment"] == {"torch": "2.11.0"} and description.config["logger"]["every_steps"] == 7
    assert (options["tags"], folder, live) == (["mine"], Path("folder"), True)
    tell(mirrors)
    assert run.calls == [*TOLD[:2], ("show", {"a": Path("a.png")}), ("finish", RESULT)]
    run.calls.clear()
    tell(mirrors)  # after its end
    assert run.calls == []


def test_a_new_wandb_run_has_an_id_of_its_own_and_an_online_one_says_its_address(monkeypatch):
    ids = set()
    for _ in range(2):
        mirrors, said, _, _ = mirrors_of(monkeypatch, {"names": ["wandb"]}, offline=False)
        ids.add(mirrors.wandb_id)
        assert said == ["W&B online: there"]
    assert len(ids) == 2 and all(re.fullmatch("[0-9a-f]{8}", each) for each in ids)


def test_no_logger_logs_no_steps(monkeypatch):
    mirrors, said, _, _ = mirrors_of(monkeypatch, {"names": ["tensorboard"]}, "kept")
    assert (mirrors.every_steps, mirrors.wandb_id, len(said)) == (None, "kept", 1)


@pytest.mark.parametrize("broken", ["open", "log", "show", "finish"])
def test_the_first_failure_of_wandb_is_one_line_and_ends_the_mirroring(monkeypatch, broken):
    mirrors, said, run, _ = mirrors_of(monkeypatch, {"names": ["wandb"]}, broken=broken)
    tell(mirrors)
    assert [line.partition(" (")[0] for line in said if line.startswith("note")] == ["note: mirroring to W&B ends here"]
    ended = {"open": [], "log": ["log"], "show": ["log", "log_step", "show"]}
    calls = ended.get(broken, ["log", "log_step", "show", "finish"])
    assert [name for name, *_ in run.calls] == calls + ["abandon"] * (broken != "open")
