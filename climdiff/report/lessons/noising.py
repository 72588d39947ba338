"""The lecture's pictures of how data become noise: forward process, kernel, posterior, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from climdiff.report.lessons.sheet import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    TITLE,
    halves,
    headline,
    label,
    latent,
    latent_bar,
    open_frame,
    panels_of,
    rain,
    rain_bar,
    rain_scale,
    sheet,
    sideways,
)
from climdiff.report.style import styled

_STARTS = (BLUE, GREEN, ORANGE, RED)
_SCHEDULES = (
    (BLUE, "-"),
    (RED, "-"),
    (GREEN, (0, (5, 1.5))),
    (ORANGE, (0, (5, 1.5))),
    (PINK, (0, (1.5, 1))),
    ("black", (0, (1.5, 1))),
)
_LEVELS = {"trailing": "trailing: even in t, from T", "uniform": "uniform: even in t, from T to 1"} | {
    "karras": r"karras: even in $\sigma^{1/7}$",
    "angle": r"angle: even in $\arctan\,\sigma$",
}


@dataclass(frozen=True, eq=False)
class Forward:
    """Values and a field carried through the T steps of the chain.

    Attributes:
        paths: z_0 = x, z_1 .. z_T of each path of each start value, (start, path, T + 1).
        ends: z_T of many more paths, (draw,).
        grid: Values at which `normal` is given, (value,).
        normal: Density of N(0, 1), (value,).
        times: t of the fields, (frame,).
        signal: sqrt(alpha_t) at these times, (frame,).
        fields: z_t of a rain field, (frame, y, x).
        rain: The rain that x stands for [mm/day], (y, x).
    """

    paths: np.ndarray
    ends: np.ndarray
    grid: np.ndarray
    normal: np.ndarray
    times: np.ndarray
    signal: np.ndarray
    fields: np.ndarray
    rain: np.ndarray


@dataclass(frozen=True, eq=False)
class Kernel:
    """The kernel q(z_t | x) of one x.

    Attributes:
        mean: sqrt(alpha_t) x for t = 0 .. T, (T + 1,).
        std: sqrt(1 - alpha_t), (T + 1,).
        grid: Values at which densities are given, (value,).
        density: q(z_t | x), (T + 1, value); that of t = 0, a point, is 0.
        paths: Some paths made step by step, (path, T + 1).
        times: The t at which samples are compared, (time,).
        stepped: z_t made by t steps, (time, draw).
        jumped: z_t made at once from x, (time, draw).
    """

    mean: np.ndarray
    std: np.ndarray
    grid: np.ndarray
    density: np.ndarray
    paths: np.ndarray
    times: np.ndarray
    stepped: np.ndarray
    jumped: np.ndarray


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior q(z_{t-1} | z_t, x) at some t, and its weights at all.

    Attributes:
        x: The clean value.
        times: (time,).
        z: z_t at these times, (time,).
        grid: Values of z_{t-1}, (time, value).
        before: q(z_{t-1} | x), (time, value).
        step: q(z_t | z_{t-1}) as a function of z_{t-1}, scaled to a density, (time, value).
        product: Their product, scaled to a density by its sum over the grid, (time, value).
        posterior: The closed form, (time, value).
        of_z: Weight of z_t in the posterior's mean for t = 1 .. T, (T,).
        of_x: Weight of x, (T,).
        std: Standard deviation of the posterior, (T,).
        beta_std: sqrt(beta_t), that of Algorithm 18.2, (T,).
    """

    x: float
    times: np.ndarray
    z: np.ndarray
    grid: np.ndarray
    before: np.ndarray
    step: np.ndarray
    product: np.ndarray
    posterior: np.ndarray
    of_z: np.ndarray
    of_x: np.ndarray
    std: np.ndarray
    beta_std: np.ndarray


@dataclass(frozen=True, eq=False)
class Schedules:
    """Schedules side by side, and the noise levels samplers visit.

    Attributes:
        time: t / T, (T,).
        alpha: Name of a schedule to alpha_1 .. alpha_T, (T,).
        sigma: Name of a schedule to sigma_1 .. sigma_T, (T,).
        levels: Name of a spacing to the levels a sampler visits, (step,), without the 0 at the end.
        chain: Name of the schedule that the levels are those of.
    """

    time: np.ndarray
    alpha: Mapping[str, np.ndarray]
    sigma: Mapping[str, np.ndarray]
    levels: Mapping[str, np.ndarray]
    chain: str


