"""Random numbers that depend on counters (seed, epoch, step) alone, so that a resumed run draws the same."""

import hashlib
import random

import numpy as np
import torch


def derived_seed(*counters: int | str) -> int:
    """A 63-bit seed that is a fixed function of `counters`."""
    digest = hashlib.sha256("/".join(map(str, counters)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(device: torch.device | str, *counters: int | str) -> torch.Generator:
    """A generator on `device` whose stream is a fixed function of `counters`."""
    return torch.Generator(device).manual_seed(derived_seed(*counters))


def seed_everything(seed: int) -> None:
    """Seeds the global generators of Python, NumPy and torch (all devices) from `seed`."""
    random.seed(seed)
    np.random.seed(derived_seed(seed) % 2**32)
    torch.manual_seed(seed)


def random_states(device: torch.device) -> dict[str, object]:
    """The states of the global generators that a run on `device` uses, as plain objects and tensors."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random_states(states: dict[str, object], device: torch.device) -> None:
    """Restores what `random_states` returned."""
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device)
