import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu import CAReLU, PReLU, register, replace_activations
from carelu.registry import unregister


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.GELU()), nn.Dropout(), nn.Linear(8, 2)
    )


def modules_of(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


def test_every_activation_is_replaced_and_named():
    model = perceptron()

    names = replace_activations(model)

    assert names == ["1", "2.1"]
    assert all(type(model.get_submodule(name)) is CAReLU for name in names)
    assert not modules_of(model, (nn.ReLU, nn.GELU))


def test_everything_else_stays_the_same_object():
    model = perceptron()
    before = [model[0], model[2], model[2][0], model[3], model[4]]

    replace_activations(model)

    after = [model[0], model[2], model[2][0], model[3], model[4]]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_each_place_gets_its_own_parameters():
    model = perceptron()

    replace_activations(model)

    first, second = modules_of(model, CAReLU)
    assert first is not second
    assert len({id(parameter) for module in (first, second) for parameter in module.parameters()}) == 4


def test_options_reach_the_new_modules():
    model = perceptron()

    replace_activations(model, "carelu_l1", over="feature", gain=2.0)

    for module in modules_of(model, CAReLU):
        assert (module.competition, module.over, module.gain) == ("l1", "feature", 2.0)


def test_classes_named_in_replace_are_the_only_ones_replaced():
    model = perceptron()

    assert replace_activations(model, "prelu", replace=(nn.GELU,)) == ["2.1"]

    assert type(model[1]) is nn.ReLU
    assert type(model[2][1]) is PReLU


def test_classes_of_the_user_can_be_replaced():
    model = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())

    assert replace_activations(model, replace=(nn.Sigmoid,)) == ["1"]

    assert type(model[1]) is CAReLU


def test_activations_of_this_library_are_replaced_too():
    model = perceptron()
    replace_activations(model, "carelu")

    assert replace_activations(model, "mish") == ["1", "2.1"]

    assert not modules_of(model, CAReLU)


def test_gates_and_outputs_are_left_alone():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Sigmoid(), nn.Softmax(dim=1))

    assert replace_activations(model) == ["1"]


@pytest.mark.parametrize(
    "name",
    [
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "RReLU",
        "PReLU",
        "ELU",
        "CELU",
        "SELU",
        "GELU",
        "SiLU",
        "Mish",
        "Hardswish",
        "Softplus",
    ],
)
def test_each_activation_of_torch_between_layers_is_replaced(name):
    assert replace_activations(nn.Sequential(nn.Linear(2, 2), getattr(nn, name)())) == ["1"]


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Hardsigmoid", "Hardtanh", "GLU"])
def test_each_gate_and_output_of_torch_is_left_alone(name):
    assert replace_activations(nn.Sequential(getattr(nn, name)(), nn.ReLU())) == ["1"]


def test_a_name_that_begins_with_another_is_replaced_too():
    model = nn.ModuleDict({"act": nn.ReLU(), "act2": nn.ReLU()})

    assert replace_activations(model) == ["act", "act2"]


def test_positions_of_one_module_get_modules_of_their_own():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Linear(3, 3), shared, nn.Linear(3, 3), shared)

    assert replace_activations(model) == ["1", "3"]

    assert type(model[1]) is type(model[3]) is CAReLU
    assert model[1] is not model[3]
    assert model[1].alpha is not model[3].alpha


def test_activation_inside_a_replaced_one_goes_with_it():
    try:

        @register("negated_relu")
        class NegatedReLU(nn.Module):
            def __init__(self):
                super().__init__()
                self.relu = nn.ReLU()

            def forward(self, z):
                return -self.relu(z)

        model = nn.Sequential(nn.Linear(3, 3), NegatedReLU())
        names = replace_activations(model)
    finally:
        unregister("negated_relu")

    assert names == ["1"]
    assert type(model[1]) is CAReLU
    assert not list(model[1].children())


def test_new_modules_are_on_the_device_of_the_model():
    model = perceptron().to("meta")

    replace_activations(model)

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_model_without_parameters_is_served():
    model = nn.Sequential(nn.Flatten(), nn.ReLU())

    assert replace_activations(model) == ["1"]


def test_replaced_model_learns_its_activations():
    model = perceptron()
    replace_activations(model, over="feature")

    model(torch.randn(5, 6, generator=torch.Generator().manual_seed(0))).square().sum().backward()

    for module in modules_of(model, CAReLU):
        assert module.alpha.grad.isfinite() and module.alpha.grad != 0
        assert module.beta.grad.isfinite() and module.beta.grad != 0


