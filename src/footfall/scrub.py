"""The second net: what may leave the process after the registry allowed it (reliability.md S4, S6, B2).

`bounded` makes anything JSON-able, small, and without running a line of the caller's code. `scrub` also takes out
what looks secret or personal, by the names of keys and by patterns in texts. Nothing here is a promise that data are
anonymous: the promise is the allow-list in the registry, and this net is stretched below it.

Patterns are linear in the length of the text. Each begins where a run of its own characters begins (a look-behind),
so that no run is scanned twice, and no two neighbouring repetitions can match the same character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from itertools import islice
from math import isfinite
from typing import Any, Final, TypeAlias, cast

from footfall.errors import guard

MAX_CHARS: Final = 8192
"""Of one text, and bytes of it in UTF-8 (B2)."""

MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 1000
"""Of one value, all levels together."""

MAX_TOTAL_CHARS: Final = 65_536
"""Of all texts of one value: a journal line holds no more, and scrubbing more would hold the caller up (P4)."""

_MARGIN_CHARS: Final = 1024
"""Read beyond the limit, so that a secret which straddles it is still recognised."""

FAILED: Final = "<redacted:failed>"
"""Stands for a value that could not be scrubbed: it is dropped, never passed on."""

REDACTED_KEY: Final = "<redacted:key>"
"""Stands for the value of a key or parameter whose name says that it is a secret."""

TRUNCATED: Final = "<truncated>"

_SECRET_WORDS: Final = frozenset(
    (
        "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "csrf",
        "dsn", "jwt", "otp", "pass", "passphrase", "passwd", "password", "passwords",
        "private", "pwd", "secret", "secrets", "session", "sessionid", "sig", "signature",
        "token", "tokens", "xsrf",
    )
)  # fmt: skip
_SECRET_PARTS: Final = (
    "accesskey",
    "apikey",
    "authorization",
    "authkey",
    "connectionstring",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "sessionid",
    "setcookie",
    "signingkey",
    "sshkey",
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_a-zA-Z]+")


def is_sensitive_key(name: str) -> bool:
    """Whether a field or parameter called *name* should not be reported, whatever it holds.

    Words are told apart by case and punctuation: ``accessToken`` and ``X-Api-Key`` are sensitive, ``tokenizer`` and
    ``author`` are not.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if any(word in _SECRET_WORDS or word.endswith(("token", "password")) for word in words):
        return True
    joined = "".join(words)
    return joined in _SECRET_WORDS or any(part in joined for part in _SECRET_PARTS)


def holds_secret(text: str) -> bool:
    """Whether *text* holds something that looks like a credential: a token, a key, a password after its name."""
    return _SECRET_MARK.search(scrub_text(text)) is not None


_SECRET_MARK: Final = re.compile(r"<redacted:(?:credentials|jwt|key|secret|token)>")


def _mark(kind: str) -> str:
    return f"<redacted:{kind}>"


_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_URL_USER = re.compile(r"://[^\s/?#]*@")
_HEADER = re.compile(r"(?i)(?<![\w-])([\w-]*authorization|(?:set-)?cookie)(\\?[\"']?\s*[:=])[^\r\n]+")
_BEARER = re.compile(r"(?i)(?<![\w-])(bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{8,}")
_KEY = re.compile(r"(?<![\w.-])([\w.-]+)\\?[\"']?\]?\s*[:=]{1,2}>?\s*")
_FLAG = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)[ \t]+(?=[^\s-])")
_VALUE = re.compile(
    r"[bBfFrRuU]{0,2}\\?(?:\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z))|[^\s,;&]*", re.DOTALL
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{12,}"
    r"|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}"
    r"|(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|ANPA|AROA)[A-Z0-9]{12,}"
    r"|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}"
    r"|(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|(?:npm|hf|dop_v1)_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}"
    r")"
)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*")
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@[^\W\d_][\w-]*(?:\.[\w-]+)*")
_PATH_REST = r"[\\/]+(?:[^\s\"'<>|]| (?=[^\s\\/]*[\\/]))+"
"""To the end of the path: blanks belong to it where a slash follows later in the same breath."""
_PATH = re.compile(
    # Folders of users, wherever in a path; and the roots under which clusters keep them, at the beginning of one.
    r"(?i)(?:(?<!\w)[a-z]:)?(?<![\\/])[\\/]+(?:(?:home|scratch|gpfs|lustre)[\w-]{0,16}|users|documents and settings)"
    rf"{_PATH_REST}"
    r"|(?<![\w./-])/+(?:afs|data|export|fs|g/data|glade|media|mnt|net|nfs|proj|projects?|root|run/user|tmp|u"
    rf"|(?:private/)?var/(?:folders|tmp)|work)\d{{0,4}}{_PATH_REST}"
    rf"|(?<![\w.~/-])~[a-z_][\w.-]*{_PATH_REST}"
)
_MAC = re.compile(r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])")
_IPV4 = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}::?)[0-9A-Fa-f:.]*(?![\w:])")
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{32,}={0,2}")


