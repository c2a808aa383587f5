"""BERT: its activation sites, and pretrained weights."""

import pytest
import torch

from carelu import ActivationFactory, CAReLU, activation_modules
from experiments.errors import BadInput
from experiments.tasks.activation_sites import TextShape
from experiments.tasks.text.bert import bert
from tests.experiments.tasks.text.test_text_models import PAIRS, encoder, texts


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


def test_the_activation_is_in_the_feed_forward_part_and_the_pooler_keeps_its_tanh():
    model = encoder("prelu")
    for layer in model.classifier.bert.encoder.layer:
        assert layer.intermediate.intermediate_act_fn.weight.shape == (64,)
    assert isinstance(model.classifier.bert.pooler.activation, torch.nn.Tanh)


def test_attention_is_torchs_own():
    assert encoder("relu").classifier.config._attn_implementation == "sdpa"


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width=16 is not a multiple of head_size=6"):
        bert(ActivationFactory("relu"), PAIRS, 16, 2, 6, 4, 0.1, None)


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
