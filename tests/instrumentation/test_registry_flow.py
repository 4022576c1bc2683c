"""From a registry to wrapped functions: what is found, what is not and why, and whose it is."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from insthelp import Observation, read_usages

import footfall
from footfall import runtime
from footfall.errors import ConfigurationError, trouble
from footfall.journal.reader import JournalReader, journals
from footfall.registry.model import Entry


def states(project: str) -> dict[str, tuple[str, str]]:
    """Return state and reason of each watched entry of *project*."""
    watched = runtime.current().projects[project].instrumentor.watched
    return {each.entry.qualname: (each.state, each.reason) for each in watched}


def recorded() -> list[Any]:
    """Return every record of this process."""
    directory = runtime.current().journal.directory
    return [] if directory is None else read_usages(directory)


def test_wrong_names_are_remembered_with_the_nearest_right_one(
    observation: Observation, caplog: pytest.LogCaptureFixture
):
    """`footfall doctor` shows them; the others are observed, and the log has one line of it."""
    module = observation.module("class Catalog:\n  def search(self): pass\ndef open_catalog(): pass\nLIMIT = 3")
    name = module.__name__
    functions = ["Catalog.serach", "open_catalog", "Katalog.search", "LIMIT", "Catalog.search.inner", "nothing_like_it"]
    with caplog.at_level(logging.WARNING, "footfall"):
        footfall.instrument("demo/lib", registry={"registry": [f"{name}:{function}" for function in functions]})
    assert states("demo/lib") == {
        "Catalog.serach": ("cannot", "'serach' is not in 'Catalog'; did you mean 'search'?"),
        "open_catalog": ("wrapped", ""),
        "Katalog.search": ("cannot", f"'Katalog' is not in module '{name}'; did you mean 'Catalog'?"),
        "LIMIT": ("cannot", "it is an int, which nobody calls; name a function, method, property or class"),
        "Catalog.search.inner": (
            "cannot",
            "'search' in 'Catalog.search.inner' is a function, not a class; name the class it is made of",
        ),
        "nothing_like_it": ("cannot", f"'nothing_like_it' is not in module '{name}'"),
    }
    assert len([record for record in caplog.records if "is not observed" in record.message]) <= 1
    assert trouble.counts["cannot wrap"] >= 5


def test_nothing_is_imported_for_a_registry(observation: Observation):
    """Entries wait for the program's own import, which then finds its functions observed."""
    name = observation.write_module("def f(): pass")
    footfall.instrument("demo/lib", registry={"registry": [f"{name}:f"]})
    assert name not in sys.modules
    assert states("demo/lib") == {"f": ("waiting", "")}
    module = importlib.import_module(name)
    module.f()
    assert states("demo/lib") == {"f": ("wrapped", "")}
    assert [each.name for each in recorded()] == [f"{name}:f"]


def test_a_package_may_instrument_itself(observation: Observation):
    """In its own body, for functions of its own that are not defined yet."""
    name = observation.write_module("", "lib_self_" + str(id(observation)))
    path = observation.library / f"{name}.py"
    path.write_text(
        f"import footfall\nfootfall.instrument('demo/self', registry={{'registry': ['{name}:f']}})\ndef f(): pass\n"
    )
    module = importlib.import_module(name)
    module.f()
    assert [(each.project, each.name) for each in recorded()] == [("demo/self", f"{name}:f")]


def test_a_bare_name_is_looked_for_in_its_candidates(observation: Observation):
    """In whichever comes; it is not called missing while a candidate may still bring it."""
    first, second = observation.write_module("class D: pass"), observation.write_module("class C:\n  def m(self): pass")
    entry = Entry(module="", qualname="C.m", candidates=(first, second))
    observation.instrumentor.instrument([entry])
    (watched,) = observation.instrumentor.watched
    before = trouble.counts["cannot wrap"]
    importlib.import_module(first)
    assert (watched.state, trouble.counts["cannot wrap"]) == ("waiting", before)
    importlib.import_module(second).C().m()
    assert (watched.state, watched.reason) == ("wrapped", "")
    assert [each.name for each in observation.usages()] == [f"{second}:C.m"]


def test_a_bare_name_that_no_candidate_has_cannot_be(observation: Observation):
    """Once all of them have been looked at; one without candidates waits for a notebook."""
    modules = tuple(observation.module("x = 1").__name__ for _ in range(2))
    observation.instrumentor.instrument([
        Entry(module="", qualname="C.m", candidates=modules),
        Entry(module="", qualname="C.m"),
    ])  # fmt: skip
    assert [each.state for each in observation.instrumentor.watched] == ["cannot", "waiting"]
    assert "where:" in observation.instrumentor.watched[1].reason


def test_projects_in_one_process_keep_their_uses_and_servers_apart(observation: Observation, footfall_on: None):
    """A use goes to its own project's destinations and nowhere else; one journal serves all."""
    module = observation.module("def f(): pass\ndef g(): pass\ndef both(): pass")
    name = module.__name__
    first, second = footfall.Otlp("http://localhost:1"), footfall.Migas("http://localhost:2")
    footfall.instrument("demo/first", registry={"registry": [f"{name}:f", f"{name}:both"]}, send_to=[first])
    footfall.instrument("demo/second", registry={"registry": [f"{name}:g", f"{name}:both"]}, send_to=[second])
    module.f()
    module.g()
    module.both()
    footfall.event("step", project="demo/second")
    directory = runtime.current().journal.directory
    assert directory is not None
    (path,) = journals(directory)
    found = [
        (each.usage.name.rpartition(":")[2], each.usage.project, each.send_to)
        for each in JournalReader(path).read().observed
    ]
    assert sorted(found, key=str) == sorted(
        [
            ("f", "demo/first", (first,)),
            ("g", "demo/second", (second,)),
            ("both", "demo/first", (first,)),
            ("both", "demo/second", (second,)),
            ("step", "demo/second", (second,)),
        ],
        key=str,
    )


