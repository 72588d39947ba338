import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from climdiff.grids.grid import Grid
from climdiff.report.maps import ensemble_maps, in_readable_units

World = Callable[..., tuple[xr.Dataset, xr.Dataset, xr.Dataset]]


def drawn_maps(
    truth: xr.Dataset, coarse: xr.Dataset, ensemble: xr.Dataset, variable: str = "pr", **options: int
) -> Figure:
    grids = Grid.from_dataset(truth), Grid.from_dataset(coarse)
    date = truth["time"].values[0]
    return ensemble_maps(truth, coarse, ensemble, grids=grids, time=date, variable=variable, **options)


def saved(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=50)
    return stream.getvalue()


def titles(figure: Figure) -> list[str]:
    return [text.partition("  ")[2] for axes in figure.axes if (text := axes.get_title(loc="left")).startswith("$")]


def shown_values(figure: Figure, panel: int) -> np.ndarray:
    return np.asarray(figure.axes[panel].collections[0].get_array()).ravel()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("kind", ["latlon", "rotated", "plain"])
def test_maps_are_drawn_and_saved_without_a_network(rain_world: World, kind: str) -> None:
    picture = saved(drawn_maps(*rain_world(kind)))
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000


def test_the_panels_are_input_truth_mean_spread_and_the_first_members(rain_world: World) -> None:
    figure = drawn_maps(*rain_world("latlon"))
    expected = ["coarse input", "truth", "ensemble mean", "ensemble spread", *(f"member {n}" for n in range(4))]
    assert titles(figure) == expected


def test_each_panel_shows_its_values(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("rotated")
    figure = drawn_maps(truth, coarse, ensemble)
    members = ensemble["pr"].values[:, 0]
    expected = [
        coarse["pr"].values[0],
        truth["pr"].values[0],
        members.mean(axis=0),
        members.std(axis=0, ddof=1),
        members[0],
    ]
    for panel, values in enumerate(expected):
        assert np.allclose(shown_values(figure, panel), values.ravel(), rtol=1e-5)


def test_truth_coarse_and_members_share_one_scale_and_the_spread_has_its_own(rain_world: World) -> None:
    figure = drawn_maps(*rain_world("plain"))
    norms = [axes.collections[0].norm for axes in figure.axes[:8]]
    assert len({id(norm) for norm in norms}) == 2
    assert all(norm is norms[0] for number, norm in enumerate(norms) if number != 3)


def test_the_colour_bar_says_what_is_shown_and_its_units(rain_world: World) -> None:
    figure = drawn_maps(*rain_world("plain"))
    assert "daily precipitation [mm day⁻¹]" in [axes.get_xlabel() for axes in figure.axes]


def test_a_coarse_input_without_the_variable_is_left_out(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("latlon")
    figure = drawn_maps(truth, coarse.rename(pr="psl"), ensemble)
    assert titles(figure) == ["truth", "ensemble mean", "ensemble spread", *(f"member {n}" for n in range(4))]


def test_one_member_has_no_spread(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("plain", members=1)
    assert titles(drawn_maps(truth, coarse, ensemble)) == ["coarse input", "truth", "ensemble mean", "member 0"]


def test_a_field_without_members_is_one(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("latlon")
    alone = drawn_maps(truth, coarse, ensemble.isel(realization=0, drop=True))
    assert titles(alone) == ["coarse input", "truth", "ensemble mean", "member 0"]
    np.testing.assert_array_equal(shown_values(alone, 3), ensemble["pr"].values[0, 0].ravel())


def test_dimensions_in_another_order_are_drawn_the_right_way_up(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("latlon")
    turned = drawn_maps(truth.transpose("lon", "time", "lat"), coarse, ensemble)
    assert np.array_equal(shown_values(turned, 1), shown_values(drawn_maps(truth, coarse, ensemble), 1))


def test_missing_cells_are_drawn_as_missing(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("plain")
    truth["pr"][0, :3, :3] = np.nan
    assert np.ma.count_masked(drawn_maps(truth, coarse, ensemble).axes[1].collections[0].get_array()) == 9


def test_a_flux_is_shown_in_mm_per_day() -> None:
    flux = xr.DataArray([1.0 / 86400], attrs={"units": "kg m-2 s-1", "long_name": "rain"})
    shown = in_readable_units(flux)
    assert shown.item() == pytest.approx(1.0)
    assert shown.attrs == {"units": "mm day-1", "long_name": "rain"}
    assert in_readable_units(shown) is shown


def test_names_made_to_break_a_figure_are_drawn_as_text(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("plain")
    for data in (truth, coarse, ensemble):
        data["pr"].attrs["long_name"] = "$\\frac{ \n\x1b[31m<script>alert(1)</script>"
    assert saved(drawn_maps(truth, coarse, ensemble)).startswith(b"\x89PNG")


def test_more_members_take_more_rows(rain_world: World) -> None:
    truth, coarse, ensemble = rain_world("plain", members=6)
    assert titles(drawn_maps(truth, coarse, ensemble, members=6))[4:] == [f"member {n}" for n in range(6)]


@pytest.mark.data
@pytest.mark.usefixtures("no_network")
def test_a_rotated_model_grid_is_drawn_with_its_coast(real_data: Path) -> None:
    folder = real_data / "iberia_racmo_eur44"
    with (
        xr.open_dataset(folder / "fine_historical_1983-2002.nc", chunks=None) as fine,
        xr.open_dataset(folder / "coarse_historical_1983-2002.nc", chunks=None) as coarse,
    ):
        truth, given = fine.isel(time=[40]).load(), coarse.isel(time=[40]).load()
    ensemble = xr.concat([truth, truth * 1.1], xr.Variable("realization", [0, 1]))
    start = time.process_time()
    figure = drawn_maps(truth, given, ensemble, variable="tas")
    assert len(saved(figure)) > 10_000
    assert time.process_time() - start < 5
    coast = [artist for artist in figure.axes[1].get_children() if type(artist).__name__ == "FeatureArtist"]
    assert len(coast) == 1
