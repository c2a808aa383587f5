"""The README's own words, run."""

import re
import shutil
import subprocess
import sys

import pytest
import torch

import carelu.activations
from carelu import ActivationFactory, activation_names
from carelu.registry import unregister
from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import difference_unit, findings, of_subject, verdict
from experiments.analysis.numbers import fixed
from experiments.analysis.tuning import tune
from experiments.configuration import composition as configuration
from experiments.configuration.command_line import check_command
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, after=""):
    return re.findall(rf"```{language}\n(.*?)```", README[README.index(after) :], re.DOTALL)


def test_the_python_example_runs():
    subprocess.run([sys.executable, "-c", blocks("python")[0]], check=True, capture_output=True, text=True)


@pytest.fixture
def walked_through(monkeypatch, tmp_path):
    """Does what "Add an activation" says: one class in carelu/activations.py, one file in configs/act/."""
    class_block, yaml_block = (blocks(language, "## Add an activation")[0] for language in ("python", "yaml"))
    configs = tmp_path / "configs"
    shutil.copytree(configuration.CONFIG_DIR, configs)
    name = re.search(r"^name: (\w+)", yaml_block, re.MULTILINE).group(1)
    (configs / "act" / f"{name}.yaml").write_text(yaml_block, encoding="utf-8")
    monkeypatch.setattr(configuration, "CONFIG_DIR", configs)
    exec(class_block, dict(vars(carelu.activations)))
    yield name
    unregister(name)


def test_an_activation_is_added_by_one_class_and_one_file_and_trains(walked_through, run):
    assert walked_through in activation_names()
    assert walked_through in configuration.options_of("act")
    check_command([f"act={walked_through}"])
    outcome = run(f"act={walked_through}", "trainer.max_steps=1")
    assert (outcome.result["act"], outcome.result["status"], outcome.result["steps"]) == (walked_through, "finished", 1)
    module = ActivationFactory(walked_through)(channels=4, sample_dims=(1, 2, 3))
    z = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(module(z), z * (z + 3).clamp(0, 6) / 6)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if "run.py" in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_accepted(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = command.split("run.py")[-1].split("#")[0].split()
    if "--help" not in arguments:
        check_command(arguments)


def published(ledger):
    return read_evidence(ROOT / "results" / ledger)


def sentences(found, baseline):
    return "\n".join(f"- {finding.sentence(baseline)}" for finding in found)


def span(found):
    """How far the comparisons that do not stand moved the result: smallest and largest difference, whose they are."""
    moved = sorted((f for f in found if not f.entry.stands), key=lambda finding: finding.entry.paired.difference)
    ends = (
        f"{fixed(f.entry.paired.difference, f.metric.decimals, signed=True)} ({f.entry.act})"
        for f in (moved[0], moved[-1])
    )
    return f"Those moved it by {' to '.join(ends)} {difference_unit(moved[0].metric)}."


def known():
    """The ledgers' own sentences, by what they are about."""
    study = findings(published("carelu_study/ledger.csv"), "carelu", "validation/top1")
    tuned = findings(tune(published("tuned/ledger.csv"), "optim.optimizer.lr").evidence, "relu")
    return {
        "the grid": sentences(of_subject(findings(published("ledger.csv"), "relu")), "relu"),
        "the defaults": f"{verdict(study, 'carelu')} {span(study)}",
        "the defaults that matter": sentences([finding for finding in study if finding.entry.stands], "carelu"),
        "tuned": sentences(of_subject(tuned), "relu"),
    }


def test_what_is_known_is_what_the_published_ledgers_say():
    missing = {about: said for about, said in known().items() if said not in README}
    assert not missing, "README, What is known so far, has to say: " + "\n".join(missing.values())
