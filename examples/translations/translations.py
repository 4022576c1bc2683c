"""How complete are the translations that ship with Django? An ordinary program of ten steps that knows no footfall.

It reads the catalogues of the installed package and writes a table (CSV) and a report (text).
"""

from __future__ import annotations

import ast
import csv
import gettext
import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sd]")
KEYWORD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)\])? (\".*\")")


@dataclass
class Message:
    """One message of a catalogue; the plural forms of a translation follow its singular."""

    original: str = ""
    plural: str = ""
    context: str = ""
    translations: list[str] = field(default_factory=list)
    fuzzy: bool = False

    @property
    def is_translated(self) -> bool:
        """Whether somebody translated all of it, and nobody doubts it."""
        return not self.fuzzy and bool(self.translations) and all(self.translations)


Catalogues = dict[str, list[Message]]


def find_catalogues() -> dict[str, Path]:
    """Return the catalogues by language."""
    spec = importlib.util.find_spec("django")
    if spec is None or spec.origin is None:
        sys.exit("this wants Django: pip install django")
    found = Path(spec.origin).parent.glob("conf/locale/*/LC_MESSAGES/django.po")
    return {path.parent.parent.name: path for path in sorted(found) if path.parent.parent.name != "en"}


def read_catalogues(paths: dict[str, Path]) -> dict[str, str]:
    """Return their text by language."""
    return {language: path.read_text(encoding="utf-8") for language, path in paths.items()}


def parse_catalogues(texts: dict[str, str]) -> Catalogues:
    """Return the messages by language, without the header."""
    return {language: [m for m in _messages(text) if m.original] for language, text in texts.items()}


def count_messages(catalogues: Catalogues) -> dict[str, float]:
    """Return the share of messages that are translated."""
    return {
        language: sum(message.is_translated for message in messages) / len(messages)
        for language, messages in catalogues.items()
        if messages
    }


def compare_placeholders(catalogues: Catalogues) -> dict[str, list[str]]:
    """Return the originals whose translation lacks a placeholder or has one too many."""
    return {
        language: [m.original for m in messages if m.is_translated and not m.plural and _placeholders_differ(m)]
        for language, messages in catalogues.items()
    }


def compare_plurals(catalogues: Catalogues) -> dict[str, int]:
    """Return the number of plural forms in each language, as its messages have them."""
    forms = {
        language: {len(m.translations) for m in messages if m.plural and m.is_translated}
        for language, messages in catalogues.items()
    }
    return {language: max(found) for language, found in forms.items() if found}


def compare_compiled(paths: dict[str, Path], catalogues: Catalogues) -> dict[str, int]:
    """Return how many translations differ from those of the compiled catalogue beside."""
    differing: dict[str, int] = {}
    for language, path in paths.items():
        with path.with_suffix(".mo").open("rb") as file:
            compiled = gettext.GNUTranslations(file)
        told = [m for m in catalogues[language] if m.is_translated and not m.plural and not m.context]
        differing[language] = sum(compiled.gettext(m.original) != m.translations[0] for m in told)
    return differing


def rank_languages(shares: dict[str, float]) -> list[str]:
    """Return the languages, the most complete first."""
    return sorted(shares, key=lambda language: (-shares[language], language))


def write_table(file: Path, ranking: Sequence[str], shares: dict[str, float], plurals: dict[str, int]) -> None:
    """Write a row for each language."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["language", "translated", "plural forms"])
        writer.writerows([name, f"{shares[name]:.3f}", plurals.get(name, 1)] for name in ranking)


def write_report(file: Path, ranking: Sequence[str], shares: dict[str, float], suspects: dict[str, list[str]]) -> str:
    """Write what a person wants to know; return its first line."""
    complete = sum(share == 1 for share in shares.values())
    first = f"{complete} of {len(shares)} languages are complete; the least is {ranking[-1]}"
    lines = [first, *(f"{name}: {original!r}" for name in ranking for original in suspects[name])]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return first


def main(output: Path) -> str:
    """Do all of it, and write to the directory *output*."""
    paths = find_catalogues()
    texts = read_catalogues(paths)
    catalogues = parse_catalogues(texts)
    shares = count_messages(catalogues)
    suspects = compare_placeholders(catalogues)
    plurals = compare_plurals(catalogues)
    compare_compiled(paths, catalogues)
    ranking = rank_languages(shares)
    write_table(output / "translations.csv", ranking, shares, plurals)
    return write_report(output / "translations.txt", ranking, shares, suspects)


def _messages(text: str) -> list[Message]:
    messages = [Message()]
    fuzzy, parts = False, [""]
    for line in text.splitlines():
        if line.startswith("#,"):
            fuzzy = "fuzzy" in line
        elif line.startswith('"'):
            parts[-1] += ast.literal_eval(line)
            _put(messages[-1], parts)
        elif found := KEYWORD.match(line):
            keyword, number, quoted = found.groups()
            if keyword in {"msgctxt", "msgid"} and messages[-1].translations:
                messages.append(Message(fuzzy=fuzzy))
                fuzzy = False
            parts = [keyword, number or "0", ast.literal_eval(quoted)]
            _put(messages[-1], parts)
    return messages


def _put(message: Message, parts: Sequence[str]) -> None:
    keyword, number, text = parts
    if keyword == "msgstr":
        message.translations[int(number) :] = [text]
    else:
        setattr(message, {"msgid": "original", "msgid_plural": "plural", "msgctxt": "context"}[keyword], text)


def _placeholders_differ(message: Message) -> bool:
    return sorted(PLACEHOLDER.findall(message.original)) != sorted(PLACEHOLDER.findall(message.translations[0]))
