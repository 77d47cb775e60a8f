"""What the papers' findings in miniature share: the judgement of a trained variant, and the table and plot in a model card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from recipe.export import write_findings
from recipe.plot import write_bars
from recipe.run import meet, process_number

Result = dict[str, float]
"""What was measured, by name."""


def known(folder: Path) -> Result | None:
    """What a variant was found to be, if it was judged already."""
    path = folder / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def judged(folder: Path, judge: Callable[[], Result]) -> Result:
    """Judges a variant that all processes have trained, in the first one."""
    meet()
    if process_number() == 0:
        (folder / "result.json").write_text(json.dumps(judge()))
    meet()
    return json.loads((folder / "result.json").read_text())


def write(targets: list[Path], table: str, names: list[str], bars: dict[str, list[float]]) -> None:
    """Writes a table, and shares 0…1 of each name as bars, beside and into the cards of models."""
    for target in targets:
        write_findings(target, table)
        write_bars(target / "findings.png", names, bars)
