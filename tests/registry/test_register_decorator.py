"""`@register`: describes a function, and leaves it alone while footfall is off."""

import functools

import pytest

from footfall.errors import RegistryError
from footfall.registry.decorator import hook, register
from footfall.registry.model import Capture, Entry


@pytest.fixture
def wrapped(monkeypatch):
    """Entries in the order they were handed to a wrapper, which returns a mark in the function's place."""
    seen = []

    def wrap(function, entry, project):
        seen.append((function, entry, project))
        return ("wrapped", function)

    monkeypatch.setattr(hook, "wrap", wrap)
    return seen


def _some_function(a, b): ...


def test_off_means_the_very_same_object(monkeypatch):
    """Off: no wrapping (design.md section 5); `is`, not only equal."""
    monkeypatch.setattr(hook, "wrap", None)
    assert register("s", capture={"a": "len"})(_some_function) is _some_function


def test_the_wrapper_gets_the_whole_entry(wrapped):
    """What the decorator says arrives as the file would have said it."""
    result = register(
        "intake/catalog",
        project="o/n",
        capture={"a": "len", "b": {"choice": ["x", 1]}},
        extra={"fs": "lustre"},
        drop=["name"],
        start=True,
        outermost=True,
        rate=2,
    )(_some_function)
    entry = Entry(
        __name__,
        "_some_function",
        "intake_catalog",
        (Capture("a", "len"), Capture("b", "choice", ("x", "1"))),
        {"fs": "lustre"},
        ("name",),
        start=True,
        outermost=True,
        rate=2,
        source="decorator",
        line=_some_function.__code__.co_firstlineno,
    )
    assert result == ("wrapped", _some_function)
    assert wrapped == [(_some_function, entry, "o/n")]


def test_an_endpoint_in_one_piece_keeps_its_parts(wrapped):
    """A word without a slash is the name of a service, whose endpoint is made of it."""
    for service in ("intake/esm_store", "intake/catalog", "intake_catalog", ""):
        register(service)(_some_function)
    assert [(entry.service, entry.extra) for _, entry, _ in wrapped] == [
        ("intake_esm_store", {"access.endpoint": "intake/esm_store"}),
        ("intake_catalog", {}),
        ("intake_catalog", {}),
        ("", {}),
    ]


def test_methods_classes_and_callables_have_names_too(wrapped):
    """Descriptors are named after what they hold, other callables after their type."""

    class Some:
        plain = register()(lambda self: None)
        by_class = register()(classmethod(_some_function))
        static = register()(staticmethod(_some_function))
        value = register()(property(_some_function))

    register()(Some)
    register()(functools.partial(_some_function))
    names = [(entry.qualname.rpartition("<locals>.")[2], project) for _, entry, project in wrapped]
    assert names == [
        ("Some.<lambda>", None),
        *[("_some_function", None)] * 3,
        ("Some", None),
        ("partial", None),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"service": "a b"}, "rename the group"),
        ({"capture": {"a": "lenn"}}, "did you mean 'len'"),
        ({"capture": {"a": object()}}, "type object"),
        ({"rate": -1}, "'rate' must be"),
        ({"rate": float("nan")}, "'rate' must be"),
    ],
)
def test_a_mistake_is_told_where_the_function_is_defined(arguments, message):
    """Setting up may raise, whether footfall is on or off: authors should not find out from users."""
    with pytest.raises(RegistryError, match=message):
        register(**arguments)
