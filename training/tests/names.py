"""Names of tensors in checkpoints, to hold ours against the official ones."""

import re
from pathlib import Path


def golden_names(path: Path) -> set[str]:
    from safetensors import safe_open  # not everywhere: tests of the world run without it

    with safe_open(path, "pt") as file:
        return set(file.keys())


def patterns(names: set[str]) -> set[str]:
    """Names with their numbers left out: sizes differ, layouts must not."""
    return {re.sub(r"\.\d+(?=\.)", ".N", name) for name in names}