def test_other_names_of_one_module_share_one():
    model = nn.Module()
    model.act = nn.ReLU()
    model.body = nn.Sequential(nn.Linear(3, 3), model.act)
    model.same = model.act

    assert replace_activations(model) == ["body.1"]

    assert type(model.act) is CAReLU
    assert model.act is model.body[1] is model.same


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(3, 3)), nn.ReLU()], ids=["no_activation", "no_submodule"])
def test_model_with_nothing_to_replace_is_refused(model):
    with pytest.raises(ValueError, match="no activation module to replace"):
        replace_activations(model)


def test_replacing_no_class_is_refused():
    with pytest.raises(ValueError, match="no activation module to replace"):
        replace_activations(perceptron(), replace=())


@pytest.mark.parametrize(("name", "options"), [("cralu", {}), ("carelu", {"gian": 2.0}), ("carelu", {"gain": 0.5})])
def test_model_is_untouched_when_the_request_is_wrong(name, options):
    model = perceptron()

    with pytest.raises(ValueError):
        replace_activations(model, name, **options)

    assert type(model[1]) is nn.ReLU
    assert type(model[2][1]) is nn.GELU


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=10).eval()


def test_resnet_keeps_its_result_when_carelu_starts_as_relu(resnet):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model = copy.deepcopy(resnet)

    names = replace_activations(model)

    # One in the stem, one in each of the eight blocks.
    assert len(names) == 9 and "relu" in names and "layer4.1.relu" in names
    assert not modules_of(model, nn.ReLU)
    activations = modules_of(model, CAReLU)
    assert len({id(parameter) for module in activations for parameter in module.parameters()}) == 18
    with torch.no_grad():
        assert torch.allclose(model(images), resnet(images), rtol=1e-4, atol=1e-5)


