"""The check on a real Slurm: what it does without one, and that it sees a sweep that came out differently."""

import shutil

import torch

from experiments.record import checkpoint
from experiments.record.run_directory import CHECKPOINT
from scripts.slurm_check import differing
from tests import forked


def test_without_slurm_it_says_what_to_install(tmp_path):
    done = forked.run(["scripts/slurm_check.py", "--out", tmp_path], variables={"PATH": str(tmp_path)})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no sbatch" in line and "apt-get install slurm-wlm munge" in line
    assert not list(tmp_path.iterdir())


def test_sweeps_are_equal_only_if_ledger_and_weights_are(run, tmp_path):
    serial, queued = tmp_path / "runs", tmp_path / "queued"
    outcome = run()
    shutil.copytree(serial, queued)
    ledger, text = queued / "ledger.csv", (queued / "ledger.csv").read_text()
    assert differing(serial, queued) == []

    run_id = outcome.identity.run_id
    value = f"{outcome.result['headline_value']}"
    ledger.write_text(text.replace(f",{value},", f",{value}1,"))
    assert differing(serial, queued) == [f"{run_id}: the rows of the ledger differ"]
    ledger.write_text(text.splitlines()[0] + "\n")
    assert differing(serial, queued) == [f"{run_id}: the rows of the ledger differ"]

    ledger.write_text(text.replace(outcome.result["finished_at"], "2000-01-01T00:00:00Z"))
    file = queued / outcome.identity.directory.relative_to(serial) / CHECKPOINT
    content = checkpoint.load(file)
    weight = next(iter(content["model"].values()))
    first = (0,) * weight.dim()
    weight[first] = torch.nextafter(weight[first], torch.tensor(9.0))
    checkpoint.save(file, content)
    assert differing(serial, queued) == [f"{run_id}: weights or optimizer differ"]
