"""Which arguments are reported, and what of them: `compile_capture` turns a registration into a fast function.

Everything about the signature is asked once, when the function is wrapped. At the call there is an index or a
keyword for each captured parameter, and one converter. Nothing of the caller's objects runs: they are told apart by
exact type, and of a type that a form does not know nothing is reported (reliability.md S4, S6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from footfall.errors import RegistryError, trouble
from footfall.registry.model import Capture, Form, quote
from footfall.registry.nearest import hint

if TYPE_CHECKING:
    import inspect

CaptureFunction: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], dict[str, Any]]
"""Takes positional and keyword arguments as the caller passed them, without ``self``; returns parameter names and what
of them is reported. Never raises."""

OTHER: Final = "other"
"""Reported by ``choice`` for a value that is not listed."""

MAX_HASHED_CHARS: Final = 65_536
"""Longer texts are left out: hashing 64 KiB takes 0.12 ms, and a caller must not wait for more (P4)."""

MAX_TEXT_CHARS: Final = 1024
"""Longest ``text``; scrubbing takes about half a microsecond a character, in the caller's thread."""

KEYWORD_METHODS: Final = frozenset({"__call__", "__init__", "__init_subclass__", "__new__"})
"""Special methods whose callers write an argument list; syntax passes the arguments of the others by position."""

_HASH_PREFIX: Final = b"footfall argument 1\0"
_MISSING: Final = object()
_INT64: Final = range(-(2**63), 2**63)


def compile_capture(
    function: Any, captures: tuple[Capture, ...], *, skip_first: bool | None = None
) -> CaptureFunction | None:
    """Return the function that captures arguments of calls to *function*, or None when there is nothing to capture.

    An argument that is not passed is reported with its default. One that is neither passed nor has a default is left
    out, as is one whose type the form does not know. A parameter that the signature lacks is taken from the keywords
    where *function* takes any.

    Args:
        function: What is wrapped: a function, method, class, classmethod or staticmethod object, or other callable.
        captures: What to report.
        skip_first: Whether the signature begins with an instance or class that the caller does not pass. None finds
            out: for methods, that is functions whose qualified name is inside a class.

    Raises:
        RegistryError: *function* has no such parameter, or no signature that Python can tell.
    """
    if not captures:
        return None
    steps = tuple(_step(function, captures, _parameters(function, skip_first)))

    def capture(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            for name, pick, convert in steps:
                value = pick(args, kwargs)
                if value is not _MISSING:
                    value = convert(value)
                    if value is not _MISSING:
                        found[name] = value
        except Exception as exception:  # noqa: BLE001  as `guard`, whose context manager costs more than all the rest
            trouble.hidden("capture arguments", exception)
        return found

    return capture


def passed(
    function: Any, captures: tuple[Capture, ...], *, name: str = "", skip_first: bool | None = None
) -> tuple[str, ...]:
    """Return the captured parameters that are not passed by their name alone, in the order of the signature.

    They are marked as in `footfall.usage.Usage.parameters`. Of ``*names`` and ``**query`` only ``json`` reports several
    arguments; the other forms make one value of them, which is told by name.

    Args:
        function: As for `compile_capture`.
        captures: What is reported.
        name: Under which *function* is called, such as ``__getitem__``.
        skip_first: As for `compile_capture`.
    """
    forms = {capture.parameter: capture.form for capture in captures}
    is_syntax = name.startswith("__") and name.endswith("__") and name not in KEYWORD_METHODS
    marked: list[str] = []
    for parameter in _parameters(function, skip_first) if captures else ():
        form, kind = forms.get(parameter.name), parameter.kind
        if form is None:
            continue
        if kind is parameter.VAR_POSITIONAL or kind is parameter.VAR_KEYWORD:
            if form == "json":
                marked.append(("*" if kind is parameter.VAR_POSITIONAL else "**") + parameter.name)
        elif kind is parameter.POSITIONAL_ONLY or (is_syntax and kind is parameter.POSITIONAL_OR_KEYWORD):
            marked.append("/" + parameter.name)
    return tuple(marked)


_Pick: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], Any]
_Convert: TypeAlias = Callable[[Any], Any]


def _step(
    function: Any, captures: tuple[Capture, ...], parameters: list[inspect.Parameter]
) -> list[tuple[str, _Pick, _Convert]]:
    named = {parameter.name: parameter for parameter in parameters}
    steps: list[tuple[str, _Pick, _Convert]] = []
    for wanted in captures:
        parameter = named.get(wanted.parameter)
        if parameter is None and not any(each.kind is each.VAR_KEYWORD for each in parameters):
            name = str(getattr(function, "__qualname__", None) or type(function).__name__)
            msg = f"{quote(name)} has no parameter {quote(wanted.parameter)}{hint(wanted.parameter, named)}"
            raise RegistryError(msg)
        pick = _keyword(wanted.parameter, _MISSING) if parameter is None else _picker(parameter, parameters)
        steps.append((wanted.parameter, pick, _converter(wanted)))
    # In the order of the signature, those that it lacks last: formats with a list of arguments keep it.
    order = {name: index for index, name in enumerate(named)}
    return sorted(steps, key=lambda step: order.get(step[0], len(order)))


