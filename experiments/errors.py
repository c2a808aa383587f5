"""The errors that a person is told in one message, without a traceback."""

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """A user's mistake or a state of the machine that the user can mend.

    The message names the key or file, the value that came in, what is accepted and the way out.
    """


class OtherProcessFailed(Exception):
    """Several processes share a run, and this one ends because of another.

    The message is empty where that one, or the first, tells the person why.
    """


def unknown(what: str, word: str, known: Iterable[str], all_shown_by: str = "") -> BadInput:
    """The error for a name that does not exist: the closest names, then all or the command that shows all."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=3)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return BadInput(f"unknown {what} {word!r}; {meant}{all_shown_by or 'Accepted: ' + ', '.join(known)}")
