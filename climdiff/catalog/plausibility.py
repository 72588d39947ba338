"""Whether numbers can be what their units say: a gate on the mean and the 99.9th percentile of a variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log

from climdiff.catalog.units import conversion

Range = tuple[float, float]


@dataclass(frozen=True)
class Gate:
    """Widest plausible mean and 99.9th percentile of real fields, in `units`."""

    units: str
    mean: Range
    high: Range  # of the 99.9th percentile
    any_time: tuple[Range, Range] | None = None  # mean and largest of any dates: a drought, a flood, a week of wind

    def passes(self, mean: float, high: float) -> bool:
        """Return whether both lie inside."""
        return self.mean[0] <= mean <= self.mean[1] and self.high[0] <= high <= self.high[1]


_RAIN = Gate("mm day-1", (1e-3, 100.0), (0.5, 3000.0), any_time=((-1.0, 1000.0), (5e-3, 3e4)))
_WIND = Gate("m s-1", (-50.0, 50.0), (0.0, 130.0), any_time=((-100.0, 100.0), (-130.0, 130.0)))
GATES: Mapping[str, Gate] = {
    "lwe_precipitation_rate": _RAIN,
    "precipitation_flux": _RAIN,
    "rainfall_flux": _RAIN,
    "rainfall_rate": _RAIN,
    "air_temperature": Gate("K", (190.0, 330.0), (200.0, 345.0)),
    "air_pressure_at_mean_sea_level": Gate("Pa", (9.3e4, 1.08e5), (9.5e4, 1.1e5)),
    "air_pressure_at_sea_level": Gate("Pa", (9.3e4, 1.08e5), (9.5e4, 1.1e5)),
    "surface_air_pressure": Gate("Pa", (4.5e4, 1.08e5), (5e4, 1.1e5)),
    "eastward_wind": _WIND,
    "northward_wind": _WIND,
    "wind_speed": Gate("m s-1", (0.0, 50.0), (0.5, 130.0), any_time=((0.0, 100.0), (0.0, 130.0))),
    "specific_humidity": Gate("1", (1e-6, 0.03), (1e-6, 0.05)),
    "surface_altitude": Gate("m", (-500.0, 6500.0), (-450.0, 9000.0)),
    "land_area_fraction": Gate("1", (0.0, 1.0), (0.0, 1.0)),
}
# What numbers may have been multiplied by, or added, by mistake.
_FACTORS = {"86 400": 86400.0, "3 600": 3600.0, "24": 24.0, "1 000": 1000.0, "100": 100.0, "86 400 000": 8.64e7}
_OFFSET = 273.15
FEW_DATES = 30
"""So many dates may pass without a drop of rain; later there is some, if only what a model leaves in the air."""


def implausible(standard_name: str, units: str, mean: float, high: float) -> str | None:
    """Return what is implausible about a climate of a variable in `units`, with the factor it looks like, or None.

    `high` is the 99.9th percentile. Variables without a gate, and fields of zeros only, always pass.
    """
    gate = GATES.get(standard_name)
    return None if gate is None else _judged(gate, units, mean, high, "99.9th percentile")


def implausible_at_any_time(standard_name: str, units: str, mean: float, largest: float, n_dates: int) -> str | None:
    """Return what is implausible about some dates of a variable, as `implausible`; any weather passes."""
    gate = GATES.get(standard_name)
    if gate is None:
        return None
    if gate.any_time is not None:
        means, (low, high) = gate.any_time
        gate = replace(gate, mean=means, high=(means[0] if n_dates < FEW_DATES else low, high))
    return _judged(gate, units, mean, largest, "largest value")


def _judged(gate: Gate, units: str, mean: float, high: float, name: str) -> str | None:
    factors = conversion(units, gate.units)
    if factors is None or (mean == 0.0 and high == 0.0):
        return None
    scale, offset = factors
    mean, high = mean * scale + offset, high * scale + offset
    if gate.passes(mean, high):
        return None
    found = f"a mean of {mean:.4g} and a {name} of {high:.4g} {gate.units}"
    expected = f"expected {gate.mean[0]:g} to {gate.mean[1]:g} and {gate.high[0]:g} to {gate.high[1]:g}"
    return f"has {found}, {expected}{_suspicion(gate, mean, high)}"


def _suspicion(gate: Gate, mean: float, high: float) -> str:
    """Return the slip that would bring the numbers inside, the percentile nearest to the middle of its range."""
    slips = {}
    for name, factor in _FACTORS.items():
        slips[f"a factor {name} too small"] = mean * factor, high * factor
        slips[f"a factor {name} too large"] = mean / factor, high / factor
    if gate.units == "K":
        slips[f"{_OFFSET} too small"] = mean + _OFFSET, high + _OFFSET
        slips[f"{_OFFSET} too large"] = mean - _OFFSET, high - _OFFSET
    middle = log(max(gate.high[0], 1e-3 * gate.high[1]) * gate.high[1]) / 2.0
    inside = {name: abs(log(pair[1]) - middle) for name, pair in slips.items() if gate.passes(*pair) and pair[1] > 0}
    return f"; looks like {min(inside, key=lambda name: inside[name])}" if inside else ""
