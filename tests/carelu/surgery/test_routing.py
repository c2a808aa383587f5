import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu.surgery.routing import child_name, is_routed, route, seal_children, why_not_routable


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, z):
        return F.relu(z) * self.factor


class Inner(nn.Module):
    def forward(self, z):
        return F.relu(z - 1)


class Block(nn.Module):
    """Calls two functions itself; its children call one each."""

    def __init__(self):
        super().__init__()
        self.inner, self.act = Inner(), nn.ReLU()

    def forward(self, z):
        return self.act(F.gelu(self.inner(F.relu(z, inplace=True))) + 1)


def routed(*factors):
    model = Block()
    names = [child_name(model, position, kind) for position, kind in enumerate(("relu", "gelu"))]
    for name, factor in zip(names, factors, strict=False):
        model.add_module(name, Times(factor))
    route(model, [("relu", names[0]), ("gelu", names[1] if len(factors) > 1 else None)])
    seal_children(model)
    return model


Z = torch.tensor([-1.0, 1.0, 2.0])


def test_each_own_call_goes_to_its_module_and_those_of_children_do_not():
    model = routed(2, 3)
    assert torch.equal(model(Z), torch.tensor([1.0, 4.0, 10.0]))
    assert isinstance(model, Block) and type(model).__name__ == "Block" and is_routed(model)


def test_a_call_without_a_module_stays():
    expected = F.relu(F.gelu(F.relu(2 * F.relu(Z) - 1)) + 1)
    assert torch.equal(routed(2)(Z), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_have_modules_of_their_own(copied):
    model = routed(2, 3)
    other = copied(model)
    with torch.no_grad():
        model.functional_0_relu.factor.fill_(5)
    assert torch.equal(other(Z), torch.tensor([1.0, 4.0, 10.0]))
    assert list(other.state_dict()) == ["functional_0_relu.factor", "functional_1_gelu.factor"]


def test_it_works_in_several_threads_and_after_an_error():
    model, results = routed(2, 3), []
    with pytest.raises(TypeError):
        model("no tensor")
    threads = [threading.Thread(target=lambda: results.append(model(Z))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(each, model(Z)) for each in results) and len(results) == 4


def test_a_call_that_was_not_foreseen_is_refused():
    model = Block()
    model.functional_0_relu = Times(2)
    route(model, [("relu", "functional_0_relu")])
    seal_children(model)
    with pytest.raises(RuntimeError, match=r"Block calls F.gelu as its activation function number 2.*example_inputs"):
        model(Z)


def test_children_that_are_exchanged_keep_their_own_functions():
    model = routed(2, 3)
    model.inner = nn.Sequential(Inner(), nn.ReLU())
    expected = F.relu(3 * (2 * F.relu(Z) - 1).relu() + 1)
    assert torch.equal(model(Z), expected)
    assert torch.equal(model(Z), expected)


class Overwriting(nn.Module):
    def forward(self, z):
        z = z * 1
        z.relu_()
        return z


def test_a_function_that_overwrites_its_input_still_does():
    model = Overwriting()
    model.functional_0_relu = Times(2)
    route(model, [("relu", "functional_0_relu")])
    z = Z.clone().requires_grad_()
    out = model(z)
    out.sum().backward()
    assert torch.equal(out.detach(), torch.tensor([0.0, 2.0, 4.0]))
    assert torch.equal(z.grad, torch.tensor([0.0, 2.0, 2.0]))
    assert model.functional_0_relu.factor.grad == 3


def test_names_avoid_those_that_the_module_has():
    model = Block()
    model.functional_0_relu = 1
    assert child_name(model, 0, "relu") == "functional_0_relu_"


def test_what_cannot_be_routed_says_why():
    model = Block()
    assert why_not_routable(model) is None
    model.forward = lambda z: z
    assert "exchanged" in why_not_routable(model)
    assert "torch.fx" in why_not_routable(torch.fx.symbolic_trace(Inner()))


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_it_is_exported(strict):
    model = routed(2, 3)
    exported = torch.export.export(model, (Z,), strict=strict).module()
    assert torch.equal(exported(Z), model(Z))


@pytest.mark.slow
def test_it_is_compiled_in_one_graph():
    model = routed(2, 3)
    assert torch.equal(torch.compile(model, fullgraph=True, backend="aot_eager")(Z), model(Z))


@pytest.mark.slow
def test_it_is_compiled_after_a_child_was_exchanged_and_called():
    model = routed(2, 3)
    model.inner = nn.Sequential(Inner(), nn.ReLU())
    expected = model(Z)
    assert torch.equal(torch.compile(model, fullgraph=True, backend="aot_eager")(Z), expected)