def scrub_text(text: str, *, max_chars: int = MAX_CHARS) -> str:
    """Return *text* with what looks secret or personal replaced by ``<redacted:kind>``.

    Kinds: ``key`` (private keys), ``credentials`` (in URLs and headers), ``secret`` (``password=...``), ``token``,
    ``jwt``, ``email``, ``path`` (below home and project folders), ``mac``, ``ip``.

    Args:
        text: Of any length; of what lies beyond *max_chars* nothing is returned.
        max_chars: Longest result.
    """
    cut = len(text) > max_chars + _MARGIN_CHARS
    text = text[: max_chars + _MARGIN_CHARS]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if len(text) < 32 and text.isalnum():  # the usual captured word; nothing below can match it
        return text[:max_chars] if not _TOKEN.match(text) else _mark("token")
    lower = text.lower()
    for needles, replace in _PASSES:
        if not needles or any(needle in lower for needle in needles):
            text = replace(text)
    # What was cut off may have left the first half of a secret at the end, and replacements moved it forward.
    return text[: min(max_chars, len(text) - _MARGIN_CHARS) if cut else max_chars]


def _without_values(names: re.Pattern[str], text: str) -> str:
    """Replace the values in ``password=x``, ``"token": "x"`` and ``--api-key x``, by the names before them."""
    pieces: list[str] = []
    position = 0
    while found := names.search(text, position):
        pieces.append(text[position : found.end()])
        position = found.end()
        if is_sensitive_key(found[1]):
            value = _VALUE.match(text, position)
            if value is not None and value.group():
                pieces.append(_mark("secret"))
                position = value.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _ipv4(found: re.Match[str]) -> str:
    return _mark("ip") if all(int(part) < 256 for part in found.group().split(".")) else found.group()


def _ipv6(found: re.Match[str]) -> str:
    """Tell an address from a time (``12:30:45``) by what the standard library takes for one."""
    from ipaddress import AddressValueError, IPv6Address  # noqa: PLC0415  rarely needed

    run = found.group()
    text = run.rstrip(".:") if not run.endswith("::") else run
    try:
        IPv6Address(text)
    except AddressValueError:
        return run
    return _mark("ip") + run[len(text) :]


def _random(found: re.Match[str]) -> str:
    """Tell a random token from a name or a digest: it mixes capitals, small letters and digits."""
    run = found.group()
    mixed = run.lower() != run != run.upper()
    if not mixed or sum(map(str.isdigit, run)) < 3 or run.count("/") > 3:
        return run
    return _mark("token")


