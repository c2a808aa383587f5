"""Makes the new module of a site, and lets it take over what the old one had: device, mode, hooks, learned values."""

import inspect
from collections.abc import Mapping

from torch import nn

from carelu.functional import Over
from carelu.registry import REQUEST, ActivationFactory, activation_classes, activation_options, near_matches
from carelu.surgery.sites import Site

AUTO = "auto"

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_is_full_backward_hook",
    "_non_full_backward_hooks",
)


class Maker:
    """Builds the modules that were asked for.

    Args:
        activation: a registered name, or a class of modules.
        over: what competes, or "auto".
        options: the other options.

    Raises:
        ValueError: an unknown activation or option, or one that needs the tensor before normalisation.
    """

    def __init__(self, activation: str | type[nn.Module], over: Over, options: Mapping[str, object]):
        known = self._known_options(activation)
        self._activation, self._options = activation, dict(options)
        default = known.get("over")
        self.chooses_over = over == AUTO and default == "sample"
        if over != AUTO:
            self._options["over"] = over
        self.over: Over | None = self._options.get("over", default)  # type: ignore[assignment]
        example = self.make(None)
        self.type = type(example)
        if getattr(example, "needs_pre_norm", False):
            raise ValueError(
                f"{activation!r} with competition_input='pre_norm' needs the tensor before normalisation, which a "
                "model that was not written for it does not pass; use competition_input='normalised'"
            )

    @staticmethod
    def _known_options(activation: str | type[nn.Module]) -> dict[str, object]:
        if isinstance(activation, str):
            return activation_options(activation)
        if isinstance(activation, type) and issubclass(activation, nn.Module):
            parameters = inspect.signature(activation).parameters.values()
            return {each.name: each.default for each in parameters}
        raise ValueError(
            f"the activation is {activation!r}; accepted: a registered name (see activation_names) or a class of "
            "modules, of which each site gets an object of its own"
        )

    def make(self, over: Over | None) -> nn.Module:
        """A new module; `over` is what competes at its site, or None to leave the default."""
        options = self._options if over is None else {**self._options, "over": over}
        if isinstance(self._activation, str):
            return ActivationFactory(self._activation, **options).stand_alone()
        known = list(self._known_options(self._activation))
        for option in options:
            if option not in known:
                word = self._activation.__name__
                raise ValueError(f"activation {word} has no option {option!r}; {near_matches(option, known)}")
        return self._activation(**options)

    def request(self) -> tuple[object, ...]:
        """What was asked for, in a form that can be compared and pickled."""
        name = self._activation if isinstance(self._activation, str) else self._activation.__qualname__
        return name, *sorted((key, repr(value)) for key, value in self._options.items())

    def is_there(self, site: Site) -> bool:
        """Whether the site holds what was asked for already, and is to keep the values that it learned."""
        module = getattr(*site.places[0], None)
        if not isinstance(module, nn.Module) or type(module) is not self.type or self.type not in activation_classes():
            return False
        recorded = getattr(module, REQUEST, None)
        if recorded is not None:
            return recorded == self.request()
        over = getattr(module, "over", None) if self.chooses_over else None
        return not self._options and repr(self.make(over)) == repr(module) and self._is_plain()

    def _is_plain(self) -> bool:
        """Whether the name starts its class with the values that the class itself has."""
        if not isinstance(self._activation, str):
            return True
        parameters = inspect.signature(self.type).parameters
        options = activation_options(self._activation)
        return all(parameters[option].default == value for option, value in options.items() if option in parameters)

    def install(self, model: nn.Module, site: Site) -> None:
        """Puts a new module at every name of the site."""
        holder, attribute = site.places[0]
        old = getattr(holder, attribute, None)
        new = self.make(site.over)
        new.__dict__[REQUEST] = self.request()
        parameter = next(holder.parameters(), None)
        parameter = next(model.parameters(), None) if parameter is None else parameter
        if parameter is not None:
            new.to(parameter.device)
        new.train(old.training if isinstance(old, nn.Module) else holder.training)
        if isinstance(old, nn.Module):
            new.__dict__.update({name: vars(old)[name] for name in _HOOKS if name in vars(old)})
        for each, name in site.places:
            each.__dict__.pop(name, None)
            setattr(each, name, new)
