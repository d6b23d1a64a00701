"""What a mistyped name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Those of the known names that a mistyped one may mean, best first; case does not count."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """The end of a message about a name that nothing has: the nearest right one, else all of them if they are few."""
    known = sorted(set(known))
    near = get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= listed else ""
