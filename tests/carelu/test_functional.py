import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from carelu.functional import (
    EPS,
    GAIN,
    SHARES,
    carelu,
    competition_dims,
    competition_scale,
    energy_share,
    relu_beta,
)

COMPETITIONS = sorted(SHARES)
OVERS = ["sample", "channel", "feature", (0, 2)]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
ALPHA, BETA = 1.3, -0.4

every_competition = pytest.mark.parametrize("competition", COMPETITIONS)
every_over = pytest.mark.parametrize("over", OVERS, ids=str)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def away_from_zero(*shape: int, seed: int = 0) -> Tensor:
    z = random(*shape, seed=seed)
    return z + 0.2 * z.sign()


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


# Values computed by hand


@pytest.mark.parametrize(("competition", "expected"), [("energy", 13 / 30), ("l1", 5 / 10), ("count", 2 / 5)])
def test_share_equals_the_value_computed_by_hand(competition, expected):
    z = torch.tensor([[3.0, -1.0, 2.0, -4.0, 0.0]], dtype=torch.float64)

    assert SHARES[competition](z).tolist() == [[pytest.approx(expected, rel=1e-6)]]


@pytest.mark.parametrize(("competition", "norm"), [("energy", 8.0), ("l1", 4.0)])
def test_eps_is_added_to_the_norm(competition, norm):
    z = torch.tensor([[2.0, -2.0]], dtype=torch.float64)

    share = SHARES[competition](z, eps=1.0)

    assert share.item() == pytest.approx((norm / 2) / (norm + 1.0), rel=1e-12)


def test_positive_scale_passes_the_positive_values():
    z = torch.tensor([[3.0, -1.0, 2.0, -4.0, 0.0]], dtype=torch.float64)

    output = carelu(z, 1.0, 0.2, competition="count", gain=2.0)

    # p = 0.4, so the scale is 2 tanh(0.6).
    assert output.tolist() == [pytest.approx([3 * 1.0740991339960706, 0, 2 * 1.0740991339960706, 0, 0])]


def test_negative_scale_passes_the_negative_values_with_sign_flipped():
    z = torch.tensor([[3.0, -1.0, 2.0, -4.0, 0.0]], dtype=torch.float64)

    output = carelu(z, 1.0, -1.0, competition="count", gain=2.0)

    # p = 0.4, so the scale is 2 tanh(−0.6).
    assert output.tolist() == [pytest.approx([0, 1.0740991339960706, 0, 4 * 1.0740991339960706, 0])]


def test_scale_is_gain_times_tanh_of_alpha_share_plus_beta():
    share = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)

    scale = competition_scale(share, 2.0, -1.0, gain=1.2)

    assert scale.tolist() == pytest.approx([1.2 * math.tanh(u) for u in (-1.0, -0.5, 1.0)])


def test_relu_beta_gives_a_scale_of_one():
    assert GAIN * math.tanh(relu_beta()) == pytest.approx(1.0, rel=1e-15)
    assert 4.0 * math.tanh(relu_beta(4.0)) == pytest.approx(1.0, rel=1e-15)
    assert 4.0 * math.tanh(-3.0 / 2 + relu_beta(4.0, alpha=-3.0)) == pytest.approx(1.0, rel=1e-14)


# Gradients


@every_competition
@every_over
def test_gradients_agree_with_finite_differences(competition, over):
    z = away_from_zero(2, 3, 2, 2).requires_grad_()

    assert gradcheck(
        lambda z, alpha, beta: carelu(z, alpha, beta, competition=competition, over=over),
        (z, scalar(ALPHA), scalar(BETA)),
    )


@every_competition
@every_over
def test_second_gradients_agree_with_finite_differences(competition, over):
    z = away_from_zero(2, 2, 2, 2).requires_grad_()

    assert gradgradcheck(
        lambda z, alpha, beta: carelu(z, alpha, beta, competition=competition, over=over),
        (z, scalar(ALPHA), scalar(BETA)),
    )


