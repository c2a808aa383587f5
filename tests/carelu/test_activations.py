import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from carelu import CAReLU, PReLU
from carelu.functional import GAIN, SHARES, carelu, competition_dims, relu_beta
from carelu.kernels.build import library

COMPETITIONS = sorted(SHARES)
every_competition = pytest.mark.parametrize("competition", COMPETITIONS)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def moved(**options) -> CAReLU:
    """A module away from its start, so that every term of the gradient takes part."""
    return CAReLU(alpha=1.3, beta=-0.4, **options)


# The start


@every_competition
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_default_start_is_exactly_relu(competition, dtype):
    z = 100 * random(4, 8, 6, 6, dtype=dtype)

    assert torch.equal(CAReLU(competition)(z), torch.relu(z))


@pytest.mark.parametrize("gain", [1.1, 1.5, 2.0, 3.0])
def test_start_with_another_gain_is_relu(gain):
    module = CAReLU(gain=gain)

    z = random(4, 8)

    assert module.alpha.item() == 0
    torch.testing.assert_close(module(z), torch.relu(z))


@every_competition
@pytest.mark.parametrize("alpha", [-3.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("gain", [1.1, 1.5, 3.0])
def test_the_default_beta_gives_a_scale_of_one_where_both_sides_are_equal(competition, alpha, gain):
    module = CAReLU(competition, alpha=alpha, gain=gain)
    half = random(4, 8)
    z = torch.cat([half, -half], dim=1)

    torch.testing.assert_close(module.scale(torch.tensor(0.5)).item(), 1.0, rtol=0, atol=1e-5)
    torch.testing.assert_close(module(z), torch.relu(z), rtol=1e-5, atol=1e-5)


def test_the_default_beta_for_alpha_0_is_bit_for_bit_that_of_relu():
    assert CAReLU().beta.item() == CAReLU(beta=math.atanh(1 / GAIN)).beta.item()


def test_beta_given_is_the_beta_at_the_start():
    module = CAReLU(alpha=2.0, beta=-1.0, gain=0.5)

    assert (module.alpha.item(), module.beta.item()) == (2.0, -1.0)


@every_competition
def test_module_equals_the_function_with_its_parameters(competition):
    z = random(3, 4, 5, 5)
    module = moved(competition=competition, gain=2.0, over="channel", eps=1e-3)

    expected = carelu(z, module.alpha, module.beta, competition=competition, gain=2.0, over="channel", eps=1e-3)

    assert torch.equal(module(z), expected)


@every_competition
def test_module_reports_the_share_and_scale_that_it_uses(competition):
    z = random(3, 4, 5, 5)
    module = moved(competition=competition)

    share = module.share(z)

    assert torch.equal(share, SHARES[competition](z))
    torch.testing.assert_close(module.scale(share), GAIN * torch.tanh(1.3 * share - 0.4))
    torch.testing.assert_close(module(z), torch.relu(module.scale(share) * z))


def test_training_moves_both_parameters():
    z = random(8, 16)
    module = CAReLU()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    (module(z) - 2 * torch.relu(z)).square().mean().backward()
    optimizer.step()

    assert module.alpha.item() > 0
    assert module.beta.item() > relu_beta()


# The tensor before normalisation


@every_competition
def test_pre_norm_share_is_measured_on_the_second_argument(competition):
    z, before = random(3, 4, 5, 5), random(3, 4, 5, 5, seed=1) + 0.5
    module = moved(competition=competition, competition_input="pre_norm")

    expected = carelu(z, module.alpha, module.beta, share=SHARES[competition](before))

    assert module.needs_pre_norm
    torch.testing.assert_close(module(z, before), expected)


def test_normalised_share_ignores_the_second_argument():
    z = random(3, 4)
    module = moved()

    assert not module.needs_pre_norm
    assert torch.equal(module(z, random(3, 4, seed=1)), module(z))


@every_competition
def test_pre_norm_gradients_agree_with_finite_differences(competition):
    module = moved(competition=competition, competition_input="pre_norm").double()
    z = random(2, 2, 2, 2, dtype=torch.float64)
    before = random(2, 2, 2, 2, seed=1, dtype=torch.float64)
    inputs = (
        (z + 0.2 * z.sign()).requires_grad_(),
        (before + 0.2 * before.sign()).requires_grad_(),
        module.alpha.detach().clone().requires_grad_(),
        module.beta.detach().clone().requires_grad_(),
    )

    def activate(z: Tensor, before: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        return torch.func.functional_call(module, {"alpha": alpha, "beta": beta}, (z, before))

    assert gradcheck(activate, inputs)
    assert gradgradcheck(activate, inputs)


def test_pre_norm_without_the_second_argument_is_refused():
    with pytest.raises(ValueError, match="competition_input='pre_norm'"):
        CAReLU(competition_input="pre_norm")(random(2, 3))


# Options


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"competition": "energi"}, "competition"),
        ({"competition_input": "prenorm"}, "competition_input"),
        ({"over": "samples"}, "over"),
        ({"over": ()}, "over"),
        ({"over": 1}, "over"),
        ({"over": (1.5,)}, "over"),
        ({"over": (1, 1)}, "over"),
        ({"gain": 1.0}, "gain"),
        ({"gain": 0.5}, "gain"),
        ({"gain": 0.0, "beta": 1.0}, "gain"),
        ({"gain": math.inf, "beta": 1.0}, "gain"),
        ({"gain": math.nan, "beta": 1.0}, "gain"),
        ({"eps": 0.0}, "eps"),
        ({"eps": -1e-6}, "eps"),
        ({"eps": math.nan}, "eps"),
    ],
    ids=str,
)
def test_option_out_of_range_is_refused_by_name_at_construction(options, option):
    with pytest.raises(ValueError, match=rf"\b{option}="):
        CAReLU(**options)