def _replacing(pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


_PASSES: Final[tuple[tuple[tuple[str, ...], Callable[[str], str]], ...]] = (
    (("-----begin",), _replacing(_PEM, _mark("key"))),
    (("://",), _replacing(_URL_USER, f"://{_mark('credentials')}@")),
    (("authorization", "cookie"), _replacing(_HEADER, rf"\1\2 {_mark('credentials')}")),
    (("bearer", "basic"), _replacing(_BEARER, rf"\1 {_mark('credentials')}")),
    (("=", ":"), partial(_without_values, _KEY)),
    (("-",), partial(_without_values, _FLAG)),
    ((), _replacing(_TOKEN, _mark("token"))),
    (("eyj",), _replacing(_JWT, _mark("jwt"))),
    (("@",), _replacing(_EMAIL, _mark("email"))),
    (("/", "\\"), _replacing(_PATH, _mark("path"))),
    ((":", "-"), _replacing(_MAC, _mark("mac"))),
    ((".",), _replacing(_IPV4, _ipv4)),
    ((":",), _replacing(_IPV6, _ipv6)),
    ((), _replacing(_RANDOM, _random)),
)
"""In order: what a text in small letters must hold for the pass to be worth its time (prose is three times as quick
for it), and the pass. What names a secret goes before what only looks like one."""


def bounded(value: object) -> Any:
    """Return *value* as JSON can hold it: at most 8 levels, 1 000 items, 8 KiB a text (reliability.md B2).

    Only exact builtin types are read, and enumeration members (by name), dates, paths and UUIDs. Of anything else the
    name of its type is given, ``<DataFrame>``: no method of it is called, so nothing of the caller runs. NaN and
    infinities become texts, numbers beyond 64 bits the name of their type, lone surrogates "?", cycles ``<cycle>``.
    """
    return _walk(value, clean=None)


def scrub(value: object) -> Any:
    """Return *value* as `bounded` does, without what sensitive keys hold, each text through `scrub_text`.

    Absolute paths given as `pathlib` objects are left out whole. When anything fails, the value is dropped: the
    result is then `FAILED`.
    """
    return _walk(value, clean=scrub_text)


def scrub_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields* scrubbed; where that failed, a field that says so."""
    found = scrub(dict(fields))
    # Where the scrubber failed, all it returns is a text: the caller must not hear of it.
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {"fields": FAILED}


def _walk(value: object, clean: Callable[[str], str] | None) -> Any:
    result: Any = FAILED
    with guard("scrub"):  # a container that another thread changes meanwhile; or a mistake of ours
        result = _Walker(clean).walk(value, 0)
    return result  # noqa: RET504  `guard` may have ended the block before


class _Walker:
    """One pass over one value."""

    def __init__(self, clean: Callable[[str], str] | None) -> None:
        self._clean = clean
        self._items = MAX_ITEMS
        self._chars = MAX_TOTAL_CHARS
        self._above: set[int] = set()

    def walk(self, value: Any, depth: int) -> Any:
        """Return *value* for JSON. Types are compared by identity: their hash and equality may be the caller's."""
        cls = _type(value)
        if cls is str:
            return self._text(value)
        if cls is bool or value is None:
            return value
        if cls is int:
            return value if -(2**63) <= value < 2**64 else "<int>"
        if cls is float:
            return value if isfinite(value) else _NOT_FINITE.get(str(value), "NaN")
        if cls is dict or cls is list or cls is tuple or cls is set or cls is frozenset:
            return self._container(value, cls, depth)
        return self._other(value, cls)

    def _container(self, value: Any, cls: type[Any], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return f"<{cls.__name__}>"
        if id(value) in self._above:
            return "<cycle>"
        self._above.add(id(value))
        try:
            return self._dict(value, depth + 1) if cls is dict else self._sequence(value, cls, depth + 1)
        finally:
            self._above.discard(id(value))

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in list(islice(value.items(), self._items + 1)):
            if self._items <= 0:
                result[TRUNCATED] = True
                break
            self._items -= 1
            name = self._key(key)
            if self._clean is not None and type(key) is str and is_sensitive_key(key[:MAX_CHARS]):
                result[name] = REDACTED_KEY
            else:
                result[name] = self.walk(item, depth)
        return result

    def _sequence(self, value: Iterable[Any], cls: type[Any], depth: int) -> list[Any]:
        result: list[Any] = []
        for item in list(islice(value, self._items + 1)):
            if self._items <= 0:
                result.append(TRUNCATED)
                break
            self._items -= 1
            result.append(self.walk(item, depth))
        # A set of texts has another order in each process; the same use should give the same bytes.
        return sorted(result, key=repr) if cls is set or cls is frozenset else result

    def _key(self, key: Any) -> str:
        if type(key) is str:
            return self._text(key)
        cls = _type(key)
        if key is None or cls is bool or cls is int or cls is float:
            return str(self.walk(key, 0))
        return _type_name(cls)

    def _text(self, text: str) -> str:
        if self._chars <= 0:
            return TRUNCATED
        self._chars -= min(len(text), MAX_CHARS)
        text = text[:MAX_CHARS] if self._clean is None else self._clean(text)
        if text.isascii():
            return text[:MAX_CHARS]
        return text.encode("utf-8", "replace")[:MAX_CHARS].decode("utf-8", "ignore")

    def _other(self, value: Any, cls: type[Any]) -> Any:
        for known, reader in _readers():
            if cls is known:
                text = reader(value)
                if self._clean is not None and reader is _path_text and _is_absolute(text):
                    return _mark("path")
                return self._text(text)
        if _is_enum(cls):
            # Not through the member: its class may define attribute access.
            name = object.__getattribute__(value, "__dict__").get("_name_")
            return self._text(name) if type(name) is str else _type_name(cls)
        return _type_name(cls)


Reader: TypeAlias = Callable[[Any], str]
"""Takes a value of one known type; returns its text."""

_NOT_FINITE: Final = {"inf": "Infinity", "-inf": "-Infinity"}


@cache
def _readers() -> tuple[tuple[type[Any], Reader], ...]:
    """Return how to read the known types beyond JSON's own."""
    # Captures of these are rare; `import footfall` should not bring them.
    import datetime as dt  # noqa: PLC0415
    import pathlib  # noqa: PLC0415
    import uuid  # noqa: PLC0415

    return (
        (dt.date, dt.date.isoformat),
        (dt.datetime, _datetime_text),
        (dt.timedelta, str),
        (uuid.UUID, str),
        (pathlib.PosixPath, _path_text),
        (pathlib.WindowsPath, _path_text),
        (pathlib.PurePosixPath, _path_text),
        (pathlib.PureWindowsPath, _path_text),
    )


def _datetime_text(value: Any) -> str:
    """Return ISO 8601; without its time zone where that is an object of the caller, whose code would run."""
    import datetime as dt  # noqa: PLC0415

    moment: dt.datetime = value
    foreign = moment.tzinfo is not None and type(moment.tzinfo) is not dt.timezone
    return (moment.replace(tzinfo=None) if foreign else moment).isoformat()


def _path_text(value: Any) -> str:
    return str(value)


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "\\", "~")) or path[1:2] == ":"


def _is_enum(cls: type[Any]) -> bool:
    # `issubclass` would ask the metaclass, which may be the caller's. A member is no enumeration without this module.
    import enum  # noqa: PLC0415  loaded by `re` already

    return any(base is enum.Enum for base in type.__dict__["__mro__"].__get__(cls))


def _type(value: object) -> type[Any]:
    return type(value)


def _type_name(cls: type[Any]) -> str:
    """Return ``<name>``, read past any metaclass that may define the attribute anew."""
    name: str = type.__dict__["__name__"].__get__(cls)
    return f"<{name[:100].encode('ascii', 'replace').decode()}>"
