"""Registries as values: names, services, merging."""

import pytest

from footfall.destination import Destination
from footfall.errors import RegistryError
from footfall.registry.model import (
    Capture,
    Entry,
    Registry,
    check_project,
    merge,
    merge_entries,
    service_of,
    split_name,
)

MIGAS = Destination(wire="migas", endpoint="https://migas.example.org")
OTLP = Destination(wire="otlp", endpoint="https://otlp.example.org")


def test_the_wish_for_the_login_name_stays_when_registries_are_merged():
    """Whoever shows the fields must show it, whatever the order."""
    for first, second in ((True, False), (False, True)):
        assert merge(Registry("o/n", user_name=first), Registry("o/n", user_name=second)).user_name
    assert not merge(Registry("o/n"), Registry("o/n")).user_name


def test_an_entry_is_named_as_it_is_imported():
    """Module, colon, qualname; a bare name stands alone until its module is known."""
    assert Entry("intake_esm.core", "esm_datastore.search").name == "intake_esm.core:esm_datastore.search"
    assert Entry("", "esm_datastore.search", candidates=("intake_esm.core",)).name == "esm_datastore.search"


def test_services_and_modules_keep_the_order_of_the_file():
    """A bare name is to be looked for in each of its candidates, and without any in no module."""
    search = Entry("b", "search", "intake_catalog")
    run = Entry("a", "run", "payu_run")
    bare = Entry("", "C.m", "intake_catalog", candidates=("a", "c"))
    notebook = Entry("", "C.m", "intake_catalog")
    registry = Registry("o/n", entries=(search, run, bare, notebook))
    assert list(registry.services().items()) == [("intake_catalog", (search, bare, notebook)), ("payu_run", (run,))]
    assert registry.by_module() == {"b": (search,), "a": (run, bare), "c": (bare,)}


def test_the_later_of_two_entries_wins_field_by_field():
    """Extra fields and captures are united; what the later one leaves at its default stays as it was."""
    first = Entry(
        "m",
        "f",
        "s",
        (Capture("a", "len"), Capture("b", "int")),
        {"x": 1, "y": 1},
        ("n",),
        start=True,
        rate=3.0,
        source="one",
        line=4,
    )
    second = Entry("m", "f", "s", (Capture("b", "hash"),), {"y": 2}, ("o",), source="two", line=7)
    assert merge_entries([first, Entry("m", "g"), second]) == (
        Entry(
            "m",
            "f",
            "s",
            (Capture("a", "len"), Capture("b", "hash")),
            {"x": 1, "y": 2},
            ("n", "o"),
            start=True,
            rate=3.0,
            source="two",
            line=7,
        ),
        Entry("m", "g"),
    )


def test_a_function_of_two_services_stays_two_entries():
    """Each service is told of each use."""
    entries = (Entry("m", "f", "one"), Entry("m", "f", "two"))
    assert merge_entries(entries) == entries


@pytest.mark.parametrize("swapped", [False, True])
def test_merged_consent_and_ci_are_the_stricter_ones(swapped):
    """No second file lifts the first one's promise to ask before."""
    strict, lax = Registry("o/n", consent="opt-in", ci="skip"), Registry("o/n")
    both = merge(lax, strict) if swapped else merge(strict, lax)
    assert (both.consent, both.ci) == ("opt-in", "skip")


def test_merging_registries_lets_the_second_decide():
    """But what the second does not say stays as the first said it."""
    first = Registry("o/n", "1", send_to=(MIGAS,), entries=(Entry("m", "f"),), extra={"a": 1, "b": 1}, warnings=("w",))
    second = Registry("o/n", send_to=(OTLP,), entries=(Entry("m", "g"),), extra={"b": 2}, source="two.yaml")
    assert merge(first, second) == Registry(
        "o/n",
        "1",
        send_to=(OTLP,),
        entries=(Entry("m", "f"), Entry("m", "g")),
        extra={"a": 1, "b": 2},
        warnings=("w",),
        source="two.yaml",
    )
    assert merge(second, Registry("o/n")).send_to == (OTLP,)


def test_registries_of_two_projects_are_never_mixed():
    """A project's uses go to that project's destinations and nowhere else."""
    with pytest.raises(RegistryError, match="'o/b' into that of 'o/a'"):
        merge(Registry("o/a"), Registry("o/b"))


@pytest.mark.parametrize("project", ["nipreps/fmriprep", "0/0", "a.b-c/d_e", "a" * 64 + "/" + "b" * 64])
def test_projects_are_owner_and_name(project):
    """Two safe names (reliability.md S8) and one slash."""
    assert check_project(project) == project


@pytest.mark.parametrize(
    "project", ["", "fmriprep", "a/b/c", "a/", "/b", "../b", "a/..", "a/b\n", "a /b", "ä/b", "a" * 65 + "/b", "%2e/b"]
)
def test_a_project_with_anything_unsafe_is_refused_with_its_place(project):
    """It ends up in URLs, headers and file names."""
    with pytest.raises(RegistryError, match=r"^f\.yaml:3: project '.*' must be owner/name") as caught:
        check_project(project, source="f.yaml", line=3)
    assert (caught.value.source, caught.value.line) == ("f.yaml", 3)


def test_nested_keys_and_a_slash_mean_the_same_service():
    """`intake/catalog` is service `intake_catalog` (design.md section 2)."""
    assert service_of(("intake", "catalog")) == service_of(("intake/catalog",)) == "intake_catalog"


@pytest.mark.parametrize("parts", [("a", ""), ("..",), ("a b",), ("a\n",), ("x" * 65,), ("a" * 60,) * 3])
def test_services_are_safe_in_a_url(parts):
    """An endpoint is made of a service's parts."""
    with pytest.raises(RegistryError, match="rename the group"):
        service_of(parts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intake_esm.core:esm_datastore.search", ("intake_esm.core", "esm_datastore.search")),
        ("numpy:array", ("numpy", "array")),
        ("DfFileCatalog.__getitem__", ("", "DfFileCatalog.__getitem__")),
        ("executor.run", ("", "executor.run")),
        ("Outer.Inner.method", ("", "Outer.Inner.method")),
        ("search", ("", "search")),
    ],
)
def test_names_of_functions(name, expected):
    """With a colon they have a module; ``Class.method`` and nested classes are bare."""
    assert split_name(name) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("intake_esm.core.esm_datastore.search", "intake_esm.core:esm_datastore.search"),
        ("intake.core.Catalog.search", "intake.core:Catalog.search"),
        ("pkg.mod.func", "pkg.mod:func"),
    ],
)
def test_a_missing_colon_is_put_in_by_the_message(name, meant):
    """The commonest slip, since that is how Python writes the name."""
    with pytest.raises(RegistryError, match=f"did you mean '{meant}'"):
        split_name(name)


def test_a_module_of_where_tells_best_where_the_colon_goes():
    """No guess is needed then."""
    with pytest.raises(RegistryError, match=r"did you mean 'a:b\.c'"):
        split_name("a.b.c", where=("a",))


@pytest.mark.parametrize(
    "name", ["", ":f", "m:", "m::f", "m:f:g", "m:f()", "m.:f", "a b", "m:class.x", "1m:f", "m:f\n"]
)
def test_what_names_no_function_is_refused(name):
    """Identifiers and dots, at most one colon, no keyword."""
    with pytest.raises(RegistryError, match="names no function"):
        split_name(name)
