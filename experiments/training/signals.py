"""Signals that ask a run to stop: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a lost terminal)."""

import contextlib
import signal
from collections.abc import Callable, Iterator

StopRequested = Callable[[], bool]

HANGUP = getattr(signal, "SIGHUP", None)
"""What a lost terminal sends, perhaps several times; Windows does not have it."""


def stop_signals() -> tuple[int, ...]:
    """The signals that ask to stop; not SIGHUP where this process was told to ignore it, as by nohup."""
    if HANGUP is None or signal.getsignal(HANGUP) == signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, HANGUP)


def _never() -> bool:
    return False


@contextlib.contextmanager
def stop_requests(also: StopRequested = _never) -> Iterator[StopRequested]:
    """Yields a function that returns whether a signal asked to stop; a second signal has its usual effect.

    A second SIGHUP has none.

    Args:
        also: returns whether there is another reason to stop.
    """
    received: list[int] = []
    before = {}

    def remember(number: int, frame: object) -> None:
        received.append(number)
        for each, handler in before.items():
            if each != HANGUP:
                signal.signal(each, handler)

    try:
        for number in stop_signals():
            before[number] = signal.signal(number, remember)
    except ValueError:  # only the main thread can set handlers
        before.clear()
    try:
        yield lambda: bool(received) or also()
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is remember:  # not if another handler was set since
                signal.signal(number, handler)


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Makes every signal that asks to stop act like Ctrl-C: it raises KeyboardInterrupt."""
    before = {number: signal.getsignal(number) for number in stop_signals()}
    for number in before:
        if number != signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set by Python
                signal.signal(number, handler)
