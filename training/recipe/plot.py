"""Plots for model cards."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot


def write_bars(path: Path, names: list[str], series: dict[str, list[float]]) -> None:
    """Horizontal bars of shares 0…1, a group for each name with a bar of each series."""
    figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.45 * len(names)), layout="constrained")
    height = 0.8 / len(series)
    for number, (label, values) in enumerate(series.items()):
        places = [place + number * height for place in range(len(names))]
        bars = axes.barh(places, values, height, label=label)
        axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=3, fontsize=8)
    axes.set_yticks([place + height * (len(series) - 1) / 2 for place in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
