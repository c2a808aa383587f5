"""Models that nobody here wrote, small enough for one core, each with a batch that it accepts.

From torchvision, timm, transformers (tiny configurations) and torch itself, all with random weights. The packages are
imported when a model is built.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

VOCABULARY, LENGTH = 50, 7


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        name: package and name of the model.
        build: builds it.
        inputs: makes a batch of two, as `carelu.replace_activations` takes it.
        batch_dim: the dimension of the samples.
        text: "decoder" for a model in which no token may see later ones, "encoder" for one that takes an attention
            mask; "" otherwise.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], object]
    batch_dim: int = 0
    text: str = ""


def images(size: int = 64) -> torch.Tensor:
    """A batch of two images, 2×3×size×size."""
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def token_ids() -> torch.Tensor:
    """A batch of two sequences of token numbers, 2×7; none is a special token of a tiny configuration."""
    return torch.randint(5, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(0))


def entries() -> list[Entry]:
    """All models."""
    return [*_of_torch(), *_of_torchvision(), *_of_timm(), *_of_transformers()]


def _of_torch() -> list[Entry]:
    def vectors(*sizes: int) -> torch.Tensor:
        return torch.randn(*sizes, generator=torch.Generator().manual_seed(0))

    def encoder(**options) -> nn.Module:
        return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, **options), 2)

    def padded() -> dict[str, torch.Tensor]:
        return {"src": vectors(2, 5, 16), "src_key_padding_mask": torch.tensor([[False] * 5, [False] * 3 + [True] * 2])}

    layer = functools.partial(nn.TransformerEncoderLayer, 16, 2, 32, batch_first=True)
    decoder = functools.partial(nn.TransformerDecoderLayer, 16, 2, 32, batch_first=True, activation="gelu")
    return [
        Entry("torch/TransformerEncoderLayer", lambda: layer(activation=nn.ReLU()), lambda: vectors(2, 5, 16)),
        Entry("torch/TransformerEncoder", encoder, padded),
        Entry("torch/TransformerEncoder-gelu", lambda: encoder(activation=nn.GELU(), norm_first=True), padded),
        Entry("torch/TransformerDecoderLayer", decoder, lambda: (vectors(2, 5, 16), vectors(2, 4, 16))),
        Entry(
            "torch/Transformer",
            lambda: nn.Transformer(16, 2, 1, 1, 32, batch_first=True),
            lambda: (vectors(2, 5, 16), vectors(2, 4, 16)),
        ),
        Entry(
            "torch/Transformer-batch-second",
            lambda: nn.Transformer(16, 2, 1, 1, 32),
            lambda: (vectors(5, 2, 16), vectors(4, 2, 16)),
            batch_dim=1,
        ),
    ]


TORCHVISION: dict[str, dict[str, object]] = {
    "alexnet": {},
    "convnext_tiny": {},
    "densenet121": {},
    "efficientnet_b0": {},
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False, "aux_logits": False, "size": 96},
    "mnasnet0_5": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "regnet_y_400mf": {},
    "resnet18": {},
    "shufflenet_v2_x0_5": {},
    "squeezenet1_1": {},
    "swin_t": {},
}
"""Names of classifiers of torchvision, their arguments, and the size of the image if not 64."""


def _of_torchvision() -> list[Entry]:
    def classifier(name: str, **options) -> nn.Module:
        from torchvision import models

        return models.get_model(name, weights=None, num_classes=5, **options)

    def transformer() -> nn.Module:
        from torchvision.models import VisionTransformer

        return VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)

    def segmentation(name: str) -> nn.Module:
        from torchvision.models import segmentation

        return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=5)

    def video() -> nn.Module:
        from torchvision.models.video import r3d_18

        return r3d_18(num_classes=5)

    found = []
    for name, options in TORCHVISION.items():
        own = {key: value for key, value in options.items() if key != "size"}
        size = options.get("size", 64)
        build, batch = functools.partial(classifier, name, **own), functools.partial(images, size)
        found.append(Entry(f"torchvision/{name}", build, batch))
    return [
        *found,
        Entry("torchvision/VisionTransformer", transformer, lambda: images(32)),
        Entry(
            "torchvision/lraspp_mobilenet_v3_large",
            lambda: segmentation("lraspp_mobilenet_v3_large"),
            lambda: images(64),
        ),
        Entry("torchvision/r3d_18", video, lambda: images(32)[:, :, None].repeat(1, 1, 4, 1, 1)),
    ]


TIMM: dict[str, dict[str, object]] = {
    "convnext_atto": {},
    "convnextv2_atto": {},
    "deit_tiny_patch16_224": {"img_size": 64, "depth": 2},
    "dla46_c": {},
    "edgenext_xx_small": {},
    "efficientnet_lite0": {},
    "efficientvit_b0": {},
    "ese_vovnet19b_dw": {},
    "fastvit_t8": {},
    "ghostnet_050": {},
    "gmlp_ti16_224": {"img_size": 64},
    "lcnet_050": {},
    "mixer_s32_224": {"img_size": 64},
    "mobilenetv3_small_050": {},
    "mobileone_s0": {},
    "mobilevit_xxs": {},
    "poolformer_s12": {},
    "regnetx_002": {},
    "repvgg_a0": {},
    "resmlp_12_224": {"img_size": 64},
    "resnet10t": {},
    "skresnet18": {},
    "tinynet_e": {},
    "vit_tiny_patch16_224": {"img_size": 64, "depth": 2},
    "xcit_nano_12_p16_224": {"img_size": 64, "depth": 2},
}
"""Names of models of timm and their arguments."""


def _of_timm() -> list[Entry]:
    def model(name: str, **options) -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, num_classes=5, **options)

    return [Entry(f"timm/{name}", functools.partial(model, name, **options), images) for name, options in TIMM.items()]


LLAMA_LIKE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
BERT_LIKE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
ENCODER_DECODER = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
}

DECODERS: dict[str, dict[str, object]] = {
    "BloomForCausalLM": {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    "FalconForCausalLM": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    "GPT2LMHeadModel": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "GPTNeoXForCausalLM": BERT_LIKE,
    "GemmaForCausalLM": {**LLAMA_LIKE, "head_dim": 8},
    "LlamaForCausalLM": LLAMA_LIKE,
    "MambaForCausalLM": {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4},
    "MistralForCausalLM": LLAMA_LIKE,
    "MixtralForCausalLM": {**LLAMA_LIKE, "num_local_experts": 2},
    "OPTForCausalLM": {
        "hidden_size": 16,
        "ffn_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 16,
    },
    "PhiForCausalLM": BERT_LIKE,
    "Qwen2ForCausalLM": LLAMA_LIKE,
}
"""Causal language models of transformers and their tiny configurations."""

ENCODERS: dict[str, dict[str, object]] = {
    "AlbertModel": {**BERT_LIKE, "embedding_size": 8},
    "BertModel": BERT_LIKE,
    "DebertaV2Model": BERT_LIKE,
    "DistilBertModel": {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2},
    "ElectraModel": {**BERT_LIKE, "embedding_size": 8},
    "RobertaModel": BERT_LIKE,
}
"""Text encoders of transformers and their tiny configurations."""


def transformers_model(name: str, **options) -> nn.Module:
    """A model of transformers with a tiny configuration."""
    import transformers

    transformers.logging.set_verbosity_error()
    kind = getattr(transformers, name)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False}
    return kind(kind.config_class(**special, **options))


def _of_transformers() -> list[Entry]:
    def text(name: str, kind: str, options: dict[str, object]) -> Entry:
        build = functools.partial(transformers_model, name, vocab_size=VOCABULARY, **options)
        return Entry(f"transformers/{name}", build, lambda: {"input_ids": token_ids()}, text=kind)

    decoders = [text(name, "decoder", options) for name, options in DECODERS.items()]
    encoders = [text(name, "encoder", options) for name, options in ENCODERS.items()]
    return [*decoders, *encoders, *_with_two_inputs(), *_of_signals()]


def _with_two_inputs() -> list[Entry]:
    def ids() -> dict[str, torch.Tensor]:
        return {"input_ids": token_ids(), "decoder_input_ids": token_ids()}

    bart = functools.partial(transformers_model, "BartModel", vocab_size=VOCABULARY, **ENCODER_DECODER)
    t5 = functools.partial(
        *(transformers_model, "T5Model"), vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )
    return [Entry("transformers/BartModel", bart, ids), Entry("transformers/T5Model", t5, ids)]


def _of_signals() -> list[Entry]:
    def waves() -> dict[str, torch.Tensor]:
        return {"input_values": torch.randn(2, 400, generator=torch.Generator().manual_seed(0))}

    def spectra() -> dict[str, torch.Tensor]:
        values = torch.randn(2, 8, 40, generator=torch.Generator().manual_seed(0))
        return {"input_features": values, "decoder_input_ids": token_ids()}

    vision = {**BERT_LIKE, "image_size": 32, "patch_size": 8}
    steady = {"layerdrop": 0.0, "mask_time_prob": 0.0, "apply_spec_augment": False}
    wave = {"conv_dim": (8, 8), "conv_stride": (5, 2), "conv_kernel": (10, 3), "num_conv_pos_embeddings": 4}
    speech = {**ENCODER_DECODER, "num_mel_bins": 8, "max_source_positions": 20, "vocab_size": VOCABULARY}
    return [
        Entry(
            "transformers/ViTModel",
            lambda: transformers_model("ViTModel", **vision),
            lambda: {"pixel_values": images(32)},
        ),
        Entry(
            "transformers/CLIPVisionModel",
            lambda: transformers_model("CLIPVisionModel", **vision),
            lambda: {"pixel_values": images(32)},
        ),
        Entry(
            "transformers/Wav2Vec2Model",
            lambda: transformers_model(
                "Wav2Vec2Model",
                **BERT_LIKE,
                **steady,
                **wave,
                num_conv_pos_embedding_groups=2,
                num_feat_extract_layers=2,
            ),
            waves,
        ),
        Entry(
            "transformers/WhisperModel",
            lambda: transformers_model("WhisperModel", decoder_start_token_id=1, **speech),
            spectra,
        ),
    ]
