"""Methods of a routed module: called by its forward, called directly, and recomputed by a checkpoint."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from carelu import replace_activations
from carelu.surgery.kinds import FUNCTIONS
from carelu.surgery.routing import spans_of

Z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


class Coder(nn.Module):
    """Its forward calls its methods, one activation in each and one between them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def encode(self, x):
        return self.b(F.relu(self.a(x)))

    def decode(self, z):
        return self.a(F.relu(self.deep(z)))

    def deep(self, z):
        return F.silu(self.b(z))

    def forward(self, x):
        return self.decode(F.gelu(self.encode(x)))


def replaced(model, inputs=Z, **options):
    replace_activations(model, example_inputs=inputs, **options)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(model.named_parameters()):
            if "functional" in name:
                parameter.fill_(0.5 + index / 10)
    return model


def same(model):
    return model


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copied", [same, copy.deepcopy, pickled])
def test_a_method_that_is_called_directly_computes_its_own_activations(copied):
    model = copied(replaced(Coder()))
    act = [model.get_submodule(f"functional_{n}_{name}") for n, name in enumerate(["relu", "gelu", "silu", "relu"])]

    encoded, decoded = model.encode(Z), model.decode(Z)

    assert torch.equal(encoded, model.b(act[0](model.a(Z))))
    assert torch.equal(decoded, model.a(act[3](act[2](model.b(Z)))))
    assert torch.equal(model.deep(Z), act[2](model.b(Z)))
    assert torch.equal(model.decode(act[1](encoded)), model(Z))


def test_calls_that_are_left_out_or_held_as_attributes_keep_the_order():
    class Held(Coder):
        def __init__(self):
            super().__init__()
            self.act = F.mish

        def forward(self, x):
            return super().forward(self.act(x))

    model = replaced(Held(), replace=[F.silu, F.relu, F.mish])
    assert spans_of(model) == {"forward": (0, (4,)), "encode": (0, (1,)), "decode": (2, (2,)), "deep": (2, (1,))}
    assert torch.equal(model.decode(F.gelu(model.encode(model.act(Z)))), model(Z))


class Siamese(Coder):
    def forward(self, x):
        return self.encode(x) - self.encode(-x)


def test_a_method_that_forward_calls_twice_cannot_be_called_directly():
    model = replaced(Siamese())
    assert model(Z).shape == Z.shape
    with pytest.raises(RuntimeError, match=r"Siamese.encode was called several times in one forward.*call Siamese"):
        model.encode(Z)


def test_a_method_that_each_invocation_calls_once_can_be_called_directly():
    coder = Coder()
    model = replaced(nn.Sequential(coder, coder))
    assert torch.equal(model[0].decode(coder.functional_1_gelu(model[0].encode(Z))), coder(Z))


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def context(self, x, context):
        return x if context is None else x + F.relu(self.a(context))

    def forward(self, x, context=None):
        return F.relu(self.b(self.context(x, context)))


def test_a_path_with_fewer_calls_is_refused():
    model = replaced(Optional(), (Z, Z))
    model(Z, Z)
    with pytest.raises(RuntimeError, match=r"Optional called 1 activation functions instead of 2.*example_inputs"):
        model(Z)
    with pytest.raises(RuntimeError, match=r"Optional\.context called 0 activation functions instead of 1"):
        model.context(Z, None)


class Moody(nn.Module):
    def forward(self, z):
        z = F.relu(z)
        return F.silu(z) if self.training else z


def test_numbers_of_calls_that_either_mode_showed_are_accepted():
    model = replaced(Moody())
    assert torch.equal(model.eval()(Z), model.functional_0_relu(Z))
    assert torch.equal(model.train()(Z), model.functional_1_silu(model.functional_0_relu(Z)))


class Checkpointed(Coder):
    def __init__(self, how, use_reentrant=True):
        super().__init__()
        self.how, self.use_reentrant = how, use_reentrant

    def forward(self, x):
        if self.how == "no":
            return self.a(self.encode(x))
        function = {"method": self.encode, "lambda": lambda x: self.encode(x), "closure": lambda x: F.relu(self.a(x))}
        return self.a(checkpoint(function[self.how], x, use_reentrant=self.use_reentrant))


def gradients(model):
    model.zero_grad()
    model(Z.clone().requires_grad_()).square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("how", ["method", "lambda"])
def test_a_checkpointed_method_has_the_gradients_of_one_that_is_not(how, use_reentrant):
    expected, got = gradients(replaced(Checkpointed("no"))), gradients(replaced(Checkpointed(how, use_reentrant)))
    assert expected.keys() == got.keys()
    assert all(got[name] is not None and torch.equal(got[name], each) for name, each in expected.items())


class CheckpointedTwice(Coder):
    def forward(self, x):
        return checkpoint(self.encode, checkpoint(self.encode, x, use_reentrant=False), use_reentrant=False)


@pytest.mark.parametrize("model", [Checkpointed("closure"), Checkpointed("closure", False), CheckpointedTwice()])
def test_what_a_checkpoint_would_recompute_without_its_activations_is_not_replaced(model):
    model = nn.Sequential(model, nn.ReLU())
    with pytest.warns(UserWarning, match=r"0.functional_0_relu.*\(torch.utils.checkpoint calls them again"):
        assert replace_activations(model, example_inputs=Z) == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_a_module_with_methods_is_exported(strict):
    model = replaced(Coder())
    exported = torch.export.export(model, (Z,), strict=strict).module()
    assert torch.allclose(exported(Z), model(Z))


@pytest.mark.slow
def test_a_module_with_methods_is_compiled_in_one_graph():
    model = replaced(Coder())
    assert torch.allclose(torch.compile(model, fullgraph=True, backend="aot_eager")(Z), model(Z))
    assert torch.allclose(torch.compile(model.encode, fullgraph=True, backend="aot_eager")(Z), model.encode(Z))


class Signed(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x, scale: float = 1.0, *, labels=None):
        return F.relu(self.linear(x)) * scale


class Plain(Signed):
    def forward(self, x):
        return F.gelu(super().forward(x))


def test_forward_keeps_its_signature():
    expected = inspect.signature(Signed().forward)
    assert inspect.signature(replaced(Signed()).forward) == expected
    assert inspect.signature(pickled(replaced(Signed())).forward) == expected


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_it_is_exported_with_dynamic_shapes(strict):
    model = replaced(Plain())
    n = torch.export.Dim("n", min=2)
    exported = torch.export.export(model, (Z,), dynamic_shapes={"x": {0: n}}, strict=strict).module()
    more = torch.randn(7, 4)
    assert torch.allclose(exported(more), model(more))


@pytest.mark.parametrize("model", [Plain(), Coder(), nn.Sequential(Coder(), nn.Linear(4, 4))])
def test_torch_fx_sees_the_new_modules(model):
    model = replaced(model)
    graph = torch.fx.symbolic_trace(model)
    assert torch.equal(graph(Z), model(Z))
    assert any("functional_0_relu" in str(node.target) for node in graph.graph.nodes)
    assert not [node for node in graph.graph.nodes if node.op == "call_function" and node.target in FUNCTIONS]


def test_features_are_extracted_by_torchvision():
    models = pytest.importorskip("torchvision.models")
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    model = models.DenseNet(4, (1, 1, 1, 1), 8)
    images = torch.randn(2, 3, 32, 32)
    replaced(model.eval(), images)
    extractor = extraction.create_feature_extractor(model, ["features.denseblock1", "classifier"])
    assert torch.equal(extractor(images)["classifier"], model(images))
