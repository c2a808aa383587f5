"""W&B as a mirror: what a real offline run holds, and that its absence changes nothing."""

import re
import signal
import struct

import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from experiments.data.images import ImageBatches

pytestmark = pytest.mark.usefixtures("no_login")


@pytest.fixture
def no_login(monkeypatch, tmp_path):
    """Nobody is logged in, whatever the machine holds."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


BLOCK = 32768
HEADER = 7


def offline_records(folder):
    """What a real offline run wrote: a LevelDB log of protobuf records, after seven bytes that name the format."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    content, place, parts, records = file.read_bytes(), HEADER, [], []
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # a record never starts in the last bytes of a block
            place += BLOCK - place % BLOCK
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", content, place)
        parts.append(content[place + HEADER : place + HEADER + length])
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last of several parts
            records.append(wandb_internal_pb2.Record.FromString(b"".join(parts)))
            parts = []
    return records


def test_an_offline_run_mirrors_the_local_record(run):
    outcome = run("act=carelu", "logger=wandb", "logger.tags=[mine]")
    records = offline_records(outcome.identity.directory)
    (started,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert started.run_group == f"cifar100/{outcome.identity.recipe}"
    assert started.display_name == "carelu-s0"
    assert {"cifar100", "carelu", "cifar100-sample", "mine"} <= set(started.tags)
    config = {item.key: item.value_json for item in started.config.update}
    assert {"act", "trainer", "optim", "environment", "command"} <= set(config)
    history = [
        {(item.key or "/".join(item.nested_key)): item.value_json for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    assert [entry["epoch"] for entry in history] == ["0", "1", "2"]
    assert float(history[-1]["top1"]) == outcome.result["headline_value"]
    assert "activations/act1/alpha" in history[0]
    summary = {item.key for record in records for item in record.summary.update}
    assert "headline_value" in summary


def test_a_resumed_run_goes_on_in_the_same_wandb_run(run, monkeypatch):
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
    folders = list(stopped.identity.directory.glob("wandb/offline-run-*"))
    assert len({folder.name.rsplit("-", 1)[1] for folder in folders}) == 1


@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_failure_of_wandb_is_one_line_and_changes_no_result(run, monkeypatch, capsys, tmp_path, broken):
    expected = run("act=carelu", f"output_root={tmp_path / 'without'}")

    class Unreachable:
        def __init__(self):
            self.summary = {}

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
    notes = re.findall(r"^note: W&B is left out.*network is unreachable.*$", capsys.readouterr().out, re.MULTILINE)
    assert len(notes) == 1
    assert outcome.result["headline_value"] == expected.result["headline_value"]
    assert outcome.result["status"] == "finished"


def test_online_without_a_login_is_answered_without_a_question(run, capsys):
    assert run("logger=wandb", "logger.mode=online").result["status"] == "finished"
    assert "needs `wandb login`" in capsys.readouterr().out
