"""Captured arguments: what the registry names, in the form it names, and nothing else."""

import functools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.errors import RegistryError, trouble
from footfall.instrumentation.arguments import compile_capture, passed
from footfall.registry.model import Capture


def _function(first, /, a, b=2, *rest, key="k", needed, **more): ...


class _Class:
    def __init__(self, a, b=1): ...
    def method(self, a, b=1): ...
    @classmethod
    def of_class(cls, a): ...
    @staticmethod
    def static(a): ...


def captured(target, forms, *args, **kwargs):
    """Return what is reported of one call."""
    capture = compile_capture(target, tuple(Capture(name, form) for name, form in forms.items()))
    return capture(args, kwargs)


def of(form, value, choices=()):
    """Return what *form* reports of *value*, or nothing."""
    return compile_capture(lambda x: x, (Capture("x", form, choices),))((value,), {})


def test_nothing_is_captured_by_default():
    """S4: no registration, no argument; and the call is spared the work."""
    assert compile_capture(_function, ()) is None


def test_each_kind_of_parameter_is_found_where_the_caller_put_it():
    """Positional, by keyword, by default, gathered by * and **, or not there at all."""
    forms = {"first": "int", "a": "int", "b": "int", "rest": "len", "key": "text", "needed": "int", "more": "len"}
    assert captured(_function, forms, 1, 2, 3, 4, 5, needed=6, x=7, y=8) == {
        "first": 1,
        "a": 2,
        "b": 3,
        "rest": 2,
        "key": "k",
        "needed": 6,
        "more": 2,
    }
    assert captured(_function, forms, 1, a=2, key="q") == {"first": 1, "a": 2, "b": 2, "rest": 0, "key": "q", "more": 0}
    assert captured(_function, {"x": "int", "y": "int"}, 1, x=7) == {"x": 7}


def marked(target, forms, name=""):
    """Return how the captured parameters are passed."""
    return passed(target, tuple(Capture(parameter, form) for parameter, form in forms.items()), name=name)


def test_parameters_that_are_not_passed_by_name_alone_are_marked():
    """In the order of the signature, whatever the registry's; the usual ones go by name."""
    forms = {"more": "json", "key": "text", "rest": "json", "b": "int", "first": "int", "a": "int"}
    assert marked(_function, forms) == ("/first", "*rest", "**more")
    assert list(captured(_function, forms, 1, 2, 3, 4, x=1)) == ["first", "a", "b", "rest", "key", "more"]
    assert marked(_function, {"x": "int", "a": "int"}) == ()
    assert marked(_function, {}) == ()


def test_several_arguments_that_become_one_value_are_told_by_name():
    """The number of them is no list of arguments."""
    assert marked(_function, {"rest": "len", "more": "len"}) == ()


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("__getitem__", ("/key", "*rest")),
        ("__contains__", ("/key", "*rest")),
        ("__add__", ("/key", "*rest")),
        ("__call__", ("*rest",)),
        ("__init__", ("*rest",)),
        ("__new__", ("*rest",)),
        ("get", ("*rest",)),
    ],
)
def test_syntax_passes_by_position(name, marks):
    """`catalog[key]` has no place for a name; what only takes a name keeps it."""

    def method(key, *rest, option=1): ...

    assert marked(method, {"key": "text", "rest": "json", "option": "int"}, name) == marks


def test_self_is_not_counted():
    """Arguments come as the caller passed them, without the instance."""
    for target in (_Class.method, _Class(0).method, _Class.__init__, _Class.__dict__["method"], _Class):
        assert captured(target, {"a": "int", "b": "int"}, 5) == {"a": 5, "b": 1}
    for target in (
        _Class.of_class,
        _Class.__dict__["of_class"],
        _Class.__dict__["static"],
        functools.partial(_Class.method, 0),
    ):
        assert captured(target, {"a": "int"}, 5) == {"a": 5}


def test_the_caller_may_say_that_nothing_is_to_be_skipped():
    """A static method reached through its class looks like a method."""
    assert compile_capture(_Class.static, (Capture("a", "int"),), skip_first=False)((5,), {}) == {"a": 5}


def test_functions_inside_functions_are_no_methods():
    """Their qualified names have dots, too."""

    def inner(a): ...

    assert captured(inner, {"a": "int"}, 5) == {"a": 5}


def test_an_unknown_parameter_is_reported_when_wrapping():
    """A misspelt capture should not wait for a call to be noticed."""
    with pytest.raises(RegistryError, match=r"'_Class.method' has no parameter 'aa'; did you mean 'a'\?"):
        compile_capture(_Class.method, (Capture("aa", "int"),))
    with pytest.raises(RegistryError, match="has no parameter 'self'"):
        compile_capture(_Class.method, (Capture("self", "json"),))


