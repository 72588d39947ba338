"""Spectra: known waves, white noise, and conservation of variance."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification import spectra


def wave(shape: tuple[int, int], wavelength: float, angle_rad: float) -> np.ndarray:
    y, x = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    return np.cos(2 * np.pi * (np.sin(angle_rad) * y + np.cos(angle_rad) * x) / wavelength + 0.3)


@pytest.mark.parametrize("shape", [(64, 64), (48, 64), (65, 51)])
@pytest.mark.parametrize("angle_rad", [0.0, 0.7, np.pi / 2])
def test_a_wave_in_any_direction_peaks_at_its_wavelength(shape: tuple[int, int], angle_rad: float):
    ring = 8
    power = spectra.power_spectrum(wave(shape, min(shape) / ring, angle_rad))
    assert power.argmax() == ring - 1
    assert spectra.wavelengths(min(shape))[ring - 1] == pytest.approx(min(shape) / ring)
    assert power[ring - 3 : ring + 2].sum() > 0.99 * power.sum()


def test_power_of_a_wave_is_half_its_squared_amplitude():
    power = spectra.power_spectrum(3 * wave((64, 64), 8, 0.7))
    cycles = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)) * 64
    modes = np.array([((cycles > j - 0.5) & (cycles <= j + 0.5)).sum() for j in range(1, 33)])
    assert (power * modes).sum() == pytest.approx(4.5, rel=0.01)


@pytest.mark.parametrize("shape", [(64, 64), (31, 40)])
def test_white_noise_has_equal_power_at_all_wavelengths(shape: tuple[int, int]):
    fields = 2 * np.random.default_rng(1).normal(size=(300, *shape))
    power = spectra.power_spectrum(fields).mean(axis=0)
    assert power[2:] * np.prod(shape) == pytest.approx(4, rel=0.05)


def test_a_plane_has_no_power():
    y, x = np.meshgrid(np.arange(32), np.arange(20), indexing="ij")
    assert spectra.power_spectrum(3.0 + 0.5 * y - 2.0 * x).max() < 1e-20


def test_halving_a_field_quarters_its_power():
    fields = np.random.default_rng(2).normal(size=(3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(spectra.power_spectrum(fields / 2), spectra.power_spectrum(fields) / 4)


def test_sums_leave_out_incomplete_times_and_compare_members_with_truth():
    generator = np.random.default_rng(3)
    truth = generator.normal(size=(5, 16, 16))
    members = 2 * generator.normal(size=(40, 5, 16, 16))
    complete = np.array([True, True, False, True, True])
    found = spectra.spectrum(spectra.spectrum_sums(members, truth, complete), 16, 2.0)
    assert found is not None and found.n_fields == 4
    assert found.wavelength_km == pytest.approx(2 * found.wavelength_cells)
    np.testing.assert_allclose(found.truth, spectra.power_spectrum(truth[complete]).mean(axis=0))
    np.testing.assert_allclose(found.members, spectra.power_spectrum(members[:, complete]).mean(axis=(0, 1)))
    np.testing.assert_allclose(found.ratio, found.members / found.truth)
    assert found.mean.sum() < found.members.sum() / 20  # independent members cancel in their mean


def test_no_complete_field_gives_no_spectrum():
    sums = spectra.spectrum_sums(np.zeros((2, 3, 8, 8)), np.zeros((3, 8, 8)), np.zeros(3, bool))
    assert spectra.spectrum(sums, 8, 1.0) is None


def test_power_over_a_powerless_truth_is_undefined():
    sums = spectra.spectrum_sums(np.ones((2, 1, 8, 8)), np.zeros((1, 8, 8)), np.ones(1, bool))
    found = spectra.spectrum(sums, 8, 1.0)
    assert found is not None and np.isnan(found.ratio).all()
