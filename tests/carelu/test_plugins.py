import importlib
import sys

import pytest
import torch
from torch import nn

from carelu import ActivationFactory, activation_names, create_activation, is_activation, registry
from tests.installed_package import install

HALF = """
from torch import nn

class Half(nn.Module):
    \"\"\"z / 2. An example of the tests.\"\"\"

    def __init__(self, factor: float = 0.5):
        super().__init__()
        self.factor = factor

    def forward(self, z):
        return self.factor * z
"""


@pytest.fixture
def offer(monkeypatch, tmp_path):
    """Installs a package with one module and one entry point; nothing has been looked up yet."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(registry, "_loaded", set())
    monkeypatch.syspath_prepend(tmp_path)

    def with_entry_point(module: str, line: str, code: str = HALF) -> None:
        install(tmp_path, f"offers-{module}", {f"{module}.py": code}, {"carelu.activations": line})
        importlib.invalidate_caches()

    return with_entry_point


def test_a_class_of_an_installed_package_is_found_by_its_name(offer):
    offer("offerer", "half = offerer:Half")

    module = create_activation("half", factor=0.25)

    assert "half" in activation_names()
    assert is_activation(module)
    assert module(torch.tensor([4.0])).item() == 1.0


def test_a_module_that_registers_its_activations_itself_is_found(offer):
    offer("registers", "quarter = registers", f"import carelu\n{HALF}\ncarelu.register('quarter', factor=0.25)(Half)\n")

    assert ActivationFactory("quarter")(3, (1,))(torch.tensor([4.0])).item() == 1.0


def test_a_package_that_looks_up_activations_while_it_is_loaded_is_found(offer):
    offer("curious", "half = curious:Half", f"import carelu\nassert 'relu' in carelu.activation_names()\n{HALF}")

    assert "half" in activation_names()


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("broken = broken:Half", "import nothing_of_this_name", "ModuleNotFoundError"),
        ("broken = broken:Whole", HALF, "has no attribute 'Whole'"),
        ("broken = broken", HALF, "is no module of torch and has not registered one"),
        ("relu = broken:Half", HALF, "the name is taken"),
    ],
)
def test_a_broken_package_is_named_and_breaks_nothing_else(offer, monkeypatch, line, code, reason):
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    offer("broken", line, code)

    with pytest.warns(RuntimeWarning, match=reason):
        names = activation_names()

    assert "broken" not in names
    assert isinstance(create_activation("relu"), nn.ReLU)
