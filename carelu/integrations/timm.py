"""The activations as `act_layer` of `timm.create_model`."""

import functools
from collections.abc import Callable, Mapping
from typing import cast

from timm.layers import create_act
from torch import nn

from carelu.activations import CAReLU
from carelu.registry import activation_class, activation_names, activation_options, create_activation


def register() -> list[str]:
    """Makes every registered activation a value of `act_layer` that timm takes by name, in this process.

    CAReLU competes over one whole image where its input has four dimensions, and over the features of one token
    otherwise (`over="image_or_token"`). A name that timm has already keeps its meaning there. A second call changes
    nothing.

        register()
        model = timm.create_model("resnet18", act_layer="carelu")

    Returns:
        The names that timm now knows through this call.
    """
    table = cast(dict[str, Callable[..., nn.Module]], create_act._ACT_LAYER_DEFAULT)
    added = []
    for name in activation_names():
        options = activation_options(name)
        if name in table or options.get("competition_input") == "pre_norm":  # no model passes its second argument
            continue
        chosen = {"over": "image_or_token"} if issubclass(activation_class(name), CAReLU) else {}
        table[name] = _layer(name, chosen)
        added.append(name)
    return added


def _layer(name: str, chosen: Mapping[str, object]) -> Callable[..., nn.Module]:
    """A constructor as timm calls it: `inplace` is ignored, and other arguments are options of the activation."""

    def layer(inplace: bool = False, **options: object) -> nn.Module:
        return create_activation(name, **{**chosen, **options})

    return functools.wraps(activation_class(name), updated=())(layer)
