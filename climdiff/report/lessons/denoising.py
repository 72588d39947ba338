"""The lecture's pictures of how noise becomes data: reverse process, ensemble, guidance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from climdiff.report.lessons.sheet import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    TITLE,
    halves,
    headline,
    latent,
    latent_bar,
    open_frame,
    panels_of,
    rain,
    rain_bar,
    rain_scale,
    rain_spread_scale,
    sheet,
    sideways,
)
from climdiff.report.style import styled


@dataclass(frozen=True, eq=False)
class Reverse:
    """Algorithm 18.2 from z_T to x, for values and for a field.

    Attributes:
        paths: z_T .. z_1, x of some paths, (T + 1, path).
        starts: z_T of all paths, (draw,).
        ends: x of all paths, (draw,).
        grid: Values at which densities are given, (value,).
        density: q(z_t) for t = 0 .. T, (T + 1, value); row 0 is P(X).
        times: t of the fields, falling, (frame,).
        latents: z_t of the field, (frame, y, x).
        estimates: Rain [mm/day] of the estimate of x from z_t, (frame, y, x); the last is rain of x itself.
    """

    paths: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    grid: np.ndarray
    density: np.ndarray
    times: np.ndarray
    latents: np.ndarray
    estimates: np.ndarray


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members of one condition, each from its own z_T.

    Attributes:
        coarse: The condition y: coarse rain [mm/day], (coarse y, coarse x).
        starts: z_T of the first members, (shown, y, x).
        members: All members [mm/day], (member, y, x).
        expected: Exact mean of the law that members are drawn from [mm/day], (y, x).
    """

    coarse: np.ndarray
    starts: np.ndarray
    members: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True, eq=False)
class Guidance:
    """Samples of classifier-free guidance by its weight.

    Attributes:
        weights: Weights whose samples are shown, (weight,).
        samples: x of each, (weight, draw, 2).
        grid: Values along both axes, (value,).
        everything: Density P(X) on the grid, (x_2, x_1).
        wanted: Density P(X | y) on the grid, (x_2, x_1).
        center: Mean of P(X | y), (2,).
        std: Standard deviation of P(X | y) along one axis.
        swept: Weights of the two curves, (swept,).
        mean: Mean of x_2 of samples, (swept,).
        spread: Standard deviation of samples, root mean over the two axes, (swept,).
    """

    weights: np.ndarray
    samples: np.ndarray
    grid: np.ndarray
    everything: np.ndarray
    wanted: np.ndarray
    center: np.ndarray
    std: float
    swept: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


def reverse_figure(lesson: Reverse) -> Figure:
    """Return paths from noise to a density of two modes, and a field coming back with what is guessed on the way."""
    with styled():
        figure = sheet(5.3)
        upper, lower = halves(figure, (1, 1.05))
        start, paths, end = panels_of(upper, 1, 3, sharey=True, width_ratios=[1, 5, 1])[0]
        t = np.arange(len(lesson.density))
        grid, top = lesson.grid, lesson.density.max()
        paths.pcolormesh(t, grid, lesson.density.T, cmap="Greys", vmin=0, vmax=1.6 * top, rasterized=True)
        for path in lesson.paths.T:
            paths.plot(t[::-1], path, color=RED if path[-1] > 0 else BLUE, linewidth=0.6, alpha=0.75)
        paths.set(xlim=(t[-1], 0), ylim=(grid[0], grid[-1]), xlabel="t, from T down to 0")
        headline(paths, "Each step takes out some of the noise that f sees")
        sideways(start, lesson.starts, grid, lesson.density[-1], GREY)
        start.invert_xaxis()
        start.spines[["left"]].set_visible(False)
        start.tick_params(labelleft=True, left=False)
        start.set_title("$z_T$", loc="right")
        start.set_ylabel(r"$z_t$")
        sideways(end, lesson.ends, grid, lesson.density[0], GREY)
        end.set_title("x and P(X)", loc="left")
        columns = len(lesson.times)
        panels = panels_of(lower, 2, columns)
        lower.suptitle("A field on its way back: from what all days under y share to one of them", **TITLE)
        scale = rain_scale()
        for column, t_shown in enumerate(lesson.times):
            latent(panels[0, column], lesson.latents[column])
            rain(panels[1, column], lesson.estimates[column], scale)
            panels[0, column].set_title("x" if t_shown == 0 else f"$z_{{{t_shown}}}$")
        panels[0, 0].set_ylabel("$z_t$")
        panels[1, 0].set_ylabel("estimate of x, as rain")
        latent_bar(lower, panels[0])
        rain_bar(lower, panels[1], scale)
    return figure


