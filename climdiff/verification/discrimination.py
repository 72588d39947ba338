"""Relative operating characteristic: can the probabilities tell an event from none, however they are calibrated?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Roc:
    """Rates when an event is called from k of M members on, k from M + 1 (never) down to 0 (always); all (M + 2,).

    `hit_rate` is the share of events that are called, `false_alarm_rate` that of the rest; NaN where there are none.
    """

    hit_rate: np.ndarray
    false_alarm_rate: np.ndarray

    @property
    def area(self) -> float:
        """The area below the curve by trapezoids (Mason & Graham 2002): 1/2 knows nothing, 1 all; NaN where undefined.

        It is the chance that a cell with the event has more members with it than a cell without, ties counting half.
        """
        return float(np.trapezoid(self.hit_rate, self.false_alarm_rate))


def roc(table: np.ndarray) -> Roc:
    """Return the curve of an event table, (2, M + 1) as `probabilistic.event_table` has it."""
    called = np.concatenate([np.zeros((2, 1)), np.cumsum(table[:, ::-1], axis=1)], axis=1)
    total = table.sum(axis=1, keepdims=True)
    rates = np.divide(called, total, out=np.full(called.shape, np.nan), where=total > 0)
    return Roc(hit_rate=rates[1], false_alarm_rate=rates[0])
