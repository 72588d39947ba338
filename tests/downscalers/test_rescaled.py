"""Block means of the coarse field, whatever the method; the pattern inside a block is the method's."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.downscalers.analogs import Analogs
from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.rescaled import Rescaled
from climdiff.errors import DataError
from climdiff.grids.blocks import blocks_of


def rescaled_analogs(train, names=("pr",), highest: float = 1e4) -> Rescaled:
    blocks = blocks_of(train.coarse_grid, train.fine_grid)
    limits = {"pr": (0.0, highest), "tas": (-highest, highest)}
    analogs = Analogs(train.fine, train.coarse, list(names))
    return Rescaled(analogs, dict.fromkeys(names, blocks), limits, frozenset({"pr"}))


def test_analogs_of_rain_and_temperature_get_the_block_means_of_the_day(make_pairs):
    generator = np.random.default_rng(0)
    rain = np.maximum(generator.normal(size=(60, 12, 12)), 0) * (generator.random((60, 12, 12)) < 0.3)
    pairs = make_pairs({"pr": rain, "tas": 280 + generator.normal(size=(60, 12, 12))}, 4)
    method: Downscaler = rescaled_analogs(pairs.select(slice(0, 40)), ("pr", "tas"))
    test = pairs.select(slice(40, 60))
    made = method.downscale(test.coarse, members=range(5), seed=0)
    for name in ("pr", "tas"):
        means = blocks_of(test.coarse_grid, test.fine_grid).mean(made[name].values.astype(np.float64))
        np.testing.assert_allclose(means, np.broadcast_to(test.coarse[name], means.shape), rtol=1e-5, atol=1e-6)
    assert float(made["pr"].min()) >= 0


def test_within_a_block_rain_keeps_its_ratios_and_temperature_its_differences(make_pairs):
    generator = np.random.default_rng(1)
    pairs = make_pairs({"pr": 1 + generator.random((30, 8, 8)), "tas": generator.normal(size=(30, 8, 8))}, 4)
    method = rescaled_analogs(pairs.select(slice(0, 20)), ("pr", "tas"))
    coarse = pairs.select(slice(20, 30)).coarse
    plain, made = (m.downscale(coarse, [0], 0) for m in (method.method, method))
    block = {"y": slice(0, 4), "x": slice(4, 8)}
    ratio = (made["pr"] / plain["pr"]).isel(block).values
    shift = (made["tas"] - plain["tas"]).isel(block).values
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[..., :1, :1], ratio.shape), rtol=1e-5)
    np.testing.assert_allclose(shift, np.broadcast_to(shift[..., :1, :1], shift.shape), atol=1e-5)


class Drops:
    """One drop of 0.1 in the corner of 8 x 8 cells."""

    def downscale(self, coarse, members, seed):
        values = np.zeros((1, 1, 8, 8), np.float32)
        values[..., 0, 0] = 0.1
        return xr.Dataset({"pr": (("realization", "time", "y", "x"), values)})


def test_a_few_drops_do_not_become_a_flood(make_pairs):
    pairs = make_pairs({"pr": np.full((1, 8, 8), 10.0)}, 4)
    blocks = blocks_of(pairs.coarse_grid, pairs.fine_grid)
    method = Rescaled(Drops(), {"pr": blocks}, {"pr": (0.0, 1e4)}, frozenset({"pr"}))
    made = method.downscale(pairs.coarse, [0], 0)["pr"].values
    # the drop may grow 20 times and a bit with the rest, which the other cells share; alone it would be 160
    assert made.mean() == pytest.approx(10)
    assert made[..., 0, 0].item() == pytest.approx(20 * (0.1 + 10 / 20 - 0.1 / 16), rel=1e-5)
    assert made[..., 1, 1].item() == pytest.approx(20 * (10 / 20 - 0.1 / 16), rel=1e-5)


def test_dry_blocks_and_missing_means_are_respected(rain):
    train = rain(30, 2)
    coarse = train.coarse.isel(time=[0, 1]).copy(deep=True)
    coarse["pr"][0, 0, 0], coarse["pr"][0, 3, 3] = 0, np.nan
    train = train.select(slice(2, 30))
    method = rescaled_analogs(train)
    broken = coarse.fillna(1.0)
    made = method.downscale(broken, [0, 1], 0)["pr"]
    assert float(made[:, 0, :4, :4].max()) == 0
    with pytest.raises(DataError, match="CD-075"):
        method.downscale(coarse, [0], 0)


def test_coarse_data_without_the_variable_are_refused(rain):
    with pytest.raises(DataError, match=r"CD-036 coarse data: no variable \['pr'\] among \['rain'\]"):
        rescaled_analogs(rain(10, 3)).downscale(rain(2, 4).coarse.rename(pr="rain"), [0], 0)