def ensemble_figure(lesson: Ensemble) -> Figure:
    """Return a condition, two z_T with the two fields they become, and the mean and spread of the ensemble."""
    with styled():
        figure = sheet(3.6)
        panels = panels_of(figure, 2, 4)
        scale, spread = rain_scale(), rain_spread_scale()
        rain(panels[0, 0], lesson.coarse, scale)
        rain(panels[1, 0], lesson.expected, scale)
        titles = {(0, 0): "condition y: coarse rain", (1, 0): "mean of the exact law"}
        for number in range(2):
            latent(panels[0, 1 + number], lesson.starts[number])
            rain(panels[1, 1 + number], lesson.members[number], scale)
            titles |= {(0, 1 + number): f"$z_T$ of member {number + 1}", (1, 1 + number): f"↓ member {number + 1}"}
        rain(panels[0, 3], lesson.members.std(0, ddof=1), spread)
        rain(panels[1, 3], lesson.members.mean(0), scale)
        titles |= {(0, 3): f"spread of {len(lesson.members)}", (1, 3): f"mean of {len(lesson.members)}"}
        for place, text in titles.items():
            panels[place].set_title(text)
        rain_bar(figure, panels[1], scale)
        rain_bar(figure, panels[0], spread, "spread [mm/day]")
        figure.suptitle("One condition, two draws of noise, two possible days", **TITLE)
    return figure


def guidance_figure(lesson: Guidance) -> Figure:
    """Return samples of each weight over P(X) and P(X | y), and how far and how narrow they get."""
    with styled():
        figure = sheet(3.3)
        upper, lower = halves(figure, (1.05, 1))
        panels = panels_of(upper, 1, len(lesson.weights), sharex=True, sharey=True)[0]
        for axes, weight, samples in zip(panels, lesson.weights, lesson.samples, strict=True):
            _samples(axes, lesson, samples)
            axes.set_title(f"w = {weight:g}")
            axes.set_xlabel("$x_1$")
        upper.suptitle("Weight 0 draws P(X), weight 1 P(X | y), above it neither (ring: 86 % of P(X | y))", **TITLE)
        panels[0].set_ylabel("$x_2$")
        mean, spread = panels_of(lower, 1, 2)[0]
        mean.plot(lesson.swept, lesson.mean, "o-", color=BLUE, markersize=3)
        mean.axhline(lesson.center[1], color=ORANGE, linestyle="--", linewidth=1.0, label="P(X | y)")
        mean.set_ylabel("mean of $x_2$")
        headline(mean, "Guidance pushes away from other classes")
        spread.plot(lesson.swept, lesson.spread, "o-", color=BLUE, markersize=3)
        spread.axhline(lesson.std, color=ORANGE, linestyle="--", linewidth=1.0, label="P(X | y)")
        headline(spread, "and narrows beyond what y tells")
        spread.set(ylabel="standard deviation of $x_2$", ylim=(0, None))
        for axes in (mean, spread):
            axes.legend(loc="lower right")
            axes.axvline(1, color=ORANGE, linewidth=0.8, linestyle=":")
            axes.set_xlabel("guidance weight w")
            open_frame(axes)
    return figure


def _samples(axes: Axes, lesson: Guidance, samples: np.ndarray) -> None:
    grid = lesson.grid
    axes.contour(grid, grid, lesson.everything, levels=5, colors=GREY, linewidths=0.6)
    axes.scatter(samples[:, 0], samples[:, 1], s=1.2, color=BLUE, alpha=0.35, linewidths=0, rasterized=True)
    peak = lesson.wanted.max()
    axes.contour(grid, grid, lesson.wanted, levels=[peak * np.exp(-2)], colors=ORANGE, linewidths=1.2)
    axes.set(xlim=(grid[0], grid[-1]), ylim=(grid[0], grid[-1]), aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
