"""The text models: what never changes their result, their activation sites, and pretrained weights."""

import pytest
import torch

from carelu import ActivationFactory, CAReLU, activation_modules, activation_names
from experiments.errors import BadInput
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


def test_the_activation_is_in_the_feed_forward_part_and_the_pooler_keeps_its_tanh():
    model = encoder("prelu")
    for layer in model.classifier.bert.encoder.layer:
        assert layer.intermediate.intermediate_act_fn.weight.shape == (64,)
    assert isinstance(model.classifier.bert.pooler.activation, torch.nn.Tanh)


def test_attention_is_torchs_own():
    assert encoder("relu").classifier.config._attn_implementation == "sdpa"


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


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width=16 is not a multiple of head_size=6"):
        bert(ActivationFactory("relu"), PAIRS, 16, 2, 6, 4, 0.1, None)


def test_the_bilstm_tells_the_order_of_a_pair():
    model = bilstm("relu").eval()
    tokens, segments, mask = texts([8], 8, count_in_first=4)
    swapped = torch.cat([tokens[:, 4:], tokens[:, :4]], dim=1)
    assert not torch.allclose(model(tokens, segments, mask), model(swapped, segments, mask), atol=1e-4)


@pytest.fixture(scope="module")
def pretrained_folder(tmp_path_factory):
    """A tiny BERT with gelu, as `transformers` saves it."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=5,
    )
    folder = tmp_path_factory.mktemp("pretrained")
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


def test_a_pretrained_model_keeps_its_weights_and_gets_the_activation_in_every_layer(pretrained_folder):
    from safetensors.torch import load_file

    model = encoder("carelu_sign", pretrained=pretrained_folder)
    saved = load_file(f"{pretrained_folder}/model.safetensors")
    state = model.classifier.state_dict()
    name = "bert.encoder.layer.2.intermediate.dense.weight"
    assert torch.equal(state[name], saved[name])
    sites = dict(activation_modules(model))
    assert [name.split(".")[-2:] for name in sites] == [["intermediate", "intermediate_act_fn"]] * 3
    assert all(isinstance(module, CAReLU) and module.over == "feature" for module in sites.values())
    assert len({id(module.alpha) for module in sites.values()}) == 3
    assert state["classifier.weight"].shape == (3, 16)
    assert isinstance(model.classifier.bert.pooler.activation, torch.nn.Tanh)


def test_padding_never_changes_the_result_of_a_pretrained_model(pretrained_folder):
    model = encoder("carelu_sign", pretrained=pretrained_folder).eval()
    alone = model(*texts([7], 7))
    torch.testing.assert_close(model(*texts([24, 7], 32))[1:], alone, rtol=1e-5, atol=1e-6)


def test_a_pretrained_model_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"model\.pretrained=.*missing: no model can be loaded from there"):
        encoder("relu", pretrained=str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("shape", "answer"),
    [
        (TextShape(51, 0, 32, 2, 3), r"has 50 tokens, the tokenizer 51; leave data\.tokenizer=null"),
        (TextShape(50, 0, 40, 2, 3), r"takes 32 tokens; set data\.max_length=32 or less"),
    ],
)
def test_a_pretrained_model_that_is_too_small_is_named(pretrained_folder, shape, answer):
    with pytest.raises(BadInput, match=answer):
        encoder("relu", shape, pretrained_folder)


def test_a_pretrained_model_refuses_a_competition_that_reaches_padding(pretrained_folder):
    with pytest.raises(ValueError, match="lets padding"):
        encoder("carelu", pretrained=pretrained_folder, over=[1, 2])
