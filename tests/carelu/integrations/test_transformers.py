import subprocess
import sys

import pytest
import torch
from torch import nn

from carelu import CAReLU, PReLU, activation_modules, param_groups, replace_activations

transformers = pytest.importorskip("transformers")


def register() -> list[str]:
    from carelu.integrations.transformers import register  # takes seconds, which listing the tests should not

    return register()


@pytest.fixture(autouse=True)
def registered():
    register()


def bert(**options) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**{**sizes, "intermediate_size": 32, "hidden_act": "carelu", **options})
    return transformers.BertForSequenceClassification(config).eval()


def moved(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for number, (_, module) in enumerate(activation_modules(model)):
            module.alpha.fill_(2.0 - number)
            module.beta.fill_(-1.0)
    return model


TOKENS = torch.arange(24).view(2, 12)


def test_a_model_made_by_name_has_one_activation_a_layer_that_starts_as_relu():
    model, relu = bert(), bert(hidden_act="relu")
    relu.load_state_dict(model.state_dict(), strict=False)

    sites = [module for _, module in activation_modules(model)]

    assert [type(site) for site in sites] == [CAReLU, CAReLU]
    assert len({id(site.alpha) for site in sites}) == 2
    torch.testing.assert_close(model(TOKENS).logits, relu(TOKENS).logits)


def test_a_second_registration_changes_nothing_and_names_of_transformers_keep_their_meaning():
    assert register() == []
    assert transformers.activations.ACT2CLS["prelu"] is nn.PReLU
    assert isinstance(transformers.activations.ACT2FN["carelu"], CAReLU)


def mamba(**options) -> nn.Module:
    """A model that looks its activation up in its forward pass."""
    torch.manual_seed(0)
    config = transformers.MambaConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, state_size=4, **options)
    return transformers.MambaForCausalLM(config).eval()


def test_a_model_that_would_make_a_new_activation_in_each_pass_is_told_of():
    with pytest.raises(RuntimeError, match="MambaMixer asks for the activation 'carelu' in its forward pass"):
        mamba(hidden_act="carelu")(TOKENS)
    assert mamba(hidden_act="elu")(TOKENS).logits.isfinite().all()  # nothing to learn


def test_such_a_model_learns_the_activation_that_replaces_its_own():
    model = mamba(hidden_act="relu")
    with pytest.warns(match="mixer.act .example_inputs do not reach it."):
        replace_activations(model, "carelu", example_inputs=TOKENS)
    model(TOKENS, labels=TOKENS).loss.backward()
    assert [module.alpha.grad.abs().item() > 0 for _, module in activation_modules(model)] == [True] * 2


def test_models_that_call_the_class_that_they_find_get_one_too():
    config = transformers.TextNetConfig(
        stem_act_func="carelu", stem_out_channels=4, hidden_sizes=[4, 4], conv_layer_kernel_sizes=[[[3, 3]]],
        conv_layer_strides=[[1]],
    )  # fmt: skip
    assert CAReLU in {type(module) for module in transformers.TextNetModel(config).modules()}


def test_padding_changes_nothing():
    model = moved(bert())
    padded = torch.cat([TOKENS, torch.zeros(2, 5, dtype=torch.long)], 1)

    masked = model(padded, attention_mask=(torch.arange(17) < 12).expand(2, -1).long())

    torch.testing.assert_close(masked.logits, model(TOKENS).logits)


def test_a_decoder_stays_causal():
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        hidden_act="carelu",
    )  # fmt: skip
    torch.manual_seed(0)
    model = moved(transformers.LlamaForCausalLM(config).eval())
    changed = TOKENS.clone()
    changed[:, -1] += 20

    before, after = model(TOKENS).logits, model(changed).logits

    torch.testing.assert_close(after[:, :-1], before[:, :-1])
    assert not torch.allclose(after[:, -1], before[:, -1])


def test_an_image_competes_as_a_whole():
    config = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], hidden_act="carelu")
    model = moved(transformers.ResNetModel(config).eval())
    images = torch.randn(3, 3, 32, 32)

    (module,) = {type(module) for _, module in activation_modules(model)}
    assert module is CAReLU
    alone = model(images[:1]).pooler_output
    torch.testing.assert_close(model(images).pooler_output[:1], alone, rtol=1e-4, atol=1e-5)


def test_a_relu_checkpoint_starts_as_itself(tmp_path):
    relu = bert(hidden_act="relu")
    relu.save_pretrained(tmp_path)

    ours = type(relu).from_pretrained(tmp_path, hidden_act="carelu").eval()

    starts = [module.alpha.item() for _, module in activation_modules(ours)]
    assert starts == [0.0, 0.0]
    torch.testing.assert_close(ours(TOKENS).logits, relu(TOKENS).logits)


def test_another_learned_activation_starts_as_it_should(tmp_path):
    transformers.activations.ACT2FN["our_prelu"] = (PReLU, {"init": 0.1})
    bert(hidden_act="relu").save_pretrained(tmp_path)

    ours = transformers.BertForSequenceClassification.from_pretrained(tmp_path, hidden_act="our_prelu")

    assert [module.weight.item() for _, module in activation_modules(ours)] == [pytest.approx(0.1)] * 2


def test_what_was_learned_survives_saving(tmp_path):
    model = moved(bert())
    model.save_pretrained(tmp_path)

    loaded = type(model).from_pretrained(tmp_path).eval()

    assert torch.equal(loaded(TOKENS).logits, model(TOKENS).logits)


@pytest.mark.slow
def test_a_fresh_process_loads_equal_logits(tmp_path):
    model = moved(bert())
    model.save_pretrained(tmp_path)
    program = f"""
import torch
from transformers import AutoModelForSequenceClassification
from carelu.integrations.transformers import register
register()
model = AutoModelForSequenceClassification.from_pretrained({str(tmp_path)!r}).eval()
torch.save(model(torch.arange(24).view(2, 12)).logits, {str(tmp_path / "logits.pt")!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    assert torch.equal(torch.load(tmp_path / "logits.pt"), model(TOKENS).logits)


def test_a_plain_loop_trains_the_activations():
    model = bert().train()
    optimizer = torch.optim.AdamW(param_groups(model, weight_decay=0.01, lr=1e-2), lr=1e-2)
    labels = torch.tensor([0, 1])

    losses = []
    for _ in range(5):
        loss = model(TOKENS, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    assert losses[-1] < losses[0]
    assert all(module.alpha.item() != 0 for _, module in activation_modules(model))


@pytest.mark.slow
def test_the_trainer_trains_it(tmp_path):
    pytest.importorskip("accelerate")
    examples = [{"input_ids": row, "labels": label} for label, row in enumerate(TOKENS.tolist())]
    model = bert()
    arguments = transformers.TrainingArguments(str(tmp_path), max_steps=2, report_to=[], use_cpu=True)

    transformers.Trainer(model, arguments, train_dataset=examples).train()

    assert all(module.alpha.item() != 0 for _, module in activation_modules(model))


def test_a_model_after_surgery_is_saved_and_loaded_as_the_guide_says(tmp_path):
    from safetensors.torch import load_model

    model = bert(hidden_act="relu")
    replace_activations(model, "carelu", over="feature")
    moved(model).save_pretrained(tmp_path)

    loaded = bert(hidden_act="relu")
    replace_activations(loaded, "carelu", over="feature")
    load_model(loaded, tmp_path / "model.safetensors")

    assert torch.equal(loaded(TOKENS).logits, model(TOKENS).logits)
