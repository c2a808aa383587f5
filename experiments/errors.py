"""Errors that are shown as one message, without a traceback."""

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """A mistake or a state of the machine that the user can correct.

    The message names the key or file, its value, what is accepted and how to correct it.
    """


class OtherProcessFailed(Exception):
    """This process of a distributed run ends because another one failed.

    The message is empty if another process reports the reason.
    """


def one_line(error: BaseException, longest: int | None = None) -> str:
    """The text of an error in one line, of at most `longest` characters."""
    return " ".join(str(error).split())[:longest]


def unknown(what: str, word: str, known: Iterable[str], all_shown_by: str = "") -> BadInput:
    """The error for a name that does not exist: the closest names, then all or the command that shows all."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=3)
    shown = all_shown_by or f"Accepted: {', '.join(known)}"
    rest = f"did you mean {' or '.join(near)}? {shown}" if near else shown[:1].lower() + shown[1:]
    return BadInput(f"unknown {what} {word!r}; {rest}")