class Calls(nn.Module):
    """Calls F.relu twice, and holds F.gelu in an attribute."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.act = nn.Linear(6, 8), nn.Linear(8, 6), F.gelu

    def forward(self, z):
        return F.relu(self.act(self.second(F.relu(self.first(z)))))


FUNCTIONAL = ["functional_0_relu", "functional_1_relu"]
BATCH = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def test_functions_are_replaced_where_example_inputs_show_them():
    model = Calls()

    report = replace_activations(model, example_inputs=BATCH)

    assert report == ["act", *FUNCTIONAL]
    assert [(site.kind, site.before, site.calls, site.shape) for site in report.sites] == [
        ("attribute", "F.gelu", 1, (4, 6)),
        ("function", "F.relu", 1, (4, 8)),
        ("function", "F.relu", 1, (4, 6)),
    ]
    model(BATCH).sum().backward()
    assert all(model.get_submodule(name).alpha.grad is not None for name in report)


def test_a_module_that_is_invoked_twice_has_one_site_for_each_call_in_it():
    block = Calls()
    model = nn.Sequential(block, block)
    report = replace_activations(model, example_inputs=BATCH)
    assert {site.name: site.calls for site in report.sites} == {
        "0.act": 2,
        "0." + FUNCTIONAL[0]: 2,
        "0." + FUNCTIONAL[1]: 2,
    }
    model(BATCH).sum().backward()


def test_functions_left_out_by_replace_stay():
    model = Calls()
    before = model(BATCH)
    assert replace_activations(model, example_inputs=BATCH, replace=[F.relu]) == FUNCTIONAL
    assert torch.allclose(model(BATCH), before, atol=1e-6) and model.act is F.gelu


def test_functions_are_named_where_nothing_shows_them():
    model = Calls()
    with pytest.warns(UserWarning, match=r"Calls: F.relu.*example_inputs"):
        report = replace_activations(model)
    assert report == ["act"] and len(report.warnings) == 1

    model = Calls()
    model.act = torch.tanh
    with pytest.raises(ValueError, match=r"Calls: F.relu.*pass example_inputs"):
        replace_activations(model)


def test_functions_that_cannot_be_replaced_are_named():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), Calls())
    model[2].forward = model[2].forward
    with pytest.warns(UserWarning, match=r"2 activations are not replaced: 2.functional_0_relu \(its forward"):
        assert replace_activations(model, example_inputs=BATCH) == ["1", "2.act"]
    assert type(model[2]) is Calls


def test_sites_that_the_inputs_do_not_reach_are_named_and_replaced_when_they_are():
    model = perceptron()
    model.unused = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.forward = lambda z: nn.Sequential.forward(model[:5], z)
    with pytest.warns(
        UserWarning, match=r"1 activations are not replaced: unused.1 \(example_inputs do not reach it\)"
    ):
        report = replace_activations(model, example_inputs=BATCH)
    assert {site.name: site.calls for site in report.sites} == {"1": 1, "2.1": 1, "unused.1": 0}
    assert report == ["1", "2.1"] and type(model.unused[1]) is nn.ReLU

    del model.forward
    model.unused = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert replace_activations(model, example_inputs=BATCH) == ["1", "2.1", "unused.1"]


def test_a_dry_run_reports_and_changes_nothing():
    model = Calls()
    before = str(model)
    report = replace_activations(model, example_inputs=BATCH, dry_run=True)
    assert report == ["act", *FUNCTIONAL]
    assert str(model) == before and type(model) is Calls and model.act is F.gelu


@pytest.mark.parametrize("where", ["functional_0*", ["functional_0_relu"], lambda site: site.shape == (4, 8)])
def test_where_chooses_sites(where):
    model = Calls()
    report = replace_activations(model, example_inputs=BATCH, where=where)
    assert report == ["functional_0_relu"]
    assert [site.note for site in report.sites] == ["left out by where", "", "left out by where"]
    reference = F.relu(F.gelu(model.second(F.relu(model.first(BATCH)))))
    assert torch.allclose(model(BATCH), reference, atol=1e-6)  # CAReLU starts as ReLU


def test_where_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match=r"where='relu\*' fits no activation of the model; its activations: 1, 2.1"):
        replace_activations(perceptron(), where="relu*")


def test_a_second_call_keeps_what_was_learned_and_adds_what_is_new():
    model = perceptron()
    replace_activations(model, gain=2.0)
    with torch.no_grad():
        model[1].alpha.fill_(3)
    model.append(nn.ReLU())

    report = replace_activations(model, gain=2.0, example_inputs=BATCH)

    assert report == ["1", "2.1", "5"]
    assert [site.note for site in report.sites] == ["kept", "kept", ""]
    assert model[1].alpha == 3


def test_a_second_call_on_routed_functions_exchanges_their_modules():
    model = Calls()
    replace_activations(model, example_inputs=BATCH)
    assert replace_activations(model, "mish", example_inputs=BATCH) == ["act", *FUNCTIONAL]
    assert torch.allclose(model(BATCH), F.mish(F.mish(model.second(F.mish(model.first(BATCH))))))


def test_a_second_call_takes_what_the_first_one_left_out():
    model = Calls()
    replace_activations(model, example_inputs=BATCH, where="functional_1*")
    with torch.no_grad():
        model.functional_1_relu.alpha.fill_(3)

    report = replace_activations(model, example_inputs=BATCH)

    assert {site.name: site.note for site in report.sites} == {
        "act": "",
        "functional_1_relu": "kept",
        "functional_1_relu_": "",
    }
    reference = model.functional_1_relu(model.act(model.second(model.functional_1_relu_(model.first(BATCH)))))
    assert torch.equal(model(BATCH), reference)


def test_competition_is_chosen_by_layout_and_shown():
    convolutional = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 4), nn.GELU())
    report = replace_activations(convolutional, example_inputs=torch.randn(2, 3, 4, 4))
    assert [(site.layout, site.over) for site in report.sites] == [("N×C×H×W", "sample"), ("N×C", (-1,))]
    assert "over=(-1,)" in repr(convolutional[4])
    assert "(-1,)" in str(report)

    explicit = perceptron()
    replace_activations(explicit, over="sample")
    assert explicit[1].over == "sample"


@pytest.mark.parametrize(
    "layer",
    [
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=nn.ReLU()),
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"),
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    ],
    ids=["module", "gelu", "relu"],
)
@pytest.mark.parametrize("example", [True, False])
def test_the_fused_encoder_layer_does_not_pass_the_new_activation_by(layer, example):
    model = nn.TransformerEncoder(copy.deepcopy(layer), 2).eval()
    tokens = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    inputs = {"src": tokens, "src_key_padding_mask": torch.tensor([[False] * 3 + [True] * 2] * 2)}

    names = replace_activations(model, "carelu_sign", example_inputs=inputs if example else None)

    assert names == ["layers.0.activation", "layers.1.activation"]
    with_gradients = model(**inputs)
    with torch.no_grad():
        without = model(**inputs)
    assert torch.allclose(with_gradients[:, :3], without[:, :3], atol=1e-6)


def test_untouched_encoder_layers_keep_their_fast_path():
    model = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Sequential(nn.ReLU())])
    replace_activations(model, where="1.*")
    assert model[0].activation_relu_or_gelu == 1


def test_scripted_and_distributed_models_are_refused():
    with pytest.raises(ValueError, match="TorchScript module"):
        replace_activations(nn.Sequential(torch.jit.script(nn.Sequential(nn.ReLU()))))
    wrapped = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(wrapped)  # a whole one needs a process group
    wrapped.module = nn.Sequential(nn.ReLU())
    with pytest.raises(ValueError, match="replace before wrapping the model"):
        replace_activations(wrapped)
    with pytest.raises(ValueError, match=r"accepted: a torch\.nn\.Module"):
        replace_activations([nn.ReLU()])


def test_an_activation_that_needs_the_tensor_before_normalisation_is_refused():
    with pytest.raises(ValueError, match="competition_input"):
        replace_activations(nn.Sequential(nn.ReLU()), "carelu_pre_norm")
