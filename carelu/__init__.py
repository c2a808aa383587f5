"""carelu: CAReLU, the activations it is compared with, and replacing the activations of a model. Needs only torch."""

from carelu import functional
from carelu.activations import CAReLU, PReLU
from carelu.monitoring import monitor
from carelu.parameter_groups import param_groups
from carelu.plotting import plot
from carelu.registry import (
    ActivationFactory,
    activation_modules,
    activation_names,
    activation_options,
    create_activation,
    is_activation,
    register,
)
from carelu.replacement import replace_activations
from carelu.verification import verify

__version__ = "0.2.0.dev0"

__all__ = [
    "ActivationFactory",
    "CAReLU",
    "PReLU",
    "activation_modules",
    "activation_names",
    "activation_options",
    "create_activation",
    "functional",
    "is_activation",
    "monitor",
    "param_groups",
    "plot",
    "register",
    "replace_activations",
    "verify",
]