def test_uninstrumenting_one_project_leaves_the_other(observation: Observation):
    """Its wrappers pass through; the other's records go on; then all is as it was."""
    module = observation.module("def f(): pass")
    original, registry = module.f, {"registry": [f"{module.__name__}:f"]}
    footfall.instrument("demo/first", registry=registry)
    footfall.instrument("demo/second", registry=registry)
    footfall.uninstrument("demo/first")
    module.f()
    assert [each.project for each in recorded()] == ["demo/second"]
    footfall.uninstrument()
    assert module.f is original


def test_a_second_call_adds_to_the_first(observation: Observation):
    """Registries of one project are merged; nothing is wrapped twice."""
    module = observation.module("def f(): pass\ndef g(): pass")
    name = module.__name__
    original = module.f
    footfall.instrument("demo/lib", registry={"registry": [f"{name}:f"]}, extra={"a": 1})
    footfall.instrument("demo/lib", registry={"registry": [f"{name}:f", f"{name}:g"]}, extra={"b": 2})
    module.f()
    module.g()
    assert [(each.name.rpartition(":")[2], dict(each.extra)) for each in recorded()] == [
        ("f", {"a": 1, "b": 2}),
        ("g", {"a": 1, "b": 2}),
    ]
    footfall.uninstrument()
    assert module.f is original


def test_a_version_is_asked_for_once_and_with_the_first_use(observation: Observation):
    """Looking for it may itself call an observed function: no deadlock, and the use has the version."""
    module = observation.module("def f(): pass\ndef looks(): return '7.0'")
    state = observation.state
    state.version, calls = "", []

    def find() -> str:
        calls.append(1)
        module.f()
        version: str = module.looks()
        return version

    state.find_version = find
    observation.wrapped(module, "f", "looks")
    assert calls == []
    module.f()
    module.f()
    assert calls == [1]
    assert [each.project_version for each in observation.usages()][-2:] == ["7.0", "7.0"]
    assert (observation.count("f"), observation.count("looks")) == (3, 1)


def test_configuration_errors_are_raised_where_they_are_made():
    """`instrument` is configuration, so it may raise, and says what would be right."""
    with pytest.raises(ConfigurationError, match="owner/name"):
        footfall.instrument("no-slash")
    with pytest.raises(ConfigurationError, match="project"):
        footfall.instrument()
    with pytest.raises(ConfigurationError, match="was given"):
        footfall.instrument("demo/lib", registry={"project": "demo/other"})
    with pytest.raises(ConfigurationError, match=r"choose from|did you mean"):
        footfall.instrument("demo/lib", registry={"registri": []})
    lone: Any = footfall.Otlp("https://usage.example.org")
    with pytest.raises(ConfigurationError, match="list of destinations"):
        footfall.instrument("demo/lib", send_to=lone)
    for other in ({"otlp": "https://usage.example.org"}, "https://usage.example.org"):
        with pytest.raises(ConfigurationError, match=r"(dict|str) is no destination; write footfall\.Otlp"):
            footfall.instrument("demo/lib", send_to=[cast("Any", other)])
    assert runtime.current().projects == {}


@pytest.mark.parametrize(
    ("given", "registry", "told"),
    [
        ({}, {}, None),
        ({"user_name": True}, {}, "ada"),
        ({}, {"user_name": True}, "ada"),
        ({"user_name": False}, {"user_name": True}, "ada"),
        ({"user_name": True}, {"extra": {"access.name": "someone"}}, "someone"),
        ({"user_name": True}, {"extra": {"name": "someone"}}, None),
    ],
)
def test_the_login_name_goes_along_where_the_project_says_so(
    observation: Observation, monkeypatch: pytest.MonkeyPatch, given: Any, registry: Any, told: str | None
):
    """Taken when the project is instrumented, told to the format that has a place for it; a name of its own stays."""
    monkeypatch.setenv("LOGNAME", "ada")
    module = observation.module("def f(): pass")
    footfall.instrument("demo/lib", registry={**registry, "registry": [f"{module.__name__}:f"]}, **given)
    module.f()
    (usage,) = recorded()
    assert usage.extra.get("access.name") == told
    assert usage.extra_for("access").get("name") == (told or registry.get("extra", {}).get("name"))
    assert "ada" not in str(usage.extra_for("otlp"))


def test_an_original_file_of_access_nri_is_a_registry(observation: Observation, tmp_path: Path):
    """Unchanged, as a path or a mapping; its project is the caller's."""
    path = tmp_path / "config.yaml"
    path.write_text("intake:\n  catalog:\n    - esm_datastore.search\n")
    for project, registry in (("demo/path", path), ("demo/mapping", {"intake": {"catalog": ["esm_datastore.search"]}})):
        footfall.instrument(project, registry=registry)
        (watched,) = runtime.current().projects[project].instrumentor.watched
        assert (watched.entry.name, watched.entry.service) == ("esm_datastore.search", "intake_catalog")
        assert watched.subject.outermost
    with pytest.raises(ConfigurationError, match="names no project"):
        footfall.instrument(registry=path)
