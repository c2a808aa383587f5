"""A trained model leaves the suite as safetensors or ONNX."""

import importlib.util
import json
import warnings

import pytest
import torch
from safetensors import safe_open

from experiments import load_run
from experiments.errors import BadInput
from experiments.inference import export


@pytest.fixture
def trained(run):
    return load_run(run("trainer.epochs=1").identity.directory)


def test_safetensors_hold_the_weights_and_what_they_are_of(trained, tmp_path):
    file = export.write_safetensors(trained, tmp_path / "new" / "model.safetensors")
    with safe_open(file, framework="pt") as saved:
        weights = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 (it is no mapping)
        about = saved.metadata()
    assert all(torch.equal(weights.pop(name), value) for name, value in trained.model.state_dict().items())
    assert weights == {}
    assert about["run_id"] == trained.identity.run_id
    assert json.loads(about["config"])["model"]["width"] == 2


def test_the_packages_that_onnx_needs_are_named(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"--onnx needs onnx and onnxscript.*pip install onnx onnxscript"):
        export.write_onnx(trained, tmp_path / "model.onnx")
    assert list(tmp_path.glob("*.onnx")) == []


def test_example_inputs_are_two_evaluation_examples(trained):
    (images,) = export.example_inputs(trained)
    assert images.shape == (2, 3, 32, 32) and images.dtype == torch.float32


@pytest.mark.slow
def test_onnx_computes_what_the_model_does(trained, tmp_path):
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # what PyTorch warns itself of is no concern of the user
        file = export.write_onnx(trained, tmp_path / "model.onnx")
    (images,) = export.example_inputs(trained)
    images = torch.cat([images, images, images[:1]])  # a batch of another size
    (found,) = onnxruntime.InferenceSession(str(file)).run(None, {"x": images.numpy()})
    with trained.evaluating():
        torch.testing.assert_close(torch.from_numpy(found), trained.model(images), rtol=1e-3, atol=1e-4)
