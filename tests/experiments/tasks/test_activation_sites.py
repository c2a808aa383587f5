"""What a model gives its activations, and where a competition may reach."""

import pytest
import torch
from torch import nn

from carelu import ActivationFactory
from experiments.tasks.activation_sites import activate, activation_over_features


class Watched(nn.Module):
    """Returns its arguments."""

    def __init__(self, needs_pre_norm):
        super().__init__()
        self.needs_pre_norm = needs_pre_norm

    def forward(self, *tensors):
        return tensors


def test_only_an_activation_that_measures_before_the_normalisation_is_given_that_tensor():
    z, pre_norm = torch.zeros(1), torch.ones(1)
    assert activate(Watched(True), z, pre_norm) == (z, pre_norm)
    assert activate(Watched(False), z, pre_norm) == (z,)
    assert torch.equal(activate(nn.ReLU(), -pre_norm, pre_norm), z)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("over", ["sample", "feature", [-1]])
def test_the_features_of_one_token_or_text_compete_alone(ndim, over):
    module = activation_over_features(ActivationFactory("carelu_sign", over=over), 6, ndim)
    z = torch.randn([5, 4, 6][-ndim:], generator=torch.Generator().manual_seed(0))
    changed = z.clone()
    changed[0] = 100.0
    assert torch.equal(module(changed)[1:], module(z)[1:])
    if ndim == 3:
        changed = z.clone()
        changed[:, 0] = 100.0
        assert torch.equal(module(changed)[:, 1:], module(z)[:, 1:])


def test_an_activation_has_a_parameter_for_each_feature():
    assert activation_over_features(ActivationFactory("prelu"), 6, ndim=3).weight.shape == (6,)


@pytest.mark.parametrize(("ndim", "over"), [(3, [1, 2]), (3, [0]), (2, [0, 1])])
def test_a_competition_that_reaches_other_tokens_or_texts_is_refused(ndim, over):
    with pytest.raises(ValueError, match="over="):
        activation_over_features(ActivationFactory("carelu", over=over), 6, ndim)