@pytest.mark.parametrize(
    ("option", "word", "near"), [("competition", "enrgy", "energy"), ("competition_input", "prenorm", "pre_norm")]
)
def test_misspelt_word_is_answered_with_the_near_one(option, word, near):
    with pytest.raises(ValueError, match=f"did you mean '{near}'"):
        CAReLU(**{option: word})


def test_dimension_that_the_input_does_not_have_is_refused_at_the_call():
    with pytest.raises(ValueError, match="over="):
        CAReLU(over=(3,))(random(2, 3))


@every_competition
@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64], ids=str)
def test_input_that_is_not_floating_point_is_refused(competition, dtype):
    with pytest.raises(TypeError, match="floating-point"):
        CAReLU(competition)(torch.ones(2, 3, dtype=dtype))


def test_printed_module_shows_its_options():
    text = repr(CAReLU("l1", gain=2.0, over=[1, 2], eps=1e-3, competition_input="pre_norm"))

    for part in ("competition='l1'", "gain=2.0", "over=(1, 2)", "eps=0.001", "competition_input='pre_norm'"):
        assert part in text


# Living in a model


def test_copies_have_parameters_of_their_own():
    module = moved()
    twin = copy.deepcopy(module)

    with torch.no_grad():
        twin.alpha.fill_(5.0)
        twin.beta.fill_(6.0)

    assert (module.alpha.item(), module.beta.item()) == pytest.approx((1.3, -0.4))


def test_state_dict_carries_exactly_alpha_and_beta():
    z = random(3, 4)
    module, other = moved(), CAReLU()

    assert set(module.state_dict()) == {"alpha", "beta"}
    other.load_state_dict(module.state_dict())

    assert torch.equal(other(z), module(z))


@every_competition
def test_channels_last_input_gives_the_contiguous_result(competition):
    z = random(2, 4, 6, 5)
    module = moved(competition=competition)

    output = module(z.to(memory_format=torch.channels_last))

    torch.testing.assert_close(output, module(z))
    assert output.is_contiguous(memory_format=torch.channels_last)


def test_strided_input_gives_the_contiguous_result():
    z = random(4, 10, 6).transpose(0, 2)[:, ::2]

    torch.testing.assert_close(moved()(z), moved()(z.contiguous()))


