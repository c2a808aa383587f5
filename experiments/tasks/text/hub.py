"""The Hugging Face hub: a quick check whether it can be reached, where its client would retry for a minute."""

import urllib.error
import urllib.request
from pathlib import Path

_CONNECTION_SECONDS = 5


def why_unreachable() -> str | None:
    """Why the hub cannot be reached, or None if it can; goes through the proxies that the environment names."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=_CONNECTION_SECONDS)
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError) as error:
        return f"{constants.ENDPOINT} cannot be reached: {getattr(error, 'reason', error)}"
    return None


def where_from(name: str) -> dict[str, object]:
    """Arguments of `from_pretrained` for a folder or a hub name: without a network only downloaded files are used."""
    return {"local_files_only": Path(name).is_dir() or why_unreachable() is not None}
