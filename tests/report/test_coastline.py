from importlib import resources

import numpy as np
import shapely

from climdiff.report import coastline


def test_the_coastline_is_a_small_file_of_the_whole_world() -> None:
    size = len(resources.files("climdiff.report").joinpath(coastline.FILE).read_bytes())
    lines = coastline.world_coastline()
    assert size <= 500_000
    assert lines.geom_type == "MultiLineString"
    west, _, east, north = lines.bounds
    assert west == -180 and east == 180 and 83 < north < 84


def test_no_line_of_the_coast_jumps_across_the_map() -> None:
    steps = [np.abs(np.diff(shapely.get_coordinates(line)[:, 0])).max() for line in coastline.world_coastline().geoms]
    assert max(steps) < 10


def test_the_seams_of_the_map_are_no_coast() -> None:
    vertical = shapely.LineString([(180, -90), (180, 90)])
    assert shapely.length(shapely.intersection(coastline.world_coastline(), vertical)) == 0


def test_a_known_coast_is_where_it_should_be() -> None:
    gibraltar = shapely.Point(-5.35, 36.1)
    assert coastline.world_coastline().distance(gibraltar) < 0.1


def test_the_coast_is_clipped_to_the_box_and_its_margin() -> None:
    lines = coastline.coastline_around(np.array([36.0, 44.0]), np.array([-10.0, 4.0]), margin=1.0)
    west, south, east, north = lines.bounds
    assert (west >= -11, south >= 35, east <= 5, north <= 45) == (True,) * 4
    assert shapely.length(lines) > 10


def test_longitudes_may_start_anywhere() -> None:
    lat, lon = np.array([36.0, 44.0]), np.array([-10.0, 4.0])
    here = coastline.coastline_around(lat, lon)
    assert np.isclose(shapely.length(coastline.coastline_around(lat, lon + 360)), shapely.length(here))


def test_a_box_across_the_antimeridian_has_the_coast_of_both_sides() -> None:
    lines = coastline.coastline_around(np.array([-20.0, -15.0]), np.array([175.0, 185.0]))  # Fiji
    assert lines.bounds[0] < -175 and lines.bounds[2] > 175
    assert all(abs(line.bounds[0]) >= 174 for line in shapely.get_parts(lines))


def test_the_open_ocean_has_no_coast() -> None:
    assert coastline.coastline_around(np.array([-40.0, -35.0]), np.array([-120.0, -115.0])).is_empty


def test_a_global_box_has_all_of_the_coast() -> None:
    lines = coastline.coastline_around(np.array([-90.0, 90.0]), np.arange(0.0, 360.0, 2.0))
    assert np.isclose(shapely.length(lines), shapely.length(coastline.world_coastline()))
