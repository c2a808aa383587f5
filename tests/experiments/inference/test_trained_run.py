"""A finished run is loaded with its weights, or one sentence says why it cannot be."""

import json
import shutil

import pytest
import torch
import yaml

from experiments import load_run
from experiments.errors import BadInput
from experiments.inference.trained_run import read_config


@pytest.fixture
def finished(run):
    """The folder of a finished run on the tiny CIFAR-100."""
    return run("trainer.epochs=1").identity.directory


def damage(folder, file, change):
    content = yaml.safe_load((folder / file).read_text())
    change(content)
    (folder / file).write_text(yaml.safe_dump(content) if file.endswith("yaml") else json.dumps(content))


def test_a_loaded_run_has_the_trained_weights_and_its_names(finished):
    loaded = load_run(finished)
    saved = torch.load(finished / "checkpoint.pt", weights_only=True)["model"]
    assert loaded.model.state_dict().keys() == saved.keys()
    assert all(torch.equal(value, saved[name]) for name, value in loaded.model.state_dict().items())
    assert not any(module.training for module in loaded.model.modules())
    assert (loaded.task.spec.name, loaded.config.model.width, loaded.identity.act) == ("cifar100", 2, "carelu")
    assert loaded.identity.run_id == json.loads((finished / "result.json").read_text())["run_id"]


def test_a_folder_without_a_run_names_one_that_is_below_it(finished):
    with pytest.raises(BadInput, match=f"holds no config.yaml; name one run, like {finished}"):
        load_run(finished.parents[1])
    with pytest.raises(BadInput, match="no-such is not the folder of a run"):
        load_run(finished / "no-such")


def test_what_is_missing_or_damaged_is_named(finished, tmp_path):
    def copy(name):
        return shutil.copytree(finished, tmp_path / name)

    unfinished, diverged, bare, swapped, other = map(copy, ("unfinished", "diverged", "bare", "swapped", "other"))
    (unfinished / "result.json").unlink()
    damage(diverged, "result.json", lambda result: result.update(status="diverged"))
    (bare / "checkpoint.pt").unlink()
    damage(swapped, "result.json", lambda result: result.update(run_id="cifar100-small-relu-s9-0"))
    damage(other, "config.yaml", lambda config: config["model"].update(width=3))
    for folder, said in (
        (unfinished, "has not finished.*repeat its command"),
        (diverged, "has the status diverged"),
        (bare, "checkpoint.pt is missing.*train again with: python run.py"),
        (swapped, "belongs to the run cifar100-small-carelu-s0.*not to cifar100-small-relu-s9-0"),
        (other, "checkpoint.pt does not fit the model of this code"),
    ):
        with pytest.raises(BadInput, match=said):
            load_run(folder)


def test_a_configuration_is_read_without_resolving_what_a_stranger_wrote(finished, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden")
    damage(finished, "config.yaml", lambda config: config["data"].update(name="${oc.env:SECRET}"))
    assert read_config(finished).data.name == "${oc.env:SECRET}"


def test_a_device_that_is_not_here_is_refused_and_that_of_the_record_is_replaced(finished):
    damage(finished, "config.yaml", lambda config: config["trainer"].update(device="cuda", precision="float16"))
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    loaded = load_run(finished)
    assert (loaded.device.type, loaded.config.trainer.precision) == ("cpu", "float32")
    with pytest.raises(BadInput, match="device cuda is not available"):
        load_run(finished, "cuda")


def test_an_edited_configuration_is_used_with_a_warning(finished):
    damage(finished, "config.yaml", lambda config: config.update(force=True))
    with pytest.warns(UserWarning, match=r"config\.yaml of .* is not as the run wrote it"):
        load_run(finished)
