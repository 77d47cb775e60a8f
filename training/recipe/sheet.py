"""A contact sheet of pictures, to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_sheet(path: Path, pictures: list[np.ndarray]) -> None:
    """Writes uint8 pictures [side, side, 3] ten to a row, twice as large; an unfinished row is left out."""
    rows = [np.concatenate(pictures[i : i + 10], 1) for i in range(0, len(pictures) - 9, 10)]
    if rows:
        sheet = np.concatenate(rows)
        Image.fromarray(sheet).resize((sheet.shape[1] * 2, sheet.shape[0] * 2), 0).save(path)
