"""Noise depends on its address alone, and addresses are independent."""

from __future__ import annotations

import itertools

import cftime
import numpy as np
import pytest
import torch

from climdiff.samplers.noise import BLOCK, Noise, normal, normal_field, time_keys


def test_a_member_is_the_same_in_any_batch_and_order() -> None:
    addresses = [(member, time) for member in (0, 3, 17) for time in (-5, 0, 12_345_678_901)]
    together = Noise(7, addresses, (2, 40, 33))
    for draw in (0, 1, 999):
        values = together(draw)
        assert values.dtype == torch.float32 and values.shape == (9, 2, 40, 33)
        backwards = Noise(7, addresses[::-1], (2, 40, 33))(draw)
        assert torch.equal(values, backwards.flip(0))
        for element, address in enumerate(addresses):
            assert torch.equal(Noise(7, [address], (2, 40, 33))(draw)[0], values[element])


def test_a_window_holds_what_the_whole_domain_holds_there() -> None:
    whole = normal_field(1, 2, 3, 4, (2, 100, 130))
    rng = np.random.default_rng(0)
    for _ in range(20):
        y0, x0 = int(rng.integers(0, 99)), int(rng.integers(0, 129))
        ny, nx = int(rng.integers(1, 101 - y0)), int(rng.integers(1, 131 - x0))
        window = normal_field(1, 2, 3, 4, (2, ny, nx), origin=(y0, x0))
        np.testing.assert_array_equal(window, whole[:, y0 : y0 + ny, x0 : x0 + nx])
    padded = normal_field(1, 2, 3, 4, (2, 137, 135), origin=(-37, -5))
    np.testing.assert_array_equal(padded[:, 37:, 5:], whole)
    tile = Noise(1, [(2, 3)], (2, 20, 30), origin=(50, 60))(4)[0].numpy()
    np.testing.assert_array_equal(tile, whole[:, 50:70, 60:90])


def test_the_first_channels_do_not_depend_on_how_many_follow() -> None:
    three = normal_field(1, 2, 3, 4, (3, 64, 64))
    np.testing.assert_array_equal(normal_field(1, 2, 3, 4, (1, 64, 64)), three[:1])


def test_one_block_is_the_stream_itself() -> None:
    field = normal_field(5, 6, 7, 8, (2, BLOCK, BLOCK))
    np.testing.assert_array_equal(field, normal(5, 6, 7, 8, (2, BLOCK, BLOCK)))


def test_the_values_are_those_of_numpy_philox_at_the_documented_counter() -> None:
    counter = np.array([0, -9 & (2**64 - 1), (-1 & (2**32 - 1)) << 32 | 3, 11 << 32 | 4], np.uint64)
    key = np.array([5, int.from_bytes(b"climdiff", "little")], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    expected = generator.standard_normal((1, BLOCK, BLOCK), dtype=np.float32)
    np.testing.assert_array_equal(normal_field(5, 11, -9, 4, (1, BLOCK, BLOCK), origin=(-BLOCK, 3 * BLOCK)), expected)


def test_numpy_has_not_changed_its_normals() -> None:
    golden = [0.8115962743759155, 1.0501673221588135, 0.27539652585983276, -0.08675789088010788]
    np.testing.assert_array_equal(normal(1, 2, 3, 4, (4,)), np.array(golden, np.float32))


def test_every_part_of_the_address_changes_every_block() -> None:
    seeds, members, times, draws = (0, 1, 2**63), range(10), (-(2**62), -1, 0, 1, 2**40), range(7)
    seen = set()
    for address in itertools.product(seeds, members, times, draws):
        field = normal_field(*address, (1, 64, 64), origin=(-32, -32))[0]
        seen.update(field[y : y + 32, x : x + 32].tobytes() for y in (0, 32) for x in (0, 32))
    assert len(seen) == 3 * 10 * 5 * 7 * 4


def test_no_two_of_ten_thousand_blocks_are_equal() -> None:
    origin = (-64, 32 * 2**19)
    addresses = itertools.product((0,), range(5), (-3, 4), range(63))
    wide = [normal_field(*address, (1, 128, 128), origin=origin) for address in addresses]
    blocks = np.stack(wide).reshape(-1, 4, 32, 4, 32).transpose(0, 1, 3, 2, 4).reshape(-1, 1024)
    assert len(blocks) == 10_080
    assert len({block.tobytes() for block in blocks}) == len(blocks)
    assert len(np.unique(blocks[:, :2].copy().view(np.uint64))) == len(blocks)


def test_different_members_dates_draws_and_neighbours_are_uncorrelated() -> None:
    addresses = itertools.product((0, 1), (0, 1, 2), (-1, 0, 86_400), (0, 1))
    fields = [normal_field(*address, (1, 96, 96)).ravel() for address in addresses]
    values = np.stack(fields).astype(np.float64)
    correlation = np.corrcoef(values)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 5 / np.sqrt(values.shape[1])
    field = normal_field(3, 0, 0, 0, (1, 256, 256))[0].astype(np.float64)
    for dy, dx in ((0, 1), (1, 0), (32, 0), (0, 32), (16, 16)):
        lagged = (field[dy:, dx:] * field[: 256 - dy, : 256 - dx]).mean()
        assert abs(lagged) < 5 / np.sqrt((256 - dy) * (256 - dx))


def test_the_values_are_standard_normal() -> None:
    values = np.stack([normal_field(11, m, 0, 0, (1, 256, 256)) for m in range(8)]).astype(np.float64).ravel()
    n = values.size
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((values**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert 4.2 < np.abs(values).max() < 6.5


def test_time_keys_follow_the_date_and_not_its_encoding() -> None:
    dates = ["1850-01-01", "1969-12-31T23:59:59", "1970-01-01", "2000-02-29T12:00", "2300-07-04T06:30:15"]
    seconds = np.array(dates, "datetime64[s]")
    keys = time_keys(seconds)
    assert keys.dtype == np.int64 and (np.diff(keys) > 0).all()
    np.testing.assert_array_equal(keys, time_keys(seconds.astype("datetime64[us]")))
    gregorian = [cftime.DatetimeGregorian(*t.astype(object).timetuple()[:6]) for t in seconds]
    np.testing.assert_array_equal(keys, time_keys(np.array(gregorian, dtype=object)))


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "all_leap", "julian", "standard"])
def test_no_two_days_of_any_calendar_share_a_key(calendar: str) -> None:
    days = cftime.num2date(np.arange(-800, 800), "days since 2000-01-01", calendar)
    assert (np.diff(time_keys(days)) > 0).all()


@pytest.mark.parametrize(
    ("part", "address"),
    [("seed", (-1, 0, 0, 0)), ("member", (0, -1, 0, 0)), ("time_key", (0, 0, 2**63, 0)), ("draw", (0, 0, 0, 2**32))],
)
def test_an_address_out_of_range_is_refused_by_name(part: str, address: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"noise address: {part} is "):
        normal(*address, shape=(1,))
