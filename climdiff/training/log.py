"""The training log: one JSON object a line, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class Log:
    """Appends rows `{step, ...}` to `log.jsonl` and to TensorBoard event files beside it."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Open the log of a run that continues after `first_step`; rows of later steps, now redone, are dropped."""
        self.file = folder / "log.jsonl"
        kept = [row for row in read(self.file) if row["step"] <= first_step]
        self.file.write_text("".join(json.dumps(row) + "\n" for row in kept))
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Append one row."""
        with self.file.open("a") as stream:
            stream.write(json.dumps({"step": step, **numbers}) + "\n")
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event files."""
        self.writer.close()


def read(file: Path) -> list[dict[str, float]]:
    """Return the rows of a log; a last line cut off by a kill is left out, an absent file has none."""
    if not file.exists():
        return []
    lines = file.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
