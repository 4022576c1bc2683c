"""Who may send: bearer tokens, read by reference, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from footfall.courier.credentials import missing, resolve
from footfall.errors import ConfigurationError
from footfall.gateway.configuration import Token

_PREFIX = "authorization:"
_SCHEME = "bearer "


class Tokens:
    """The tokens of a gateway.

    Only digests are kept: what a crash report shows of this process does not let anybody in.

    Args:
        tokens: As configured.
        environ: Where ``env:NAME`` is looked up.

    Raises:
        ConfigurationError: A reference leads to nothing, or two to the same token.
        UnsafeFileError: A file of others, or one that they may read.
    """

    def __init__(self, tokens: Iterable[Token], environ: Mapping[str, str]) -> None:
        self._known: list[tuple[bytes, tuple[str, ...]]] = []
        for each in tokens:
            found = resolve(each.token, environ)
            if found is None:
                msg = f"tokens: {missing(each.token)}"
                raise ConfigurationError(msg)
            self._known.append((_digest(_bare(found.reveal())), each.projects))
        if len({digest for digest, _ in self._known}) < len(self._known):
            msg = "tokens: two references lead to the same token; give each sender its own"
            raise ConfigurationError(msg)

    @property
    def are_asked_for(self) -> bool:
        """Whether a request needs one."""
        return bool(self._known)

    def projects(self, authorization: str) -> tuple[str, ...] | None:
        """Return the patterns of projects that the sender may speak for, () for all; None for no such token.

        Args:
            authorization: The header, or "".
        """
        if not self._known:
            return ()
        given = _digest(_bare(authorization)) if authorization[: len(_SCHEME)].lower() == _SCHEME else b""
        found: tuple[str, ...] | None = None
        for digest, projects in self._known:  # all of them, whichever it is
            if hmac.compare_digest(digest, given):
                found = projects
        return found


def _bare(text: str) -> str:
    """Return the token in *text*: alone, or in the header line that its sender's credentials are."""
    text = text.strip()
    if text[: len(_PREFIX)].lower() == _PREFIX:
        text = text[len(_PREFIX) :].strip()
    return text[len(_SCHEME) :].strip() if text[: len(_SCHEME)].lower() == _SCHEME else text


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
