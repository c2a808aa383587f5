"""A first signal is a request to stop; handlers are restored."""

import signal

import pytest

from experiments.training.signals import stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_requests_a_stop_and_the_second_has_its_usual_effect(number):
    usual, arrived = signal.signal(number, lambda *_: arrived.append(number)), []
    try:
        with stop_requests() as stop_requested:
            assert not stop_requested()
            signal.raise_signal(number)
            assert stop_requested()
            assert arrived == []
            signal.raise_signal(number)
            assert arrived == [number]
        signal.raise_signal(number)
        assert arrived == [number, number]
    finally:
        signal.signal(number, usual)


def test_handlers_are_restored_unless_others_were_set_since():
    usual = signal.getsignal(signal.SIGTERM)
    try:
        with stop_requests():
            assert signal.getsignal(signal.SIGTERM) is not usual
        assert signal.getsignal(signal.SIGTERM) is usual
        with stop_requests():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_another_reason_to_stop_counts_too():
    with stop_requests(lambda: True) as stop_requested:
        assert stop_requested()
