"""The activations as `hidden_act` of any configuration of Hugging Face transformers."""

import functools

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2CLS, ACT2FN

from carelu.activations import CAReLU
from carelu.registry import activation_class, activation_names, activation_options, is_activation


def register() -> list[str]:
    """Makes every registered activation a value of `hidden_act` (`activation_function`, …), in this process.

    CAReLU competes over the features of one token (`over="image_or_token"`): no token sees another, so that a decoder
    stays causal and padding changes nothing. Of images, N×C×H×W or N×H×W×C, it competes over one whole image.
    A name that transformers has already keeps its meaning there. A second call changes nothing.

    A model with such an activation is saved as any other; a process that loads it calls this function first. Starting
    from a checkpoint that was trained with ReLU or GELU, α and β begin at their start, where CAReLU equals ReLU:

        register()
        model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", hidden_act="carelu")

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
        ACT2CLS[name] = ACT2FN[name] = (module, options)
        added.append(name)
    _start_missing_parameters()
    return added


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
