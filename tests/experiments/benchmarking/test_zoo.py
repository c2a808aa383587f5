import timm
import torchvision

from carelu.surgery.channels import tensors_in
from experiments.benchmarking import zoo


def test_the_zoo_is_large_and_its_names_are_unique():
    names = [entry.name for entry in zoo.entries()]
    assert len(names) == len(set(names)) >= 50
    assert {name.split("/")[0] for name in names} == {"torch", "torchvision", "timm", "transformers"}


def test_each_batch_holds_two_samples():
    for entry in zoo.entries():
        assert {each.shape[entry.batch_dim] for each in tensors_in(entry.inputs())} == {2}, entry.name


def test_names_are_those_of_the_packages():
    assert set(zoo.TORCHVISION) <= set(torchvision.models.list_models())
    assert set(zoo.TIMM) <= set(timm.list_models())
