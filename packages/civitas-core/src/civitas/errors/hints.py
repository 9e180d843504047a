"""What may have been meant by a word that is not known: the ends of error messages."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def did_you_mean(word: object, words: Iterable[object]) -> str:
    """`; did you mean 'near'?`, or nothing if no word is near."""
    near = nearest(word, words)
    return f"; did you mean {near!r}?" if near else ""


def nearest(word: object, words: Iterable[object]) -> str:
    """The one of `words` that is nearest to `word`, or nothing if none is near."""
    import difflib  # only for those who made a mistake

    known = {str(each).lower(): str(each) for each in words}
    sought = str(word).lower()
    near = difflib.get_close_matches(sought, list(known), 1)
    if not near and len(sought) > 2:
        near = [each for each in known if each.startswith(sought)]  # `drain` for `drain_timeout`
    return known[near[0]] if near else ""
