"""Reads and joins OData filters as far as a pull must understand them; pure."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r"\s*('(?:[^']|'')*'|[(),]|[^\s(),']+)")
_EQUALITY_LENGTH: Final = 3


def literal(text: str) -> str:
    """Write a text as an OData string literal.

    >>> literal("O'Neill")
    "'O''Neill'"
    """
    return "'" + text.replace("'", "''") + "'"


def joined(*filters: str | None) -> str | None:
    """Return a filter that holds where all of these hold; None if there are none.

    >>> joined("A eq '1' or A eq '2'", None, "B eq '3'")
    "(A eq '1' or A eq '2') and (B eq '3')"
    """
    present = [row_filter for row_filter in filters if row_filter]
    if len(present) <= 1:
        return present[0] if present else None
    return " and ".join(f"({row_filter})" for row_filter in present)


def pinned(row_filter: str | None, column: str) -> str | None:
    """Return the one member that a filter lets through in a column; None if it may be several.

    Only what holds for the whole filter counts: `Version eq 'A' or Region eq 'B'` pins nothing.

    >>> pinned("Version eq 'public.Actual' and (Region ne '#')", "Version")
    'public.Actual'
    """
    for part in _conjuncts(_TOKEN.findall(row_filter or "")):
        if len(part) == _EQUALITY_LENGTH and part[1] == "eq":
            left, right = part[0], part[2]
            name, value = (right, left) if left.startswith("'") else (left, right)
            if name == column and value.startswith("'"):
                return value[1:-1].replace("''", "'")
    return None


def _conjuncts(words: list[str]) -> list[list[str]]:
    """Split a filter at those `and` that bind the whole of it, and look into parentheses."""
    words = _without_outer_parentheses(words)
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        # Some services read them in any letter case.
        if depth == 0 and word.lower() == "or":
            return [words]
        if depth == 0 and word.lower() == "and":
            parts.append([])
        else:
            parts[-1].append(word)
    if len(parts) == 1:
        return parts
    return [conjunct for part in parts for conjunct in _conjuncts(part)]


def _without_outer_parentheses(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] == "(" and _closing(words) == len(words) - 1:
        words = words[1:-1]
    return words


def _closing(words: list[str]) -> int:
    """Return the place of the parenthesis that closes the first one; -1 if none does."""
    depth = 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0:
            return place
    return -1
