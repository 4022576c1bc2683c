"""Versions as Python has them (PEP 440) to Semantic Versioning 2.0.0, which some servers insist on. Pure.

What SemVer has no place for goes into its build metadata, so that different releases stay different texts: an epoch, a
fourth number, a post-release. Order is kept for final releases only: servers compare these texts for equality.
"""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_WORDS: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_PRE: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"


def _any_case(*words: str) -> str:
    """Return a pattern of *words* in any case: JSON Schema has no flags."""
    spelt = ("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in words)
    return f"(?:{'|'.join(spelt)})"


_SEMVER: Final = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+{_WORDS})?"
_PEP440: Final = (
    r"[vV]?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)"
    rf"(?:[-_.]?({_any_case('alpha', 'a', 'beta', 'b', 'preview', 'pre', 'c', 'rc')})[-_.]?([0-9]*))?"
    rf"(?:-([0-9]+)|[-_.]?({_any_case('post', 'rev', 'r')})[-_.]?([0-9]*))?"
    rf"(?:[-_.]?({_any_case('dev')})[-_.]?([0-9]*))?"
    r"(?:\+([0-9A-Za-z]+(?:[-_.][0-9A-Za-z]+)*))?"
)

PATTERN: Final = f"^(?:{_SEMVER}|{_PEP440})$"
"""What `semver` takes, for JSON Schema."""

_AS_IT_IS = re.compile(_SEMVER)
_PYTHONS = re.compile(_PEP440)
_SHORT: Final = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


def is_semver(version: str) -> bool:
    """Whether *version* is SemVer as it stands."""
    return _AS_IT_IS.fullmatch(version) is not None


def semver(version: str) -> str:
    """Return *version* as SemVer: unchanged if it is, else what it means by PEP 440; "" if it is neither.

    ``24.1`` becomes ``24.1.0``, ``24.1.0rc1`` ``24.1.0-rc1``, ``1.2.post1`` ``1.2.0+post1``, ``1.2.3.4``
    ``1.2.3+release4``. ``1.0.0-1`` is both, and means different things: it stays, as SemVer.
    """
    if is_semver(version):
        return version
    found = _PYTHONS.fullmatch(version)
    if found is None:
        return ""
    epoch, release, pre, pre_number, implicit, post, post_number, dev, dev_number, local = found.groups()
    numbers = [_plain(number) for number in release.split(".")]
    while len(numbers) > 3 and numbers[-1] == "0":  # PEP 440: 1.2.3.0 is 1.2.3
        del numbers[-1]
    numbers += ["0"] * (3 - len(numbers))
    before = [_SHORT.get(pre.lower(), pre.lower()) + _plain(pre_number)] if pre else []
    after = [f"epoch{_plain(epoch)}"] if epoch and _plain(epoch) != "0" else []
    after += [f"release{'.'.join(numbers[3:])}"] if numbers[3:] else []
    if implicit is not None or post is not None:
        after.append(f"post{_plain(post_number if implicit is None else implicit)}")
    if dev is not None:
        # A development of a post-release comes after the release: it is no pre-release of it.
        (after if implicit is not None or post is not None else before).append(f"dev{_plain(dev_number)}")
    after += [_plain(part) if part.isdigit() else part for part in re.split(r"[-_.]", local.lower())] if local else []
    return ".".join(numbers[:3]) + "".join(
        mark + ".".join(parts) for mark, parts in (("-", before), ("+", after)) if parts
    )


def next_patch(version: str) -> str:
    """Return the release after *version*, which is SemVer: ``1.2.4`` after ``1.2.3``, ``1.2.3`` after ``1.2.3-rc1``."""
    core, dash, _ = version.partition("+")[0].partition("-")
    if dash:
        return core
    kept, _, patch = core.rpartition(".")
    # Carried by hand for what `int` refuses: a number of more than 4 300 digits.
    rest = patch.rstrip("9")
    raised = (rest[:-1] + str(int(rest[-1]) + 1)) if rest else "1"
    return f"{kept}.{raised}{'0' * (len(patch) - len(rest))}"


def _plain(digits: str) -> str:
    """Return *digits* without zeros in front; "0" for none. Not `int`, which refuses more than 4 300 digits."""
    return digits.lstrip("0") or "0"
