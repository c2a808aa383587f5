"""Whether the hub can be reached, without reaching for it."""

import urllib.error
import urllib.request

import pytest
from huggingface_hub import constants

from experiments.tasks.text import hub


@pytest.fixture
def answer(monkeypatch):
    """Lets the hub answer a request by calling `reply`."""

    def answering(reply):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: reply())

    return answering


def raising(error):
    def reply():
        raise error

    return reply


def test_a_hub_that_answers_can_be_reached(answer):
    answer(lambda: None)
    assert hub.why_unreachable() is None
    answer(raising(urllib.error.HTTPError("url", 403, "forbidden", None, None)))
    assert hub.why_unreachable() is None
    assert hub.where_from("owner/name") == {"local_files_only": False}


@pytest.mark.parametrize("error", [urllib.error.URLError("no route to host"), TimeoutError("no route to host")])
def test_without_a_network_the_reason_is_given_and_only_local_files_are_used(answer, error):
    answer(raising(error))
    assert "no route to host" in hub.why_unreachable()
    assert hub.where_from("owner/name") == {"local_files_only": True}


def test_a_folder_is_never_looked_for_on_the_hub(answer, tmp_path):
    answer(lambda: pytest.fail("must not be asked"))
    assert hub.where_from(str(tmp_path)) == {"local_files_only": True}


def test_offline_mode_is_respected(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in hub.why_unreachable()