def test_a_function_without_a_signature_is_reported_when_wrapping():
    """Some builtins and extension types have none, or a wrong one."""

    def odd(x): ...

    odd.__signature__ = "x"
    with pytest.raises(RegistryError, match="remove 'capture'"):
        compile_capture(odd, (Capture("x", "int"),))
    with pytest.raises(RegistryError, match="remove 'capture'"):
        compile_capture(5, (Capture("x", "int"),))


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("int", 5, 5),
        ("int", -(2**63), -(2**63)),
        ("int", 2**63, None),
        ("int", True, None),
        ("int", 5.0, None),
        ("int", "5", None),
        ("float", 1.5, 1.5),
        ("float", 2, 2.0),
        ("float", float("nan"), None),
        ("float", float("inf"), None),
        ("float", True, None),
        ("bool", False, False),
        ("bool", 0, None),
        ("len", "canary", 6),
        ("len", b"canary", 6),
        ("len", [1, 2], 2),
        ("len", {1: 2}, 1),
        ("len", frozenset({1}), 1),
        ("len", range(7), 7),
        ("len", iter([]), None),
        ("hash", "canary", "digest"),
        ("hash", "\ud800", "digest"),
        ("hash", 5.0, None),
        ("hash", True, None),
        ("hash", "x" * 70_000, None),
        ("text", "mail canary@example.org", "mail <redacted:email>"),
        ("text", 5, None),
        ("json", {"password": "canary", "n": [1]}, {"password": "<redacted:key>", "n": [1]}),
        ("json", object(), "<object>"),
    ],
)
def test_forms_report_what_they_say_and_leave_out_the_rest(form, value, expected):
    """Only exact builtin types are looked at."""
    if form == "hash" and expected:
        assert len(of(form, value)["x"]) == 16
        assert of(form, value) == of(form, value)
    else:
        assert of(form, value) == ({} if expected is None else {"x": expected})


def test_hashes_tell_types_and_values_apart():
    """``5`` and ``'5'`` are different arguments."""
    assert len({of("hash", value)["x"] for value in ("5", 5, b"5", "6", 6)}) == 5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (2, "2"),
        (True, "True"),
        (None, "None"),
        ("canary", "other"),
        (2**99, "other"),
        (object(), "other"),
        ([], "other"),
    ],
)
def test_a_choice_is_a_listed_word_or_other(value, expected):
    """No free text leaves through it."""
    assert of("choice", value, ("a", "2", "True", "None")) == {"x": expected}


def _boom(*args, **kwargs):
    raise AssertionError("code of the caller ran")


class _HostileMeta(type):
    __hash__ = __eq__ = __repr__ = __len__ = __bool__ = __instancecheck__ = __getattribute__ = _boom


HOSTILE = {
    **dict.fromkeys(("__repr__", "__str__", "__hash__", "__eq__", "__iter__", "__len__", "__getattribute__"), _boom),
    **dict.fromkeys(("__bool__", "__int__", "__index__", "__float__", "__sub__"), _boom),
}


@pytest.mark.parametrize("form", ["choice", "int", "float", "bool", "len", "hash", "text", "json"])
def test_no_method_of_an_argument_runs(form):
    """S6, with objects and metaclasses whose every method raises; trouble would show in the counts."""
    before = sum(trouble.counts.values())
    plain = object.__new__(_HostileMeta("Plain", (), dict(HOSTILE)))
    for value in (
        plain,
        str.__new__(type("Text", (str,), dict(HOSTILE)), "canary"),
        int.__new__(type("I", (int,), HOSTILE)),
    ):
        assert "canary" not in json.dumps(of(form, value, ("a",)))
    assert sum(trouble.counts.values()) == before


@settings(max_examples=200, deadline=None)
@given(
    args=st.lists(st.integers() | st.text() | st.none(), max_size=6).map(tuple),
    kwargs=st.dictionaries(st.sampled_from(["first", "a", "b", "key", "needed", "x"]), st.integers() | st.text()),
    form=st.sampled_from(["int", "float", "bool", "len", "hash", "text", "json"]),
)
def test_calls_that_do_not_fit_the_signature_never_raise(args, kwargs, form):
    """The function itself will raise its TypeError; the capture must not be in the way."""
    names = ("first", "a", "b", "rest", "key", "needed", "more")
    capture = compile_capture(_function, tuple(Capture(name, form) for name in names))
    json.dumps(capture(args, kwargs), allow_nan=False)
