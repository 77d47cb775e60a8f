"""Writing checkpoint folders: JSON, 16-bit tensors, model cards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file

SIGLIP_PROCESSOR = {
    "do_convert_rgb": None,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "resample": 3,
    "rescale_factor": 1 / 255,
}
"""What SigLIP's image processors have in common."""


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes tensors as float16; those that are bfloat16 already stay so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    narrow = {name: t if t.dtype == torch.bfloat16 else t.to(torch.float16) for name, t in tensors.items()}
    save_file({name: t.contiguous() for name, t in narrow.items()}, path, metadata={"format": "pt"})


FINDINGS = re.compile(r"(?<=<!-- findings -->\n).*?(?=<!-- end of findings -->)", re.DOTALL)
"""Where a model card has the paper's findings in miniature."""


def write_card(template: Path, target: Path, facts: dict[str, str]) -> None:
    """Fills a model card's {facts} in, and its findings if they were measured."""
    card = template.read_text()
    for name, text in facts.items():
        card = card.replace("{" + name + "}", text.strip())
    (target / "README.md").write_text(card)
    if (target / "findings.md").exists():
        write_findings(target, (target / "findings.md").read_text())


def write_findings(target: Path, table: str) -> None:
    """Writes a table of findings to a file of its own and, above its plot, into the model card."""
    (target / "findings.md").write_text(table)
    shown = table + "\n![The same as bars](findings.png)\n"
    card, places = FINDINGS.subn(lambda _: shown, (target / "README.md").read_text())
    if places != 1:
        raise SystemExit(f"{target / 'README.md'} has no place for findings: export the model once more")
    (target / "README.md").write_text(card)


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
