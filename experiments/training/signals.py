"""Signals that ask a run to stop."""

import contextlib
import signal
from collections.abc import Callable, Iterator

StopRequested = Callable[[], bool]


def _never() -> bool:
    return False


@contextlib.contextmanager
def stop_requests(also: StopRequested = _never) -> Iterator[StopRequested]:
    """Yields a function that returns whether SIGTERM or SIGINT was received; a second signal has its usual effect.

    Args:
        also: returns whether there is another reason to stop.
    """
    received: list[int] = []
    before = {}

    def remember(number: int, frame: object) -> None:
        received.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, remember)
    except ValueError:  # only the main thread can set handlers
        before.clear()
    try:
        yield lambda: bool(received) or also()
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is remember:  # not if another handler was set since
                signal.signal(number, handler)
