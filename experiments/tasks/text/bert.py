"""A transformer encoder that classifies texts: BERT's architecture from scratch, or a pretrained model."""

import inspect

from torch import Tensor, nn

from carelu import ActivationFactory, replace_activations
from carelu.replacement import TORCH_ACTIVATIONS
from experiments.errors import BadInput, one_line
from experiments.tasks.activation_sites import TextShape, activation_over_features
from experiments.tasks.text.hub import where_from


class TextEncoder(nn.Module):
    """A sequence classifier of `transformers` with the signature of the text models."""

    def __init__(self, classifier: nn.Module):
        super().__init__()
        self.classifier = classifier
        takes = inspect.signature(classifier.forward).parameters
        segments = getattr(classifier.config, "type_vocab_size", 0) or 0
        self.knows_segments = "token_type_ids" in takes and segments > 1

    def forward(self, tokens: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        """Logits N×classes for tokens, segments and mask N×L; padding never changes them."""
        further = {"token_type_ids": segments} if self.knows_segments else {}
        return self.classifier(input_ids=tokens, attention_mask=mask.long(), **further).logits


def bert(
    activation: ActivationFactory,
    shape: TextShape,
    width: int,
    layers: int,
    head_size: int,
    feed_forward_factor: int,
    dropout: float,
    pretrained: str | None,
) -> TextEncoder:
    """A BERT classifier (Devlin et al., arXiv 1810.04805) with a separate activation module in each layer.

    The activation is that of the feed-forward part; the tanh of the pooler is kept. Weights are initialised
    as `transformers` does: normal with standard deviation 0.02.

    Args:
        activation: called once a layer.
        shape: of the data.
        width: features of a token.
        layers: encoder layers.
        head_size: features of an attention head; `width` is a multiple of it.
        feed_forward_factor: features inside the feed-forward part, relative to `width`.
        dropout: probability, of the hidden states, the attention weights and the pooled output.
        pretrained: folder or hub name of a model to fine-tune instead; None: from scratch.

    Raises:
        ValueError: sizes that do not fit each other, or an activation that cannot be used there.
        BadInput: the pretrained model cannot be loaded or is too small for the data.
    """
    if pretrained is not None:
        return _pretrained(activation, shape, pretrained)
    if width % head_size:
        raise ValueError(f"width={width} is not a multiple of head_size={head_size}")
    from transformers import BertConfig, BertForSequenceClassification

    intermediate_size = feed_forward_factor * width
    config = BertConfig(
        vocab_size=shape.vocabulary_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // head_size,
        intermediate_size=intermediate_size,
        hidden_act="relu",  # a placeholder for the factory's modules
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=shape.max_length,
        type_vocab_size=shape.texts,
        pad_token_id=shape.padding_id,
        num_labels=shape.classes,
        attn_implementation="sdpa",
    )
    classifier = BertForSequenceClassification(config)
    for layer in classifier.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = activation_over_features(activation, intermediate_size, ndim=3)
    return TextEncoder(classifier)


def _pretrained(activation: ActivationFactory, shape: TextShape, name: str) -> TextEncoder:
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # a randomly initialised classification head is expected in fine-tuning
    try:
        classifier = AutoModelForSequenceClassification.from_pretrained(
            name,
            num_labels=shape.classes,
            attn_implementation="sdpa",
            ignore_mismatched_sizes=True,
            **where_from(name),
        )
    except Exception as error:  # the hub's client and the models raise errors of many kinds
        raise BadInput(
            f"model.pretrained={name}: no model can be loaded from there ({one_line(error)}); name a "
            "folder that holds config.json and the weights, or a model of the Hugging Face hub where there is a network"
        ) from error
    _refuse_too_small(classifier, shape, name)
    options = dict(activation.options)
    if options.get("over") == "sample":
        options["over"] = "feature"  # one token's features, as at the sites of our own models
    activation_over_features(activation, features=1, ndim=3)  # refuses a competition that reaches padding
    replace_activations(classifier, activation.name, replace=_feed_forward_activations(), **options)
    return TextEncoder(classifier.float())


def _refuse_too_small(classifier: nn.Module, shape: TextShape, name: str) -> None:
    vocabulary = classifier.get_input_embeddings().num_embeddings
    if shape.vocabulary_size > vocabulary:
        raise BadInput(
            f"model.pretrained={name} has {vocabulary:,} tokens, the tokenizer {shape.vocabulary_size:,}; "
            "leave data.tokenizer=null to use the model's own"
        )
    positions = getattr(classifier.config, "max_position_embeddings", None)
    if positions is not None and shape.max_length > positions:
        raise BadInput(f"model.pretrained={name} takes {positions} tokens; set data.max_length={positions} or less")


def _feed_forward_activations() -> tuple[type[nn.Module], ...]:
    """The activation classes that `transformers` puts between linear layers, without gates and outputs."""
    from transformers.activations import ACT2CLS, LinearActivation

    classes = (entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values())
    no_activations = (nn.Tanh, nn.Sigmoid, LinearActivation)
    found = [each for each in classes if isinstance(each, type) and not issubclass(each, no_activations)]
    return (*TORCH_ACTIVATIONS, *found)
