from typing import get_args

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb

from climdiff.recipe.fields import Baseline
from climdiff.report import colors

# Deuteranopia in linear RGB, severity 1 (Machado, Oliveira & Fernandes 2009, table 1).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


def lightness(rgb: np.ndarray, vision: np.ndarray | None = None) -> np.ndarray:
    """CIE 1976 lightness of sRGB colours."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if vision is not None:
        linear = np.clip(linear @ vision.T, 0, 1)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


def field(values: list[float], **attrs: str) -> xr.DataArray:
    return xr.DataArray(np.asarray([values], dtype=np.float32), dims=("y", "x"), name="v", attrs=attrs)


RAIN = {"standard_name": "lwe_precipitation_rate", "units": "mm day-1"}


@pytest.mark.parametrize("ramp", [colors.RAIN_COLORS, colors.SPREAD_COLORS])
@pytest.mark.parametrize("vision", [None, DEUTERANOPIA])
def test_more_is_darker_with_and_without_colour_vision(ramp: tuple[str, ...], vision: np.ndarray | None) -> None:
    steps = -np.diff(lightness(np.array([to_rgb(color) for color in ramp]), vision))
    assert steps.min() > 4
    assert steps.max() < 22


def test_the_rain_scale_darkens_in_equal_steps() -> None:
    steps = np.diff(lightness(np.array([to_rgb(color) for color in colors.RAIN_COLORS])))
    assert np.abs(steps / steps.mean() - 1).max() < 0.05


def test_rain_below_a_tenth_is_white_and_missing_is_grey() -> None:
    scale = colors.value_scale([field([0.0, 3.0], **RAIN)])
    shown = scale.colors(scale.norm(np.ma.masked_invalid([0.0, 0.0999, np.nan, 0.1])))
    assert np.allclose(shown[:2], [1, 1, 1, 1])
    assert np.allclose(shown[2, :3], to_rgb(colors.MISSING))
    assert not np.allclose(shown[3, :3], 1)


def test_rain_levels_follow_the_units_and_not_the_values() -> None:
    light, heavy = field([0.0, 0.3], **RAIN), field([0.0, 90.0], **RAIN)
    assert colors.value_scale([light]).levels.tolist() == colors.value_scale([heavy]).levels.tolist()
    hourly = colors.value_scale([field([0.0, 3.0], **RAIN | {"units": "mm/h"})])
    assert hourly.levels.tolist() == list(colors.RAIN_LEVELS_PER_HOUR)


def test_rain_in_unknown_units_has_levels_below_its_maximum() -> None:
    levels = colors.value_scale([field([0.0, 0.004], **RAIN | {"units": "m"})]).levels
    assert levels[-1] == pytest.approx(0.01) and np.all(np.diff(levels) > 0)


def test_rain_beyond_the_last_level_has_its_own_colour() -> None:
    scale = colors.value_scale([field([500.0, 0.0], **RAIN)])
    assert scale.extend == "max"
    assert np.allclose(scale.colors(scale.norm([500.0]))[0, :3], to_rgb(colors.RAIN_COLORS[-1]))


def test_temperature_levels_are_round_and_cover_all_fields() -> None:
    about = {"standard_name": "air_temperature", "units": "degC"}
    scale = colors.value_scale([field([-3.2, 4.0], **about), field([0.0, 17.7], **about)])
    assert scale.levels[0] <= -3.2 and scale.levels[-1] >= 17.7
    assert np.allclose(np.diff(scale.levels), scale.levels[1] - scale.levels[0])
    assert 0.0 in scale.ticks


def test_wind_components_are_symmetric_about_zero() -> None:
    levels = colors.value_scale([field([-3.0, 12.0], standard_name="eastward_wind", units="m s-1")]).levels
    assert np.allclose(levels, -levels[::-1])


@pytest.mark.parametrize("values", [[5.0, 5.0], [0.0, 0.0], [np.nan, np.nan]])
def test_a_constant_or_missing_field_has_a_scale(values: list[float]) -> None:
    for scale in (colors.value_scale([field(values, units="K")]), colors.spread_scale(field(values, units="K"))):
        assert np.all(np.diff(scale.levels) > 0)


def test_the_spread_of_any_variable_starts_at_zero() -> None:
    assert colors.spread_scale(field([0.4, 2.0], units="K")).levels[0] == 0.0
    assert colors.spread_scale(field([0.4, 2.0], **RAIN)).levels[0] == 0.1


def test_a_difference_is_blue_below_zero_red_above_and_symmetric() -> None:
    scale = colors.difference_scale(field([-30.0, 12.0], units="%"))
    assert np.array_equal(scale.levels, -scale.levels[::-1]) and scale.levels[-1] >= 30
    blue, red = (to_rgb(scale.colors(scale.norm(value))) for value in (-29.0, 29.0))
    assert blue[2] > blue[0] and red[0] > red[2]


def test_a_difference_beyond_a_hundred_percent_is_told_by_an_open_end() -> None:
    scale = colors.difference_scale(field([-30.0, 900.0], units="%"))
    assert (scale.levels[-1], scale.extend) == (100.0, "max")


def test_two_sources_never_share_their_look() -> None:
    names = ["truth", "diffusion", "oracle", "bilinear", "analogs", "climatology", "gan", "vae"]
    looks = [colors.source_style(name, order) for order, name in enumerate(names)]
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == len(names)


def test_every_baseline_has_a_look_of_its_own() -> None:
    looks = [colors.source_style(name) for name in ("truth", "diffusion", *get_args(Baseline))]
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == len(looks)


def test_the_label_of_a_source_is_no_formula() -> None:
    assert colors.source_style("a$b_{")["label"] == r"a\$b_{"


def test_colour_maps_of_matplotlib_are_left_as_they_are() -> None:
    before = matplotlib.colormaps["plasma"](np.nan)
    colors.value_scale([field([1.0, 2.0], standard_name="air_temperature", units="K")])
    assert matplotlib.colormaps["plasma"](np.nan) == before
