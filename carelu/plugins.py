"""The activations that installed packages offer by the entry point group `carelu.activations`."""

import importlib.metadata
import warnings
from collections.abc import Iterator

GROUP = "carelu.activations"


def installed_activations() -> Iterator[tuple[str, object]]:
    """(name, object) of each entry point of `GROUP`; the object is a class, or a module that registers it itself.

    One that cannot be loaded is left out with a warning: a broken package must not break the others.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "unknown"
            warnings.warn(
                f"the activation {entry.name!r} of the package {package!r} is left out: {entry.value} cannot be "
                f"loaded ({type(error).__name__}: {error})",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            yield entry.name, loaded
