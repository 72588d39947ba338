"""Text of a figure or page made from data attributes: names, units and dates, safe to draw."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import xarray as xr

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPELLINGS = {"degC": "°C", "degree_Celsius": "°C", "celsius": "°C", "degrees": "°", "1": ""}


def plain(text: object) -> str:
    """Return `text` on one line, without control characters (which could forge a line or a terminal colour)."""
    printable = "".join(character if character.isprintable() else " " for character in str(text))
    return " ".join(printable.split())


def lines(text: str) -> str:
    """Return `text` with its lines and indentation, without control characters."""
    return "\n".join("".join(c for c in line if c.isprintable()) for line in text.expandtabs(2).split("\n"))


def sentence(text: object) -> str:
    """Return `plain(text)` with its first letter a capital, the others as they are."""
    line = plain(text)
    return line[:1].upper() + line[1:]


def drawn(text: object) -> str:
    """Return `plain(text)` for matplotlib, which would read dollar signs as the start of a formula."""
    return plain(text).replace("$", r"\$")


def units_label(units: object) -> str:
    """Return units as they are typeset: `mm day-1` and `mm/day` as `mm day⁻¹`, `degC` as `°C`, `1` as nothing."""
    words = re.sub(r"/\s*([A-Za-z]+)", r" \1-1", plain(units)).split()
    return " ".join(_typeset(_SPELLINGS.get(word, word)) for word in words).strip()


def _typeset(word: str) -> str:
    return re.sub(r"(?<=[A-Za-z])-?\d+$", lambda exponent: exponent[0].translate(_SUPERSCRIPTS), word)


def long_name(values: xr.DataArray) -> str:
    """Return the long name of `values`, else their standard name in words, else their name."""
    return plain(values.attrs.get("long_name") or values.attrs.get("standard_name", values.name)).replace("_", " ")


def quantity(values: xr.DataArray) -> str:
    """Return what `values` are, for a colour bar: `daily precipitation [mm day⁻¹]`."""
    units = units_label(values.attrs.get("units", ""))
    return long_name(values) + (f" [{units}]" if units else "")


def date_label(time: Any) -> str:
    """Return a date, and the hour when it is not midnight, for numpy and cftime times of any calendar."""
    text = str(np.datetime_as_string(time, "m")) if isinstance(time, np.datetime64) else plain(time.isoformat())[:16]
    day, _, clock = text.partition("T")
    return day if clock in ("", "00:00") else f"{day} {clock}"


def number(value: float) -> str:
    """Return a number with three significant digits."""
    return fixed(value, significant_decimals(value))


def significant_decimals(value: float) -> int:
    """Return how many decimals show three significant digits of `value`."""
    return max(0, 2 - math.floor(math.log10(abs(value)))) if value and math.isfinite(value) else 2


def fixed(value: float, decimals: int) -> str:
    """Return a number with that many decimals, with an exponent where they would be more than six."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}" if decimals <= 6 else f"{value:.2e}"
    return text.removeprefix("-" if float(text) == 0 else "").replace("-", "−")
