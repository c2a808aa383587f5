"""The activations as `hidden_act` of a configuration of Hugging Face transformers."""

import functools
import sys
from types import FrameType

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2CLS, ACT2FN

from carelu.activations import CAReLU
from carelu.registry import activation_class, activation_names, activation_options, is_activation


def register() -> list[str]:
    """Makes every registered activation a value of `hidden_act` (`activation_function`, …), in this process.

    CAReLU competes over the features of one token (`over="image_or_token"`), the last of three dimensions: no token
    sees another, so that a decoder stays causal and padding changes nothing. Models that have time there (N×C×L:
    SqueezeBERT, the feature extractor of Wav2Vec2) need `replace_activations` with `example_inputs` instead. Of images,
    N×C×H×W or N×H×W×C, it competes over one whole image.
    A name that transformers has already keeps its meaning there. A second call changes nothing.

    A model with such an activation is saved as any other; a process that loads it calls this function first. Starting
    from a checkpoint that was trained with ReLU or GELU, α and β begin at their start, where CAReLU equals ReLU:

        register()
        model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", hidden_act="carelu")

    A model that looks its activation up in every forward pass, as those of the Mamba family do, raises a RuntimeError
    there if the activation has parameters: it would make new ones in each pass.

    Returns:
        The names that transformers now knows through this call.
    """
    added = []
    for name in activation_names():
        options = activation_options(name)
        if name in ACT2CLS or options.get("competition_input") == "pre_norm":  # no model passes its second argument
            continue
        module = activation_class(name)
        if issubclass(module, CAReLU):
            options["over"] = "image_or_token"
        ACT2CLS[name] = ACT2FN[name] = functools.partial(_made, name, module, options)
        added.append(name)
    _start_missing_parameters()
    return added


def _made(name: str, kind: type[nn.Module], options: dict[str, object]) -> nn.Module:
    """A new activation for a model that is built.

    Raises:
        RuntimeError: a model asks for it in its forward pass, and would ask for another in the next.
    """
    module = kind(**options)
    model = _model_that_runs(sys._getframe(1)) if any(True for _ in module.parameters()) else None
    if model is not None:
        raise RuntimeError(
            f"{type(model).__name__} asks for the activation {name!r} in its forward pass, so that each pass would "
            "have a new one that never learns; build the model with its own activation, and then call "
            f"replace_activations(model, {name!r}, example_inputs=…)"
        )
    return module


def _model_that_runs(frame: FrameType | None) -> nn.Module | None:
    """The module whose `forward` called the code of `frame`; None if a module is being built."""
    while frame is not None and frame.f_code.co_name != "__init__":
        caller = frame.f_locals.get("self")
        if frame.f_code.co_name == "forward" and isinstance(caller, nn.Module):
            return caller
        frame = frame.f_back
    return None


def _start_missing_parameters() -> None:
    """Lets `from_pretrained` give the activations that a checkpoint does not have their start.

    It makes a model without memory, and then asks the model's class to fill what the checkpoint lacks; such a class
    knows its own layers alone.
    """
    usual = PreTrainedModel._initialize_weights
    if getattr(usual, "starts_activations", False):
        return

    @functools.wraps(usual)
    def initialize(self: PreTrainedModel, module: nn.Module, *args, **kwargs) -> None:
        lacking = is_activation(module) and not _is_filled(module)
        usual(self, module, *args, **kwargs)
        if lacking and hasattr(module, "reset_parameters"):
            with torch.no_grad():
                module.reset_parameters()  # pyright: ignore[reportCallIssue]

    setattr(initialize, "starts_activations", True)  # noqa: B010  (a type checker knows no such attribute)
    PreTrainedModel._initialize_weights = initialize


def _is_filled(module: nn.Module) -> bool:
    filled = [getattr(part, "_is_hf_initialized", False) for part in (module, *module.parameters())]
    return filled[0] or (len(filled) > 1 and all(filled[1:]))
