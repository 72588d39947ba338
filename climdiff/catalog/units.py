"""Conversion between units, only by a table of known ones; a guess would be a wrong number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit as `base value = scale * value + offset` within its dimension."""

    dimension: str
    scale: float
    offset: float = 0.0


# One kg m-2 of rain is one mm of water of 1000 kg m-3; the base of rain is mm s-1.
_SPELLINGS: Mapping[Unit, str] = {
    Unit("rain", 1.0): "mm s-1|mm/s|kg m-2 s-1|kg/m2/s|kg m^-2 s^-1|kg/m^2/s|kg m**-2 s**-1|mm sec-1",
    Unit("rain", 1.0 / 3600.0): "mm h-1|mm/h|mm/hr|mm hr-1|mm hour-1|kg m-2 h-1|mm h^-1",
    Unit("rain", 1.0 / 86400.0): "mm day-1|mm/day|mm/d|mm d-1|kg m-2 day-1|kg m-2 d-1|mm day^-1|mm per day",
    Unit("rain", 1000.0 / 86400.0): "m day-1|m/day|m d-1|m/d",
    Unit("rain", 10.0 / 86400.0): "cm day-1|cm/day",
    Unit("temperature", 1.0): "K|kelvin|Kelvin|degK|deg_K",
    Unit("temperature", 1.0, 273.15): "degC|celsius|Celsius|degrees_celsius|degree_Celsius|degrees C|deg_C|C|°C",
    Unit("temperature", 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0): "degF|fahrenheit|Fahrenheit|F",
    Unit("pressure", 1.0): "Pa|pascal|N m-2",
    Unit("pressure", 100.0): "hPa|mbar|mb|millibar|millibars",
    Unit("pressure", 1000.0): "kPa",
    Unit("speed", 1.0): "m s-1|m/s|m s^-1|m s**-1|m sec-1",
    Unit("speed", 1.0 / 3.6): "km h-1|km/h",
    Unit("speed", 1852.0 / 3600.0): "knot|knots|kt",
    Unit("ratio", 1.0): "1|kg kg-1|kg/kg|kg kg**-1|fraction|(0 - 1)|m2 m-2",
    Unit("ratio", 0.01): "%|percent",
    Unit("ratio", 0.001): "g kg-1|g/kg",
    Unit("length", 1.0): "m|meter|metre|meters|metres|gpm",
    Unit("length", 1000.0): "km",
    Unit("length", 0.01): "cm",
    Unit("length", 0.001): "mm",
    Unit("energy flux", 1.0): "W m-2|W/m2|W m^-2|W m**-2",
    Unit("geopotential", 1.0): "m2 s-2|m**2 s**-2|m^2 s^-2|J kg-1",
}
UNITS: Mapping[str, Unit] = {name: unit for unit, names in _SPELLINGS.items() for name in names.split("|")}
_SPEED_OF_RAIN = {"m s-1", "m/s", "m s^-1"}


def conversion(found: str, wanted: str) -> tuple[float, float] | None:
    """Return (scale, offset) with `wanted = scale * found + offset`, or None where the table has no such conversion.

    `m s-1` is a speed, and water depth per time where the other one is rain.
    """
    if found.strip() == wanted.strip():
        return 1.0, 0.0
    source, target = _unit(found, wanted), _unit(wanted, found)
    if source is None or target is None or source.dimension != target.dimension:
        return None
    return source.scale / target.scale, (source.offset - target.offset) / target.scale


def known(dimension_of: str) -> list[str]:
    """Return the spellings that can be converted to a unit, for messages."""
    unit = _unit(dimension_of, dimension_of)
    return [] if unit is None else [name for name, other in UNITS.items() if other.dimension == unit.dimension]


def _unit(name: str, other: str) -> Unit | None:
    name, other = " ".join(name.split()), " ".join(other.split())
    is_rain = name in _SPEED_OF_RAIN and other in UNITS and UNITS[other].dimension == "rain"
    return Unit("rain", 1000.0) if is_rain else UNITS.get(name)
