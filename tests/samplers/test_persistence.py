"""Persistent noise: standard normal, correlated as asked, and still a matter of its address alone (FAULTS 82 to 85)."""

from __future__ import annotations

import tracemalloc

import cftime
import numpy as np
import pytest
import torch

from climdiff.samplers.noise import Noise, time_keys
from climdiff.samplers.persistence import DAY, LONGEST, Persistence, PersistentNoise, coefficients

SHAPE = (2, 40, 33)
MAY = np.datetime64("2001-05-01") + np.arange(12)


def field(persistence, times, draw=0, members=(0,), seed=5, shape=SHAPE):
    keys = persistence.keys(times)
    addresses = [(member, key) for member in members for key in keys]
    return PersistentNoise(seed, addresses, shape, persistence.coefficients())(draw)


@pytest.mark.parametrize("half_life", [0.1, 1.0, 5.0, LONGEST])
def test_coefficients_are_those_of_an_ar1_process_of_variance_one(half_life):
    c, rho = coefficients(half_life), 2 ** (-1 / half_life)
    assert (c**2).sum() == pytest.approx(1.0, abs=1e-14)
    assert (c[:-1] * c[1:]).sum() == pytest.approx(rho, abs=2e-6)
    np.testing.assert_allclose(c[1:] / c[:-1], rho, rtol=1e-12)


def test_the_correlation_of_fields_falls_with_their_distance_in_time():
    persistence = Persistence(DAY, (1.0, 4.0))
    values = field(persistence, MAY, shape=(2, 128, 128)).double()
    assert float(values.std()) == pytest.approx(1.0, abs=0.01)
    for channel, half_life in enumerate(persistence.half_lives):
        for lag in (1, 2, 4, 8):
            found = float((values[:-lag, channel] * values[lag:, channel]).mean())
            assert found == pytest.approx(2 ** (-lag / half_life), abs=0.02)


def test_without_half_life_it_is_the_plain_noise_to_the_bit():
    plain = Noise(5, [(0, int(key)) for key in time_keys(MAY)], SHAPE)
    assert torch.equal(field(Persistence(DAY, (0.0, 0.0)), MAY), plain(0))


def test_a_channel_without_half_life_is_not_touched_by_another_that_has_one():
    plain = Noise(5, [(0, int(key)) for key in time_keys(MAY)], SHAPE)(3)
    mixed = field(Persistence(DAY, (0.0, 3.0)), MAY, draw=3)
    assert torch.equal(mixed[:, 0], plain[:, 0])
    assert not torch.equal(mixed[:, 1], plain[:, 1])


def test_fault_082_a_date_is_the_same_alone_in_any_batch_and_in_any_order():
    persistence = Persistence(DAY, (2.0, 7.0))
    together = field(persistence, MAY, members=(3, 8), draw=4)
    backwards = field(persistence, MAY[::-1], members=(8, 3), draw=4)
    assert torch.equal(together, backwards.flip(0))
    for element, (member, date) in enumerate([(member, date) for member in (3, 8) for date in MAY]):
        assert torch.equal(field(persistence, np.array([date]), members=(member,), draw=4)[0], together[element])


def test_fault_084_more_dates_and_members_do_not_change_those_there():
    persistence = Persistence(DAY, (2.0, 2.0))
    more = field(persistence, np.datetime64("2001-04-20") + np.arange(30), members=(1, 2)).reshape(2, 30, *SHAPE)
    assert torch.equal(more[0, 11:23], field(persistence, MAY, members=(1,)))


def test_fault_085_members_draws_seeds_and_cells_stay_independent():
    persistence = Persistence(DAY, (10.0,))
    one = (1, 64, 64)
    dates = MAY[:1]
    fields = [field(persistence, dates, draw, (member,), seed, one) for draw in range(4) for member in range(4)
              for seed in range(4)]  # fmt: skip
    flat = torch.stack(fields).reshape(64, -1).double()
    correlations = flat @ flat.T / flat.shape[1] - torch.diag((flat**2).mean(1))
    assert float(correlations.abs().max()) < 5 / flat.shape[1] ** 0.5
    cells = flat.reshape(64, 64, 64)
    for shifted in (cells.roll(1, 1), cells.roll(1, 2)):
        assert abs(float((cells * shifted).mean())) < 5 / flat.numel() ** 0.5


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_the_days_before_are_those_of_the_calendar(calendar):
    persistence = Persistence(DAY, (1.0,))
    first = cftime.datetime(2001, 3, 1, calendar=calendar)
    days = np.array([first + k * (cftime.datetime(2001, 1, 2, calendar=calendar)
                                  - cftime.datetime(2001, 1, 1, calendar=calendar)) for k in range(12)])  # fmt: skip
    keys = persistence.keys(days)
    assert (keys[1:, 1:] == keys[:-1, :-1]).all()
    last_of_february = {"noleap": 28, "standard": 28, "360_day": 30}[calendar]
    expected = cftime.datetime(2001, 2, last_of_february, calendar=calendar)
    assert keys[0, 1] == time_keys(np.array([expected]))[0]


@pytest.mark.parametrize("half_lives", [(-1.0,), (LONGEST + 1,), (float("nan"),)])
def test_half_lives_out_of_range_are_refused(half_lives):
    with pytest.raises(ValueError, match="expected 0 to 100"):
        Persistence(DAY, half_lives)


def test_memory_is_that_of_the_batch_however_long_noise_persists():
    """Distinct dates share no field: were all kept, they would take as many fields as there are coefficients."""
    c = coefficients(40.0)
    times = np.datetime64("2001-01-01") + 5000 * np.arange(4)
    keys = Persistence(DAY, (40.0,)).keys(times)
    noise = PersistentNoise(1, [(0, row) for row in keys], (1, 64, 64), c[None])
    tracemalloc.start()
    noise(0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fields_kept = len(c) * len(times) * 64 * 64 * 4
    assert peak < 0.2 * fields_kept
