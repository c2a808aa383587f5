"""The text models: what never changes their result, and their activation sites."""

import pytest
import torch

from carelu import ActivationFactory, activation_modules, activation_names
from experiments.tasks.activation_sites import TextShape
from experiments.tasks.text.bert import bert
from experiments.tasks.text.bilstm import BiLSTM

PAIRS = TextShape(vocabulary_size=50, padding_id=0, max_length=32, texts=2, classes=3)
SINGLE = TextShape(vocabulary_size=50, padding_id=0, max_length=32, texts=1, classes=2)
NAMES = [name for name in activation_names() if name != "carelu_pre_norm"]


def encoder(name, shape=PAIRS, pretrained=None, **options):
    torch.manual_seed(0)
    return bert(ActivationFactory(name, **options), shape, 16, 2, 8, 4, 0.1, pretrained)


def bilstm(name, shape=PAIRS, **options):
    torch.manual_seed(0)
    return BiLSTM(ActivationFactory(name, **options), shape, width=8, layers=1, mlp_layers=2, dropout=0.1)


BUILDERS = pytest.mark.parametrize("build", [encoder, bilstm])


def texts(lengths, width, count_in_first=3):
    """Tokens, segments and mask of rows of `lengths` tokens, padded to `width`; a row is the same in any width."""
    tokens, segments = torch.zeros(2, len(lengths), width, dtype=torch.int64)
    for row, length in enumerate(lengths):
        draw = torch.Generator().manual_seed(length)
        tokens[row, :length] = torch.randint(1, 50, (length,), generator=draw)
        segments[row, count_in_first:length] = 1
    return tokens, segments, torch.arange(width) < torch.tensor(lengths).unsqueeze(1)


@BUILDERS
@pytest.mark.parametrize("shape", [PAIRS, SINGLE])
def test_padding_and_the_other_texts_of_a_batch_never_change_a_result(build, shape):
    model = build("carelu_sign", shape).eval()  # whose scale depends on the competition from the start

    def logits(lengths, width):
        tokens, segments, mask = texts(lengths, width)
        return model(tokens, segments if shape is PAIRS else segments * 0, mask)

    alone = logits([7], 7)
    torch.testing.assert_close(logits([7], 24), alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits([24, 7, 12], 32)[1:2], alone, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(logits([24], 24), alone, atol=1e-4)


@BUILDERS
def test_the_content_of_the_padding_never_changes_a_result(build):
    model = build("carelu_sign").eval()
    tokens, segments, mask = texts([5, 9], 16)
    expected = model(tokens, segments, mask)
    torch.testing.assert_close(model(tokens.where(mask, 7), segments, mask), expected, rtol=1e-5, atol=1e-6)


@BUILDERS
def test_each_layer_has_its_own_activation(build):
    model = build("carelu")
    sites = [module for _, module in activation_modules(model)]
    assert len(sites) == 2
    assert len({id(module.alpha) for module in sites}) == 2
    assert {module.over for module in sites} == {(2,) if build is encoder else (1,)}


@BUILDERS
@pytest.mark.parametrize("name", NAMES)
def test_other_weights_start_the_same_with_every_activation(build, name):
    relu, other = build("relu").state_dict(), build(name).state_dict()
    assert all(torch.equal(other[key], value) for key, value in relu.items())


@BUILDERS
def test_carelu_starts_with_the_outputs_of_relu(build):
    batch = texts([5, 9], 16)
    assert torch.equal(build("carelu").eval()(*batch), build("relu").eval()(*batch))


@BUILDERS
@pytest.mark.parametrize("over", [[1, 2], [0], [0, 1]])
def test_a_competition_that_would_reach_padding_or_other_texts_is_refused(build, over):
    with pytest.raises(ValueError, match="over="):
        build("carelu", over=over)


@BUILDERS
def test_an_activation_that_needs_a_normalisation_is_refused(build):
    with pytest.raises(ValueError, match="use competition_input='normalised'"):
        build("carelu_pre_norm")