@every_competition
def test_autocast_result_is_bfloat16_and_close_to_float32(competition):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), moved(competition=competition))
    x = random(8, 16)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    output.float().sum().backward()

    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), model(x), rtol=5e-2, atol=5e-2)
    assert model[1].alpha.grad.dtype == torch.float32
    assert model[1].alpha.grad.isfinite()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_module_cast_to_low_precision_stays_close_to_float64(dtype):
    z = random(3, 4, 5, 5, dtype=dtype)
    module = CAReLU(alpha=1.25, beta=-0.5)

    output = copy.deepcopy(module).to(dtype)(z)

    assert output.dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(output.double(), module.double()(z.double()), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("competition", "dtype"),
    [("energy", torch.float32), ("energy", torch.bfloat16), ("l1", torch.float32), ("count", torch.float32)],
    ids=str,
)
def test_compiled_module_equals_eager_forward_and_backward(competition, dtype):
    # "aot_eager" traces forward and backward and leaves out the code generation, which takes half a minute.
    torch.compiler.reset()
    eager = moved(competition=competition)
    compiled = torch.compile(copy.deepcopy(eager), fullgraph=True, backend="aot_eager")
    results = []
    for module in (eager, compiled):
        z = random(3, 4, 5, 5, dtype=dtype).requires_grad_()
        output = module(z)
        output.backward(random(3, 4, 5, 5, seed=1, dtype=dtype))
        results.append((output, z.grad, *(parameter.grad for parameter in module.parameters())))

    for ours, reference in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(ours, reference)


# PReLU


def test_prelu_has_one_slope_per_channel_along_its_dimension():
    z = random(2, 3, 4)
    module = PReLU(channels=4, channel_dim=2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))

    expected = torch.where(z > 0, z, torch.tensor([0.1, 0.2, 0.3, 0.4]) * z)

    torch.testing.assert_close(module(z), expected)


def test_words_for_what_competes_are_read_as_the_function_reads_them():
    z = random(2, 3, 4, 5)

    for over in ("sample", "channel", "feature"):
        dims = competition_dims(4, over)
        assert torch.equal(moved(over=over)(z), moved(over=dims)(z)), over


def test_pre_norm_module_uses_its_gain_and_eps():
    module = CAReLU(competition_input="pre_norm", alpha=0.4, beta=0.2, gain=2.5, eps=3.0)
    z, before = torch.tensor([[1.0, -2.0]]), torch.tensor([[2.0, -1.0]])

    share = 4 / (4 + 1 + 3)
    assert module.share(z, before).item() == pytest.approx(share)
    assert module.scale(module.share(z, before)).item() == pytest.approx(2.5 * math.tanh(0.4 * share + 0.2))
    assert module(z, before).tolist() == [[pytest.approx(2.5 * math.tanh(0.4 * share + 0.2)), 0.0]]


def test_beta_of_zero_is_zero():
    assert CAReLU(beta=0.0).beta.item() == 0.0


def test_prelu_of_a_site_starts_at_its_init():
    assert PReLU.for_site(3, (1, 2, 3), False, init=0.1).weight.tolist() == pytest.approx([0.1] * 3)


# Parameters


def without_dimensions(module: CAReLU) -> CAReLU:
    """The module as version 0.1 had it: its parameters have no dimension."""
    module = copy.deepcopy(module)
    module.alpha, module.beta = nn.Parameter(module.alpha.detach()[0]), nn.Parameter(module.beta.detach()[0])
    return module


def trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    losses = []
    for step in range(6):
        optimizer.zero_grad()
        loss = (model(random(8, 6, seed=step)) - random(8, 3, seed=100 + step)).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses + [value for p in model.parameters() for value in p.flatten().tolist()]


@pytest.mark.parametrize("kernel", ["eager", "torch_ops", "cpp"])
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_training_is_bit_for_bit_that_of_parameters_without_dimensions(monkeypatch, kernel, optimizer):
    monkeypatch.setenv("CARELU_KERNEL", kernel)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), moved(), nn.Linear(6, 3))
    older = copy.deepcopy(model)
    older[1] = without_dimensions(older[1])

    assert trained(model, optimizer(model.parameters(), lr=0.1)) == trained(
        older, optimizer(older.parameters(), lr=0.1)
    )