def forward_figure(lesson: Forward) -> Figure:
    """Return paths from several x to noise, where they end, and a rain field on the same way."""
    with styled():
        figure = sheet(4.2)
        upper, lower = halves(figure, (2.7, 1.3))
        fan, end = panels_of(upper, 1, 2, sharey=True, width_ratios=[5, 1])[0]
        steps = np.arange(lesson.paths.shape[2])
        for color, paths in zip(_STARTS, lesson.paths, strict=False):
            fan.plot(steps, paths[1:].T, color=color, linewidth=0.4, alpha=0.45)
            fan.plot(steps, paths[0], color=color, linewidth=1.5)
            start = f"x = {paths[0, 0]:g}".replace("-", "−")
            label(fan, -1.5, paths[0, 0], start, color, ha="right", va="center", fontweight="bold")
        fan.set(xlim=(-15, steps[-1]), ylim=(lesson.grid[0], lesson.grid[-1]), xticks=range(0, steps[-1] + 1, 20))
        fan.set(xlabel="noising step t", ylabel=r"$z_t$")
        open_frame(fan)
        headline(fan, f"Whatever x was, {steps[-1]} small steps make it standard normal")
        sideways(end, lesson.ends, lesson.grid, lesson.normal, GREY)
        end.set_title(f"$z_{{{steps[-1]}}}$ and $N(0, 1)$", loc="left")
        wet, *panels = panels_of(lower, 1, 1 + len(lesson.times))[0]
        scale = rain_scale()
        rain(wet, lesson.rain, scale)
        wet.set_title("a day's rain")
        for axes, t, signal, values in zip(panels, lesson.times, lesson.signal, lesson.fields, strict=True):
            latent(axes, values)
            axes.set_title("its x" if t == 0 else f"$z_{{{t}}}$")
            axes.set_xlabel(rf"$\sqrt{{\alpha_t}}$ = {signal:.2f}")
        rain_bar(lower, [wet], scale, location="left")
        latent_bar(lower, panels)
    return figure


