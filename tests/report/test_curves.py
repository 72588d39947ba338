import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from climdiff.report import curves
from climdiff.verification.probabilistic import Reliability
from climdiff.verification.spectra import Spectrum


def spectrum(factor: float, spacing_km: float = 2.0) -> Spectrum:
    cells = 32 / np.arange(1, 17)
    truth = cells**2.0
    return Spectrum(cells, cells * spacing_km, factor * truth, 0.5 * truth, truth, 10)


def saved(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def line(figure: Figure, axes: int, label: str) -> np.ndarray:
    found = [artist for artist in figure.axes[axes].lines if artist.get_label() == label]
    return np.asarray(found[0].get_xydata())


def test_a_spectrum_is_shown_beside_its_ratio_to_the_truth() -> None:
    figure = curves.spectra_figure({"diffusion": spectrum(1.2), "bilinear": spectrum(0.1)}, "mm h-1")
    assert np.allclose(line(figure, 0, "truth")[:, 1], spectrum(1).truth)
    assert np.allclose(line(figure, 1, "diffusion")[:, 1], 1.2)
    assert "(mm h⁻¹)²" in figure.axes[0].get_ylabel()
    assert saved(figure)


def test_long_waves_are_on_the_left_and_kilometres_on_top() -> None:
    figure = curves.spectra_figure({"diffusion": spectrum(1.0)})
    assert figure.axes[1].get_xlim() == (32, 2)
    (top,) = figure.axes[0].child_axes
    saved(figure)
    assert [text.get_text() for text in top.get_xticklabels()] == ["4", "8", "16", "32", "64"]


def test_a_grid_without_lengths_has_no_kilometres() -> None:
    assert not curves.spectra_figure({"diffusion": spectrum(1.0, np.nan)}).axes[0].child_axes


def test_power_of_zero_is_left_out() -> None:
    assert np.isnan(line(curves.spectra_figure({"bilinear": spectrum(0.0)}), 0, "bilinear")[:, 1]).all()


def test_a_flat_rank_histogram_has_the_height_one_for_shares_and_counts() -> None:
    figure = curves.rank_histogram_figure({"diffusion": np.full(17, 1 / 17), "analogs": np.full(5, 200)})
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert np.allclose(heights[0], 1) and np.allclose(heights[1], 1)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["diffusion", "analogs"]


def test_reliability_shows_frequency_and_how_often_a_probability_was_given() -> None:
    probability = np.linspace(0, 1, 5)
    weight, frequency = np.array([0.6, 0.2, 0.1, 0.1, 0.0]), np.array([0.1, 0.2, 0.5, 0.8, np.nan])
    figure = curves.reliability_figure({"diffusion": Reliability(probability, weight, frequency)}, "pr ≥ 1 mm day⁻¹")
    assert np.array_equal(line(figure, 0, "diffusion")[:, 1], frequency, equal_nan=True)
    assert np.isnan(line(figure, 1, "diffusion")[-1, 1])
    assert figure.axes[0].get_title(loc="left") == "pr ≥ 1 mm day⁻¹"
    assert saved(figure)


def test_the_best_validation_score_is_named() -> None:
    rows = [{"step": step, "loss": 1 / step} for step in range(1, 4000)]
    rows += [{"step": step, "validation_score": score} for step, score in ((1000, 0.8), (2000, 0.55), (3000, 0.6))]
    figure = curves.loss_figure([*rows, {"event": "resumed"}])
    assert "0.550 at step 2,000" in figure.axes[1].texts[0].get_text()
    assert len(figure.axes[0].lines[0].get_xydata()) <= 300
    assert saved(figure)


def test_the_mean_loss_of_a_run_of_steps_is_drawn() -> None:
    figure = curves.loss_figure([{"step": step, "loss": float(step % 2)} for step in range(1, 6001)])
    drawn = figure.axes[0].lines[0].get_xydata()
    assert np.allclose(drawn[:, 1], 0.5)


@pytest.mark.parametrize(
    "rows",
    [[], [{"step": 1, "loss": 0.0}], [{"step": 5, "validation_score": 0.7}], [{"step": 5, "validation_score": np.nan}]],
)
def test_a_short_log_is_drawn(rows: list[dict[str, float]]) -> None:
    assert saved(curves.loss_figure(rows))


def test_the_loss_of_each_group_is_a_running_mean_of_its_own() -> None:
    rows = [
        {"step": 10 * number, "loss": 1.0, "loss_sigma_below_0.1": 2.0, "loss_sigma_0.1_to_1": 0.5 + number % 2}
        for number in range(1, 101)
    ]
    figure = curves.loss_figure(rows)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["sigma below 0.1", "sigma 0.1 to 1"]
    assert line(figure, 0, "sigma below 0.1")[:, 1] == pytest.approx(2.0)
    assert line(figure, 0, "sigma 0.1 to 1")[:, 1] == pytest.approx(1.0, abs=0.11)


def test_a_narrow_range_of_losses_has_numbers_on_its_axis() -> None:
    rows = [{"step": number, "loss": 0.7 + 0.001 * number} for number in range(1, 101)]
    figure = curves.loss_figure(rows)
    figure.canvas.draw()
    axis = figure.axes[0].yaxis
    low, high = figure.axes[0].get_ylim()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    assert any(tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high)


def test_many_sources_have_their_names_beside_the_axes_and_panels_in_rows() -> None:
    names = [f"method {number}" for number in range(8)]
    figure = curves.spectra_figure({name: spectrum(1.0) for name in names})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*names, "truth"]
    assert figure.axes[0].get_legend() is None
    few = curves.spectra_figure({name: spectrum(1.0) for name in names[:3]})
    assert few.axes[0].get_legend() is not None and not few.legends
    ranks = curves.rank_histogram_figure({name: np.full(5, 0.2) for name in names[:6]})
    assert sum(axes.get_visible() for axes in ranks.axes) == 6
    assert ranks.get_figheight() > 1.5 * curves.rank_histogram_figure({"diffusion": np.ones(5)}).get_figheight()
    assert saved(ranks) and saved(figure)
