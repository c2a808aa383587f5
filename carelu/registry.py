"""The activations by name: registering one, listing them, and building one module per site of a model."""

import difflib
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from carelu.plugins import installed_activations

Class = TypeVar("Class", bound=type[nn.Module])
"""A class keeps its type, so that a type checker knows its constructor."""


@dataclass(frozen=True)
class _Entry:
    module: type[nn.Module]
    defaults: dict[str, object]


REQUEST = "_replacement_request"
"""The attribute of a module that `replace_activations` made: what was asked for, so that a second call can tell."""

_ENTRIES: dict[str, _Entry] = {}
_load_once = threading.RLock()
_loaded: set[str] = set()


def _known() -> dict[str, _Entry]:
    """What is registered, with the activations of installed packages, which are loaded at the first look."""
    with _load_once:
        if not _loaded:
            _loaded.add("installed")  # first, as an activation may look up others while it is loaded
            for name, loaded in installed_activations():
                _add_installed(name, loaded)
    return _ENTRIES


def _add_installed(name: str, loaded: object) -> None:
    if isinstance(loaded, type) and issubclass(loaded, nn.Module):
        if _ENTRIES.setdefault(name, _Entry(loaded, {})).module is not loaded:
            _leave_out(name, "the name is taken")
    elif name not in _ENTRIES:
        _leave_out(name, f"{loaded!r} is no module of torch and has not registered one")


def _leave_out(name: str, reason: str) -> None:
    warnings.warn(f"the installed activation {name!r} is left out: {reason}", RuntimeWarning, stacklevel=4)


def register(name: str, **defaults: object) -> Callable[[Class], Class]:
    """Class decorator: registers an activation under `name`, with `defaults` replacing those of the constructor.

    A class may be registered under several names. If it has a class method
    `for_site(channels, sample_dims, pre_norm, **kwargs)`, that builds the module of one site;
    otherwise the constructor does.

    Raises:
        ValueError: the name is taken.
        TypeError: what is decorated is no subclass of `torch.nn.Module`.
    """

    def add(module: Class) -> Class:
        if not (isinstance(module, type) and issubclass(module, nn.Module)):
            raise TypeError(f"register({name!r}) is for a class that inherits from torch.nn.Module, and not {module!r}")
        if name in _ENTRIES:
            raise ValueError(f"an activation named {name!r} is registered already")
        _ENTRIES[name] = _Entry(module, defaults)
        return module

    return add


def unregister(name: str) -> None:
    """Removes `name` from the registry (for tests and notebooks)."""
    _ENTRIES.pop(name, None)


def activation_names() -> list[str]:
    """The registered names, sorted."""
    return sorted(_known())


def activation_class(name: str) -> type[nn.Module]:
    """The class that is registered under `name`.

    Raises:
        ValueError: the name is not registered; the message lists the closest ones.
    """
    if name not in _known():
        raise ValueError(f"unknown activation {name!r}; {near_matches(name, activation_names())}")
    return _ENTRIES[name].module


def activation_classes() -> tuple[type[nn.Module], ...]:
    """The registered classes, each once."""
    return tuple(dict.fromkeys(entry.module for entry in _known().values()))


def is_activation(module: nn.Module) -> bool:
    """Whether `module` is of a registered class or of a class derived from one, or was put in by `replace_activations`.

    Derived are classes of one's own, and those that torch makes for `parametrize` and `fully_shard`. A parent of a
    registered class, like `torch.nn.ReLU`, is none.
    """
    return isinstance(module, activation_classes()) or hasattr(module, REQUEST)


def activation_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(name, module) of each activation in `model`, see `is_activation`, in the order of `named_modules`."""
    return ((name, module) for name, module in model.named_modules() if is_activation(module))


def near_matches(word: str, known: list[str]) -> str:
    """The end of an error message: what `word` may have meant, and everything that is accepted."""
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
    return f"{meant}Accepted: {', '.join(known)}"


def activation_options(name: str) -> dict[str, object]:
    """The options of an activation and their defaults.

    Raises:
        ValueError: the name is not registered; the message lists the closest ones.
    """
    parameters = inspect.signature(activation_class(name)).parameters.values()
    own = {p.name: p.default for p in parameters if p.name not in _SET_BY_SITE and p.kind not in _COLLECTED}
    return {**own, **_ENTRIES[name].defaults}


_SET_BY_SITE = {"inplace", "channels", "channel_dim"}
"""Constructor arguments that are not options: a site knows its channels, and an activation that
overwrites its input would break a residual branch that still needs it."""

_COLLECTED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""`*args` and `**kwargs` name no option. A class without a constructor inherits them from `nn.Module`."""


class ActivationFactory:
    """Builds one module for each site of a model, so that learned parameters are never shared by accident.

    Args:
        name: a registered activation.
        **options: its options, see `activation_options`.

    Raises:
        ValueError: unknown name or option (the message lists the closest ones), or a value that the
            activation does not accept.
    """

    def __init__(self, name: str, **options: object):
        known = activation_options(name)
        for option in options:
            if option not in known:
                if not known:
                    raise ValueError(f"activation {name!r} takes no options, got {option!r}")
                raise ValueError(f"activation {name!r} has no option {option!r}; {near_matches(option, list(known))}")
        self.name = name
        self.options = {**known, **options}
        for option, value in self.options.items():
            if value is inspect.Parameter.empty:
                raise ValueError(
                    f"activation {name!r} needs a value for its option {option!r}; give it one or a default"
                )
        self.stand_alone()

    def __call__(self, channels: int, sample_dims: tuple[int, ...], pre_norm: bool = False) -> nn.Module:
        """A new module for one site.

        Args:
            channels: number of channels (features) of the pre-activations there.
            sample_dims: the dimensions that hold one input's pre-activations, channels first in the
                list: (1, 2, 3) for images N×C×H×W, (2,) for the tokens of N×L×D.
            pre_norm: whether the model passes, as a second argument, the tensor before
                normalisation (needed by `competition_input="pre_norm"`).

        Raises:
            ValueError: the activation cannot be used at this site.
        """
        module = _ENTRIES[self.name].module
        for_site = getattr(module, "for_site", module)
        if for_site is module:
            return module(**self.options)
        return for_site(channels, sample_dims, pre_norm, **self.options)

    def stand_alone(self) -> nn.Module:
        """A new module without knowledge of its site, for a model that was not written for a factory.

        A slope per channel becomes one slope, and `over="sample"` means all dimensions but the first.
        """
        return _ENTRIES[self.name].module(**self.options)

    def __repr__(self) -> str:
        return f"ActivationFactory({self.name!r}, {', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


def create_activation(name: str, **options: object) -> nn.Module:
    """One activation module by name, for use outside a model with sites.

    Raises:
        ValueError: as for `ActivationFactory`.
    """
    return ActivationFactory(name, **options).stand_alone()