def kernel_figure(lesson: Kernel) -> Figure:
    """Return the kernel's density, mean and spread against t, and jumped beside stepped samples."""
    with styled():
        figure = sheet(3.4)
        mosaic: Any = [["map", str(t)] for t in lesson.times]
        panels = figure.subplot_mosaic(mosaic, width_ratios=[2.4, 1])
        axes, steps = panels["map"], np.arange(len(lesson.mean))
        top = lesson.density[len(steps) // 10 :].max()
        axes.pcolormesh(steps, lesson.grid, lesson.density.T, cmap="Blues", vmin=0, vmax=1.25 * top, rasterized=True)
        axes.plot(steps, lesson.paths.T, color=GREY, linewidth=0.4, alpha=0.7)
        axes.plot(steps, lesson.mean, color="black", linewidth=1.6)
        for sign in (-1, 1):
            axes.plot(steps, lesson.mean + sign * lesson.std, color="black", linewidth=0.9, linestyle=(0, (4, 2)))
        at = 3 * steps[-1] // 10
        label(axes, at, lesson.mean[at], r"  mean $\sqrt{\alpha_t}\, x$", "black", va="bottom")
        label(axes, at, lesson.mean[at] + lesson.std[at], r"  $\pm\sqrt{1-\alpha_t}$", "black", va="bottom")
        axes.set(xlim=(0, steps[-1]), ylim=(lesson.grid[0], lesson.grid[-1]), xlabel="t", ylabel=r"$z_t$")
        headline(axes, f"$q(z_t\\,|\\,x)$ for x = {lesson.mean[0]:g}: the mean fades, the spread grows to 1")
        for number, t in enumerate(lesson.times):
            side = panels[str(t)]
            edges: Any = {"bins": 45, "range": (lesson.grid[0], lesson.grid[-1]), "density": True}
            side.hist(lesson.jumped[number], color=ORANGE, alpha=0.55, label="one jump", **edges)
            side.hist(lesson.stepped[number], color=BLUE, histtype="step", label="t steps", **edges)
            side.plot(lesson.grid, lesson.density[t], color="black", linewidth=1.0, label="kernel")
            side.set(yticks=[], xticks=[-2, 0, 2], xlim=(lesson.grid[0], lesson.grid[-1]))
            side.set_title(f"t = {t}", loc="left")
            open_frame(side)
            axes.axvline(t, color=BLUE, linewidth=0.8, linestyle=":")
        panels[str(lesson.times[-1])].set_xlabel(r"$z_t$")
        panels[str(lesson.times[0])].legend(loc="upper left", handlelength=1.2, borderaxespad=0.1)
    return figure


def posterior_figure(lesson: Posterior) -> Figure:
    """Return the two normals that the posterior is the product of, at some t, and its weights and spread at all."""
    with styled():
        figure = sheet(4.2)
        upper, lower = halves(figure, (1.2, 1))
        panels = panels_of(upper, 1, len(lesson.times))[0]
        for row, (axes, t, z, grid) in enumerate(zip(panels, lesson.times, lesson.z, lesson.grid, strict=True)):
            axes.fill_between(grid, lesson.before[row], color=ORANGE, alpha=0.3, linewidth=0)
            axes.plot(grid, lesson.before[row], color=ORANGE, label=r"from x: $q(z_{t-1}\,|\,x)$")
            axes.fill_between(grid, lesson.step[row], color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(grid, lesson.step[row], color=BLUE, label=r"from $z_t$: $q(z_t\,|\,z_{t-1})$")
            axes.plot(grid, lesson.posterior[row], color="black", label=r"posterior $q(z_{t-1}\,|\,z_t, x)$")
            some = slice(len(grid) // 80, None, len(grid) // 40)
            dots: Any = {"marker": "o", "linestyle": "", "color": "black", "markersize": 2.2}
            axes.plot(grid[some], lesson.product[row][some], label="product of the two, on a grid", **dots)
            axes.set(yticks=[], xlabel=r"$z_{t-1}$", xlim=(grid[0], grid[-1]), ylim=(0, None))
            axes.set_title(rf"t = {t},  x = {lesson.x:g},  $z_t = {z:.2f}$", loc="left")
            open_frame(axes)
        upper.suptitle("Knowing x and $z_t$, one step back is a normal between them", **TITLE)
        upper.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.2)
        weights, spread = panels_of(lower, 1, 2)[0]
        steps = np.arange(1, len(lesson.std) + 1)
        weights.plot(steps, lesson.of_x, color=ORANGE, label="of x")
        weights.plot(steps, lesson.of_z, color=BLUE, label=r"of $z_t$")
        headline(weights, "Early in the chain x decides, late $z_t$")
        weights.set(ylabel="weight in the mean", ylim=(-0.02, 1.04))
        spread.plot(
            steps, lesson.beta_std, color=PINK, linestyle=(0, (4, 1.5)), label=r"$\sqrt{\beta_t}$, Algorithm 18.2"
        )
        spread.plot(steps, lesson.std, color="black", label="posterior")
        headline(spread, "Fresh noise: two choices, alike for large t")
        spread.set(ylabel="standard deviation", ylim=(0, None))
        for axes in (weights, spread):
            axes.set(xscale="log", xlabel="t", xlim=(1, steps[-1]), xticks=[1, 2, 5, 10, 20, 50, 100])
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.legend(loc="best")
            open_frame(axes)
    return figure


def schedules_figure(lesson: Schedules) -> Figure:
    """Return alpha_t, log SNR and sigma_t of every schedule against t, and the levels that samplers visit."""
    with styled():
        figure = sheet(4.4)
        upper, lower = halves(figure, (1.75, 1))
        signal, ratio, level = panels = panels_of(upper, 1, 3)[0]
        for (name, alpha), (color, dash) in zip(lesson.alpha.items(), _SCHEDULES, strict=False):
            sigma = lesson.sigma[name]
            style: Any = {"color": color, "linestyle": dash, "label": name}
            signal.plot(lesson.time, alpha, **style)
            ratio.plot(lesson.time, -2 * np.log(sigma), **style)
            level.plot(lesson.time, sigma, **style)
        headline(signal, r"Signal left: $\alpha_t$")
        headline(ratio, r"log SNR: $\log\,[\alpha_t / (1-\alpha_t)]$")
        headline(level, r"Noise level $\sigma_t$")
        level.set(yscale="log", ylim=(1e-3, 2e4))
        ratio.set(ylim=(-20, 14))
        for axes in panels:
            axes.set(xlabel="t / T", xlim=(0, 1))
            open_frame(axes)
        upper.legend(*signal.get_legend_handles_labels(), loc="outside lower center", ncols=6, columnspacing=1.2)
        axes = lower.subplots()
        for row, sigmas in enumerate(lesson.levels.values()):
            axes.axhline(-row, color="#d8d8d8", linewidth=0.8)
            axes.plot(sigmas, np.full(len(sigmas), -row), "|", color=BLUE, markersize=11, markeredgewidth=1.5)
        axes.set(xscale="log", xlabel=r"noise level $\sigma$; a sampler walks from left to right", xlim=(6e4, 4e-3))
        axes.set(yticks=[-row for row in range(len(lesson.levels))], ylim=(0.5 - len(lesson.levels), 0.5))
        axes.set_yticklabels([_LEVELS[name] for name in lesson.levels])
        axes.set_xticks([1e4, 1e3, 1e2, 10, 1, 0.1, 0.01], ["10 000", "1000", "100", "10", "1", "0.1", "0.01"])
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        steps = len(next(iter(lesson.levels.values())))
        headline(axes, f"Where {steps} evaluations are spent on the {lesson.chain} schedule")
    return figure
