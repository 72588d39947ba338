"""One line of the benchmark: a ratio, its spread and what is aimed for; and the table and files made of all lines."""

from __future__ import annotations

import json
import operator
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

COMPARE = {">=": operator.ge, "<=": operator.le}
PACKAGES = ("climdiff", "torch", "numpy", "zarr", "diffusers", "denoising-diffusion-pytorch", "xskillscore")


@dataclass(frozen=True)
class Row:
    """A ratio, the range of the middle 80 % of its rounds, and the target such as '>= 4.5' ('' where none is set).

    What was measured once has no range: `low` and `high` are the ratio.
    """

    name: str
    ratio: float
    low: float
    high: float
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Return whether the target is met; None without one."""
        if not self.target:
            return None
        sign, value = self.target.split()
        return bool(COMPARE[sign](self.ratio, float(value)))

    @property
    def range(self) -> str:
        """Return the range in words, '' where the ratio was measured once."""
        return "" if self.low == self.high else f"{self.low:.3g} to {self.high:.3g}"

    def as_dict(self) -> dict[str, object]:
        """Return the line as it stands in benchmarks.json."""
        return {**asdict(self), "met": self.met}


def spread(name: str, ratios: Sequence[float], target: str = "") -> Row:
    """Return the row of a ratio that was measured several times: median, 10th and 90th percentile."""
    low, middle, high = np.quantile(np.asarray(ratios, float), [0.1, 0.5, 0.9])
    return Row(name, float(middle), float(low), float(high), target)


def machine(quiet: float) -> dict[str, object]:
    """Return where and with what the numbers were made; `quiet` is the share of the cores this process got."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "share_of_cores": round(quiet, 3),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| measured | ratio | middle 80 % | target | met |", "| --- | --- | --- | --- | --- |"]
    said = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {row.name} | {row.ratio:.3g} | {row.range} | {row.target} | {said[row.met]} |" for row in rows]
    return "\n".join(lines)


def publish(rows: Sequence[Row], where: Mapping[str, object], folder: Path, command: str) -> None:
    """Write benchmarks.json, and the table between the marks of benchmarks.md."""
    content = {"command": command, "machine": where, "rows": [row.as_dict() for row in rows]}
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n")
    page = folder / "benchmarks.md"
    text = page.read_text()
    begin, end = "<!-- made by make bench -->", "<!-- end of what make bench made -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    versions = ", ".join(f"{name} {found}" for name, found in where["versions"].items())  # type: ignore[attr-defined]
    facts = f"{where['date']}, {where['processor']}, {where['threads']} threads of {where['cores']} cores "
    facts += f"({100 * float(str(where['share_of_cores'])):.0f} % of them free), Python {where['python']}, {versions}."
    page.write_text(f"{before}{begin}\n\n```\n{command}\n```\n\n{facts}\n\n{table(rows)}\n\n{end}{after}")


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in file.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