def _parameters(function: Any, skip_first: bool | None) -> list[inspect.Parameter]:
    """Return the parameters as the caller fills them."""
    import inspect  # noqa: PLC0415  most registrations capture nothing

    descriptor = _type(function)
    inner: Any = function.__func__ if descriptor in {classmethod, staticmethod} else function
    if skip_first is None:
        in_class = inspect.isfunction(inner) and _is_in_class(inner.__qualname__)
        skip_first = descriptor is classmethod or (in_class and descriptor is not staticmethod)
    try:
        parameters = list(inspect.signature(inner).parameters.values())
    except (TypeError, ValueError) as error:
        msg = f"a {descriptor.__name__} has no signature here, so no argument can be captured; remove 'capture'"
        raise RegistryError(msg) from error
    if skip_first and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    return parameters


def _is_in_class(qualname: str) -> bool:
    owner = qualname.rpartition(".")[0].rpartition(".")[2]
    return bool(owner) and owner != "<locals>"


def _picker(parameter: inspect.Parameter, parameters: list[inspect.Parameter]) -> _Pick:
    name = parameter.name
    default = _MISSING if parameter.default is parameter.empty else parameter.default
    positional = [each.name for each in parameters if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}]
    if parameter.kind is parameter.VAR_POSITIONAL:
        first = len(positional)
        return lambda args, _: args[first:]
    if parameter.kind is parameter.VAR_KEYWORD:
        taken = frozenset(
            each.name for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
        )
        return lambda _, kwargs: {key: value for key, value in kwargs.items() if key not in taken}
    if parameter.kind is parameter.KEYWORD_ONLY:
        return _keyword(name, default)
    index = positional.index(name)
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return lambda args, _: args[index] if len(args) > index else default
    return lambda args, kwargs: args[index] if len(args) > index else kwargs.get(name, default)


def _keyword(name: str, default: Any) -> _Pick:
    return lambda _, kwargs: kwargs.get(name, default)


def _converter(capture: Capture) -> _Convert:
    if capture.form == "choice":
        return _choice(frozenset(capture.choices))
    if capture.form in {"text", "json"}:
        # Here and not in the call, which must not wait 25 ms for the patterns to compile.
        from footfall.scrub import REDACTED_KEY, is_sensitive_key, scrub, scrub_text  # noqa: PLC0415

        if is_sensitive_key(capture.parameter):  # a password need not look like one
            return lambda _: REDACTED_KEY

        def text(value: Any) -> Any:
            return scrub_text(value, max_chars=MAX_TEXT_CHARS) if _type(value) is str else _MISSING

        return scrub if capture.form == "json" else text
    return _CONVERTERS[capture.form]


def _choice(choices: frozenset[str]) -> _Convert:
    def convert(value: Any) -> str:
        cls = _type(value)
        if cls is str or cls is bool or cls is int or cls is float or value is None:
            text = str(value) if cls is not int or value in _INT64 else OTHER
            return text if text in choices else OTHER
        return OTHER

    return convert


def _int(value: Any) -> Any:
    return value if _type(value) is int and value in _INT64 else _MISSING


def _float(value: Any) -> Any:
    cls = _type(value)
    if cls is float:
        return value if value - value == 0 else _MISSING  # NaN and infinities are no JSON
    return float(value) if cls is int and value in _INT64 else _MISSING


def _bool(value: Any) -> Any:
    return value if _type(value) is bool else _MISSING


def _len(value: Any) -> Any:
    cls = _type(value)
    # By identity: asking whether a set has it would call the hash of a metaclass.
    known = cls is str or cls is list or cls is tuple or cls is dict or cls is set or cls is frozenset
    return len(value) if known or cls is bytes or cls is bytearray or cls is range else _MISSING


def _hash(value: Any) -> Any:
    """Return 16 hexadecimal digits that are the same for the same value everywhere.

    The prefix only keeps them apart from other SHA-256 digests; it is no secret. Who guesses a value can confirm the
    guess, so this hides contents that cannot be guessed, and merely shortens the others.
    """
    cls = _type(value)
    if cls is int and value in _INT64:
        data = b"i%d" % value
    elif cls is str and len(value) <= MAX_HASHED_CHARS:
        data = b"s" + value.encode("utf-8", "surrogatepass")
    elif cls is bytes and len(value) <= MAX_HASHED_CHARS:
        data = b"b" + value
    else:
        return _MISSING
    return sha256(_HASH_PREFIX + data).hexdigest()[:16]


def _type(value: object) -> type[Any]:
    return type(value)


_CONVERTERS: Final[Mapping[Form, _Convert]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "len": _len,
    "hash": _hash,
}