@every_competition
@pytest.mark.parametrize(("alpha", "beta"), [(1.3, 0.4), (-0.8, -0.3)], ids=["positive_scale", "negative_scale"])
def test_gradients_equal_their_closed_forms(competition, alpha, beta):
    z = away_from_zero(4, 7).requires_grad_()
    upstream = random(4, 7, seed=1)
    alpha, beta = scalar(alpha), scalar(beta)

    carelu(z, alpha, beta, competition=competition).backward(upstream)

    x = z.detach()
    positive = x.clamp(min=0)
    norm = {"energy": x.square(), "l1": x.abs()}.get(competition, torch.ones_like(x)).sum(1, keepdim=True)
    won = {"energy": positive.square(), "l1": positive}.get(competition, (x > 0).double()).sum(1, keepdim=True)
    total = norm if competition == "count" else norm + EPS
    p = won / total
    tanh = torch.tanh(alpha.detach() * p + beta.detach())
    passed = upstream * (GAIN * tanh * x > 0)
    grad_u = GAIN * (1 - tanh**2) * (passed * x).sum(1, keepdim=True)
    through_share = {
        "energy": 2 * (positive - p * x),
        "l1": (x > 0).double() - p * x.sign(),
        "count": torch.zeros_like(x),
    }[competition]
    grad_z = GAIN * tanh * passed + alpha.detach() * grad_u / total * through_share
    torch.testing.assert_close(z.grad, grad_z, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(alpha.grad, (p * grad_u).sum(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(beta.grad, grad_u.sum(), rtol=1e-10, atol=1e-12)


# Properties of the maths


@every_competition
@pytest.mark.parametrize("factor", [1e-2, 3.0, 1e4])
def test_scaling_the_input_by_a_positive_factor_scales_the_output(competition, factor):
    z = 10 * random(3, 4, 5, 5)

    torch.testing.assert_close(
        carelu(factor * z, ALPHA, BETA, competition=competition),
        factor * carelu(z, ALPHA, BETA, competition=competition),
        rtol=1e-5,
        atol=0,
    )


@every_competition
@every_over
def test_shares_of_an_input_and_of_its_negative_sum_to_one(competition, over):
    z = 10 * away_from_zero(3, 4, 5, 5)

    share = SHARES[competition](z, over=over)
    share_of_negative = SHARES[competition](-z, over=over)

    torch.testing.assert_close(share + share_of_negative, torch.ones_like(share), rtol=0, atol=1e-6)


@every_competition
def test_output_ignores_the_sign_of_the_input_when_alpha_is_minus_two_beta(competition):
    z = 10 * away_from_zero(3, 4, 5, 5)

    torch.testing.assert_close(
        carelu(-z, 1.4, -0.7, competition=competition),
        carelu(z, 1.4, -0.7, competition=competition),
        rtol=1e-5,
        atol=1e-5,
    )


@every_competition
def test_permuting_one_input_permutes_its_output(competition):
    z = random(3, 20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(
        carelu(z[:, order], ALPHA, BETA, competition=competition),
        carelu(z, ALPHA, BETA, competition=competition)[:, order],
    )


@every_competition
@pytest.mark.parametrize("over", ["sample", "channel", "feature"])
def test_output_of_an_input_is_independent_of_the_other_inputs(competition, over):
    z = random(5, 3, 4, 4)
    others_changed = z.clone()
    others_changed[1:] *= -100

    def activate(batch: Tensor) -> Tensor:
        return carelu(batch, ALPHA, BETA, competition=competition, over=over)

    torch.testing.assert_close(activate(others_changed)[0], activate(z)[0])
    torch.testing.assert_close(activate(z.flip(0)), activate(z).flip(0))
    torch.testing.assert_close(activate(z[:1]), activate(z)[:1])


@every_competition
def test_padding_never_changes_a_token_when_features_compete(competition):
    tokens = random(2, 3, 8)
    padded = torch.cat([tokens, 1e3 * random(2, 4, 8, seed=1)], dim=1)

    torch.testing.assert_close(
        carelu(padded, ALPHA, BETA, competition=competition, over="feature")[:, :3],
        carelu(tokens, ALPHA, BETA, competition=competition, over="feature"),
    )


@every_competition
@every_dtype
def test_zero_input_gives_zero_with_zero_gradient(competition, dtype):
    z = torch.zeros(2, 3, 4, 4, dtype=dtype, requires_grad=True)
    alpha, beta = scalar(ALPHA), scalar(BETA)

    output = carelu(z, alpha, beta, competition=competition)
    output.sum().backward()

    assert torch.equal(output, torch.zeros_like(z))
    assert torch.equal(z.grad, torch.zeros_like(z))
    assert (alpha.grad.item(), beta.grad.item()) == (0.0, 0.0)


@every_competition
def test_one_zero_input_in_a_batch_leaves_the_others_alone(competition):
    z = random(3, 6)
    z[1] = 0

    output = carelu(z, ALPHA, BETA, competition=competition)

    assert torch.equal(output[1], torch.zeros(6, dtype=torch.float64))
    torch.testing.assert_close(output[[0, 2]], carelu(z[[0, 2]], ALPHA, BETA, competition=competition))


def test_count_share_passes_no_gradient():
    z = random(2, 5).requires_grad_()

    assert not SHARES["count"](z).requires_grad


def test_nan_stays_nan():
    z = random(2, 5)
    z[0, 1] = math.nan

    for competition in COMPETITIONS:
        output = carelu(z, ALPHA, BETA, competition=competition)
        assert output[0, 1].isnan(), competition
        assert not output[1].isnan().any(), competition


# Dtypes and extreme values


@every_competition
@every_dtype
def test_result_has_the_dtype_of_the_input_and_is_close_to_float64(competition, dtype):
    z = random(3, 4, 5, 5, dtype=dtype)

    output = carelu(z, ALPHA, BETA, competition=competition)

    assert output.dtype == dtype
    reference = carelu(z.double(), ALPHA, BETA, competition=competition)
    tolerance = max(torch.finfo(dtype).eps, 1e-6)
    torch.testing.assert_close(output.double(), reference, rtol=tolerance, atol=tolerance)


@every_competition
@every_dtype
def test_share_is_measured_in_float32_or_wider(competition, dtype):
    z = random(3, 4, 5, 5, dtype=dtype)

    share = SHARES[competition](z)

    assert share.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(share.double(), SHARES[competition](z.double()), rtol=1e-6, atol=0)


@every_competition
@every_dtype
@every_over
def test_share_is_between_zero_and_one(competition, dtype, over):
    for seed, shift in enumerate((-5, 0, 5)):
        share = SHARES[competition]((random(4, 5, 6, 6, seed=seed) + shift).to(dtype), over=over)
        assert ((share >= 0) & (share <= 1)).all()


MAGNITUDES = {
    "largest": lambda info: info.max,
    "smallest_normal": lambda info: info.smallest_normal,
    "smallest_subnormal": lambda info: info.smallest_normal * info.eps,
}


@every_competition
@every_dtype
@pytest.mark.parametrize("magnitude", MAGNITUDES)
def test_share_holds_at_the_limits_of_the_dtype(competition, dtype, magnitude):
    signs = torch.tensor([[1.0, -1.0, 1.0, 1.0]], dtype=dtype)

    share = SHARES[competition](MAGNITUDES[magnitude](torch.finfo(dtype)) * signs)

    assert 0 <= share.item() <= 1
    if magnitude == "largest" or competition == "count":
        assert share.item() == pytest.approx(3 / 4)


@every_competition
@every_dtype
@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.0, relu_beta()), (0.7, -0.2)], ids=["start_as_relu", "moved_from_start"]
)
def test_output_and_gradients_are_no_nan_at_the_limits_of_the_dtype(competition, dtype, magnitude, alpha, beta):
    signs = torch.tensor([[1.0, -1.0, 1.0, 1.0]], dtype=dtype)
    z = (MAGNITUDES[magnitude](torch.finfo(dtype)) * signs).requires_grad_()
    alpha, beta = scalar(alpha), scalar(beta)

    output = carelu(z, alpha, beta, competition=competition)
    # Small enough for the gradient of the scale, the sum of upstream · z, to stay finite itself.
    output.backward(torch.full_like(z, 0.1))

    assert not output.isnan().any()
    for gradient in (z.grad, alpha.grad, beta.grad):
        assert gradient.isfinite().all()


@every_competition
def test_values_of_very_different_size_compete_in_float16(competition):
    z = torch.tensor([[6e4, -6e-8, 1.0, -6e4]], dtype=torch.float16)

    share = SHARES[competition](z)

    torch.testing.assert_close(share.double(), SHARES[competition](z.double()), rtol=1e-6, atol=0)


# What competes


@pytest.mark.parametrize(
    ("ndim", "over", "dims"),
    [
        (2, "sample", (1,)),
        (4, "sample", (1, 2, 3)),
        (3, "channel", (2,)),
        (4, "channel", (2, 3)),
        (1, "feature", (0,)),
        (2, "feature", (1,)),
        (3, "feature", (2,)),
        (4, "feature", (1,)),
        (5, "feature", (1,)),
        (1, "image_or_token", (0,)),
        (2, "image_or_token", (1,)),
        (3, "image_or_token", (2,)),
        (4, "image_or_token", (1, 2, 3)),
        (5, "image_or_token", (1, 2, 3, 4)),
        (4, (-1, 1), (3, 1)),
        (4, [0, 2], (0, 2)),
    ],
)
def test_over_names_the_competing_dimensions(ndim, over, dims):
    assert competition_dims(ndim, over) == dims


@every_competition
@every_over
def test_competing_dimensions_keep_size_one_in_the_share(competition, over):
    shape = (2, 3, 4, 5)
    dims = competition_dims(4, over)

    share = SHARES[competition](random(*shape), over=over)

    assert share.shape == tuple(1 if dim in dims else size for dim, size in enumerate(shape))


@every_competition
def test_competition_over_channels_measures_each_channel_separately(competition):
    z = random(2, 3, 4, 4)

    share = SHARES[competition](z, over="channel")

    for sample in range(2):
        for channel in range(3):
            alone = SHARES[competition](z[sample, channel].reshape(1, -1))
            assert share[sample, channel].item() == pytest.approx(alone.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("over", "ndim"),
    [
        ("samples", 4),
        ((4,), 4),
        ((-5,), 4),
        ((1, 1), 4),
        ((1, -3), 4),
        ((), 4),
        ("channel", 2),
        ("sample", 1),
        ("feature", 0),
    ],
    ids=str,
)
def test_over_that_does_not_fit_the_input_is_refused(over, ndim):
    z = torch.ones((2,) * ndim)

    for competition in COMPETITIONS:
        with pytest.raises(ValueError, match="over="):
            carelu(z, 0.0, 1.0, competition=competition, over=over)


@every_competition
@pytest.mark.parametrize("over", ["feature", (0,)], ids=str)
def test_input_of_one_dimension_competes_when_its_dimension_is_named(competition, over):
    z = random(6)

    torch.testing.assert_close(
        carelu(z, ALPHA, BETA, competition=competition, over=over),
        carelu(z[None], ALPHA, BETA, competition=competition)[0],
    )


# A share measured elsewhere


@every_competition
def test_given_share_takes_the_place_of_the_measured_one(competition):
    z = random(3, 4, 5, 5)

    given = carelu(z, ALPHA, BETA, share=SHARES[competition](z, over="channel"))

    torch.testing.assert_close(given, carelu(z, ALPHA, BETA, competition=competition, over="channel"))


@every_competition
def test_share_of_another_tensor_is_measured_over_its_own_dimensions(competition):
    z, measured = random(3, 4, 5), random(3, 1, 7, seed=1)

    output = carelu(z, ALPHA, BETA, competition=competition, over=(2,), measured=measured)

    torch.testing.assert_close(output, carelu(z, ALPHA, BETA, share=SHARES[competition](measured, over=(2,))))


def test_tensor_that_cannot_be_measured_is_refused():
    z = random(3, 4)
    with pytest.raises(ValueError, match="share and measured are both given"):
        carelu(z, ALPHA, BETA, share=torch.tensor(0.5), measured=z)
    with pytest.raises(TypeError, match=r"measured is torch\.int64"):
        carelu(z, ALPHA, BETA, measured=torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"share of shape \(2, 1\) does not broadcast"):
        carelu(z, ALPHA, BETA, measured=random(2, 4))


def test_gain_is_that_of_the_caller_with_a_given_share():
    z = random(3, 4)

    output = carelu(z, 0.0, 0.3, gain=2.5, share=torch.tensor(0.5))

    torch.testing.assert_close(output, 2.5 * math.tanh(0.3) * torch.relu(z), rtol=1e-6, atol=1e-6)


def test_the_published_defaults_of_gain_and_eps():
    assert (GAIN, EPS) == (1.5, 1e-6)


@pytest.mark.parametrize("shape", [(2, 1), (3, 5), (1, 3, 4), (4, 1)], ids=str)
def test_share_that_does_not_broadcast_to_the_input_is_refused(shape):
    with pytest.raises(ValueError, match="share of shape"):
        carelu(random(3, 4), ALPHA, BETA, share=torch.full(shape, 0.5))


@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (1, 4), (3, 4)], ids=str)
def test_share_that_broadcasts_to_the_input_is_accepted(shape):
    z = random(3, 4)

    output = carelu(z, 0.0, relu_beta(), share=torch.full(shape, 0.5, dtype=torch.float64))

    torch.testing.assert_close(output, torch.relu(z))