def test_parameters_have_one_dimension_and_take_the_fused_kernel(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "cpp")  # an input that it does not support would be an error
    module = CAReLU().double()
    assert [tuple(p.shape) for p in module.parameters()] == [(1,), (1,)]
    module(random(2, 3, dtype=torch.float64)).sum().backward()
    assert all(p.grad.shape == (1,) for p in module.parameters())


def test_a_state_dict_without_dimensions_is_accepted():
    module = moved()
    model = nn.Sequential(nn.Linear(4, 4), CAReLU())

    model.load_state_dict({f"1.{key}": value for key, value in without_dimensions(module).state_dict().items()}, False)

    assert torch.equal(model[1](random(2, 4)), module(random(2, 4)))
    assert model[1].alpha.shape == (1,)


def test_a_state_dict_of_another_shape_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch for alpha"):
        CAReLU().load_state_dict({"alpha": torch.zeros(2), "beta": torch.zeros(1)})


@pytest.mark.parametrize("make", [lambda: moved(gain=2.0), lambda: PReLU(0.1, channels=3)])
def test_a_model_made_without_memory_starts_after_a_reset(make):
    with torch.device("meta"):
        module = make()
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        nn.init.constant_(parameter, math.nan)

    module.reset_parameters()

    for ours, expected in zip(module.parameters(), make().parameters(), strict=True):
        assert torch.equal(ours, expected)


def shard_and_train(rank: int, folder: str) -> None:
    """One of two processes that hold half of the model each; the first writes what they computed, and by what."""
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard

    from carelu.kernels import cpp

    fused, usual = [], cpp.forward
    cpp.forward = lambda *arguments: fused.append(rank) or usual(*arguments)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        model = small_model()
        fully_shard(model[1])
        fully_shard(model)
        results = trained_on_the_same(model)
        if rank == 0:
            torch.save((results, len(fused)), f"{folder}/results.pt")
    finally:
        dist.destroy_process_group()


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 6), moved(), nn.Linear(6, 3))


def trained_on_the_same(model: nn.Module) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    losses = []
    for step in range(4):
        optimizer.zero_grad()
        loss = model(random(8, 6, seed=step)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
@pytest.mark.skipif(torch.__version__ < (2, 7), reason="torch 2.6 shards on GPUs alone")
def test_fully_sharded_training_equals_that_of_one_process(tmp_path):
    torch.multiprocessing.start_processes(shard_and_train, (str(tmp_path),), nprocs=2, start_method="fork")

    losses, fused = torch.load(tmp_path / "results.pt")
    assert losses == pytest.approx(trained_on_the_same(small_model()), rel=1e-5)
    assert fused == len(losses) or library() is None


# Tracing


def test_a_model_is_traced_symbolically_with_one_node_for_the_activation():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), moved(), nn.Conv2d(4, 2, 3), PReLU(channels=2, channel_dim=1))
    images = random(2, 3, 8, 8)

    traced = torch.fx.symbolic_trace(model)

    assert [node.target for node in traced.graph.nodes if node.op == "call_function"].count(carelu) == 1
    torch.testing.assert_close(traced(images), model(images))
    traced(images).sum().backward()
    assert traced.get_submodule("1").alpha.grad.isfinite()
    twin = copy.deepcopy(traced)
    torch.testing.assert_close(twin(images[:1]), model(images[:1]))


def test_features_are_extracted_at_the_activation():
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), moved(), nn.Conv2d(4, 2, 3))
    images = random(2, 3, 8, 8)

    features = extraction.create_feature_extractor(model, {"1": "activated"})

    torch.testing.assert_close(features(images)["activated"], model[:2](images))


def test_scripting_is_refused_with_what_to_use_instead():
    with pytest.raises(NotImplementedError, match=r"torch\.export\.export"):
        torch.jit.script(nn.Sequential(nn.Linear(2, 2), CAReLU()))


def test_a_quantised_input_is_refused_with_what_to_do():
    quantised = torch.quantize_per_tensor(random(2, 3), 0.1, 0, torch.qint8)

    with pytest.raises(TypeError, match="qint8; leave it out of quantisation"):
        CAReLU()(quantised)
