"""A first signal is a request to stop; handlers are restored."""

import signal

import pytest

from experiments.training.signals import signals_interrupt, stop_requests, stop_signals


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


@pytest.fixture
def hangups():
    """The hang-ups that nothing else took."""
    arrived = []
    usual = signal.signal(signal.SIGHUP, lambda *_: arrived.append(1))
    yield arrived
    signal.signal(signal.SIGHUP, usual)


def test_a_lost_terminal_requests_a_stop_however_often_it_says_so(hangups):
    with stop_requests() as stop_requested:
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
        assert stop_requested()
        assert hangups == []
    signal.raise_signal(signal.SIGHUP)
    assert hangups == [1]


def test_a_lost_terminal_interrupts_where_nothing_is_trained(hangups):
    with signals_interrupt():
        for number in (signal.SIGHUP, signal.SIGTERM):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    signal.raise_signal(signal.SIGHUP)
    assert hangups == [1]


def test_nohup_is_respected(hangups):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert signal.SIGHUP not in stop_signals()
    with stop_requests() as stop_requested:
        signal.raise_signal(signal.SIGHUP)
        assert not stop_requested()


def test_another_reason_to_stop_counts_too():
    with stop_requests(lambda: True) as stop_requested:
        assert stop_requested()
