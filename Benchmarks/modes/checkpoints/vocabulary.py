"""Byte-level tokenizers as large as published ones: the rules of a tiny one of the same kind, with another table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice, product
from pathlib import Path

from modes.checkpoints.files import write_json

WORDS = ("so", "it", "is", "on", "by", "we")
"""What a known reply says: pairs of bytes, one token each."""


def byte_symbols() -> list[str]:
    """The characters that stand for the 256 bytes in byte-level vocabularies: printable ones for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


NEWLINE = byte_symbols()[ord("\n")]
"""The last token before a reply."""


def merges(symbols: list[str]) -> Iterator[tuple[str, str]]:
    """All pairs of bytes, then words of three, those that begin with a space first."""
    space = symbols[ord(" ")]
    first = [space, *(symbol for symbol in symbols if symbol != space)]
    return chain(product(symbols, symbols), ((a + b, c) for a, b, c in product(first, symbols, symbols)))


def write_tokenizer(tiny: Path, target: Path, regular_tokens: int, special_ids: dict[str, int]) -> dict[str, int]:
    """`tokenizer.json` and `tokenizer_config.json` with `regular_tokens` words, and special tokens at these ids. Returns
    the table."""
    table = json.loads((tiny / "tokenizer.json").read_text())
    symbols = byte_symbols()
    pairs = [list(pair) for pair in islice(merges(symbols), regular_tokens - len(symbols))]
    words = {word: number for number, word in enumerate([*symbols, *("".join(pair) for pair in pairs)])}
    table["model"] |= {"vocab": words, "merges": pairs}
    moved = {}
    for token in table["added_tokens"]:
        moved[token["id"]] = special_ids[token["content"]]
        token["id"] = special_ids[token["content"]]
    for processor in table["post_processor"].get("processors", []):
        for name, special in processor.get("special_tokens", {}).items():
            special["ids"] = [special_ids[name]]
    write_json(target / "tokenizer.json", table)
    settings = json.loads((tiny / "tokenizer_config.json").read_text())
    decoder = settings["added_tokens_decoder"]
    settings["added_tokens_decoder"] = {str(moved[int(number)]): token for number, token in decoder.items()}
    write_json(target / "tokenizer_config.json", settings)
    return words | special_ids


def special_tokens(tiny: Path) -> list[str]:
    """In the order of their ids."""
    added = json.loads((tiny / "tokenizer.json").read_text())["added_tokens"]
    return [token["content"] for token in sorted(added, key=lambda token: token["id"])]
