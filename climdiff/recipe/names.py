"""Which names a recipe may give, as patterns, and what each pattern means in words."""

from __future__ import annotations

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
REFERENCE = r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}$"
SUBSET = r"^[a-z][a-z0-9_-]{0,63}$"
VARIABLE = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"

MEANINGS = {
    NAME: ("a name of at most 64 lower-case letters, digits, '-' and '_'", "rename it"),
    REFERENCE: ("<catalog entry>/<part>", "write it like radar2km/fine; `climdiff data list` shows the entries"),
    SUBSET: ("a period [first, last] or the name of a subset", "write two dates in brackets, or a name like train"),
    VARIABLE: ("a variable name of at most 64 letters, digits and '_', beginning with a letter", "rename it"),
}
"""Pattern: what it asks for, and what to do about a name that does not match."""