# Empty inputs and wrong arguments


@every_competition
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (0, 3), (2, 0), (2, 0, 4, 4)], ids=str)
def test_input_without_elements_goes_forward_and_backward(competition, shape):
    z = torch.zeros(shape, requires_grad=True)
    alpha, beta = scalar(ALPHA), scalar(BETA)

    output = carelu(z, alpha, beta, competition=competition)
    output.sum().backward()

    assert output.shape == z.grad.shape == shape
    assert (alpha.grad.item(), beta.grad.item()) == (0.0, 0.0)


@every_competition
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)], ids=str)
def test_share_of_an_input_without_elements_is_between_zero_and_one(competition, shape):
    share = SHARES[competition](torch.zeros(shape))

    assert share.shape == (shape[0], 1)
    assert ((share >= 0) & (share <= 1)).all()


@every_competition
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_input_that_is_not_floating_point_is_refused(competition, dtype):
    z = torch.ones(2, 3, dtype=dtype)

    with pytest.raises(TypeError, match="floating-point"):
        carelu(z, ALPHA, BETA, competition=competition)
    with pytest.raises(TypeError, match="floating-point"):
        SHARES[competition](z)


def test_unknown_competition_is_refused_with_the_accepted_ones():
    with pytest.raises(ValueError, match=r"competition='energie'.*energy, l1, count"):
        carelu(random(2, 3), ALPHA, BETA, competition="energie")


@pytest.mark.parametrize("gain", [1.0, 0.5, -2.0, math.nan])
def test_gain_that_cannot_start_as_relu_is_refused(gain):
    with pytest.raises(ValueError, match=r"gain=.* needs gain > 1; take a larger gain, or give beta a number"):
        relu_beta(gain)


def test_input_is_left_unchanged():
    z = random(2, 3)
    before = z.clone()

    carelu(z, ALPHA, BETA)
    energy_share(z)

    assert torch.equal(z, before)


def test_a_bare_number_of_a_dimension_is_refused_with_the_way_to_write_it():
    with pytest.raises(ValueError, match=r"over=\(1,\)"):
        competition_dims(3, 1)
