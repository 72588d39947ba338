"""The typographic style of every figure, applied while it is drawn and to nothing else."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.5,
    "axes.spines.top": True,
    "axes.spines.right": True,
    "axes.unicode_minus": True,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.35,
    "ytick.minor.width": 0.35,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.3,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.dpi": 160,
    "text.usetex": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "climdiff",
}


def styled() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn in climdiff's style; the settings from before return at its end."""
    return matplotlib.rc_context(_SETTINGS)
