"""`footfall.yaml`: what it means, and how each mistake is told."""

import contextlib
import importlib.metadata
import os
import pathlib
import sys

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.destination import Destination
from footfall.errors import ConfigurationError, RegistryError
from footfall.registry import nodes
from footfall.registry.model import Capture, Entry, Registry, merge
from footfall.registry.reading import ENTRY_KEYS, FILE_KEYS
from footfall.registry.yaml import load_access_file, load_access_text, load_file, load_mapping, load_text

FULL = """\
project: intake/intake-esm       # required
version: 1.10
consent: opt-in
ci: skip
extra: {site: nci}
send_to:
  - migas: https://migas.example.org
    dialect: graphql
    credentials: env:MIGAS_TOKEN
    in_doubt: drop
  - otlp: http://localhost:4318
registry:
  intake:
    catalog:
      - intake_esm.core:esm_datastore.search
      - function: intake_esm.core:esm_datastore.to_dask
        capture: {xarray_open_kwargs: len, progressbar: bool, method: {choice: [a, 2, true, null]}}
        extra: {fs: lustre}
        drop: [name]
        start: true
        rate: 5
    other:
      where: [intake_esm.core]
      extra: {k: v}
      capture: {query: len, extra: int}
      rate: 1
      functions:
        - esm_datastore.search
        - function: esm_datastore.keys
          extra: {l: [1, {m: null}]}
          capture: {query: hash, extra: null}
      sub:
        - esm_datastore.df
"""
ACCESS = """\
intake:
  catalog:
    - esm_datastore.search
    - DfFileCatalog.search
    - DfFileCatalog.__getitem__
payu:
  run:
    - Experiment.run
  restart:
    - Experiment.restart
  start:
    - a.b.c.d
"""


def of_groups(text, **options):
    """Return the entries of a file with this under `registry:`."""
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    return load_text(f"project: o/n\nregistry:\n{indented}", "f.yaml", **options).entries


def refused(text, **options):
    """Return the message of the RegistryError that *text* is refused with."""
    with pytest.raises(RegistryError) as caught:
        load_text(text, "f.yaml", **options)
    return str(caught.value)


def test_everything_a_file_may_say(tmp_path):
    """One whole file, one whole value; the version keeps its final zero, and each entry knows its line."""
    path = tmp_path / "footfall.yaml"
    path.write_text(FULL)
    source = str(path)
    shared = (Capture("query", "len"), Capture("extra", "int"))
    other = {"service": "intake_other", "source": source, "rate": 1.0, "candidates": ("intake_esm.core",)}
    assert load_file(path, wires=["migas", "otlp"]) == Registry(
        project="intake/intake-esm",
        version="1.10",
        consent="opt-in",
        ci="skip",
        extra={"site": "nci"},
        send_to=(
            Destination(
                wire="migas",
                endpoint="https://migas.example.org",
                options={"dialect": "graphql"},
                credentials="env:MIGAS_TOKEN",
                in_doubt="drop",
            ),
            Destination(wire="otlp", endpoint="http://localhost:4318"),
        ),
        entries=(
            Entry("intake_esm.core", "esm_datastore.search", "intake_catalog", source=source, line=15),
            Entry(
                "intake_esm.core",
                "esm_datastore.to_dask",
                "intake_catalog",
                (
                    Capture("xarray_open_kwargs", "len"),
                    Capture("progressbar", "bool"),
                    Capture("method", "choice", ("a", "2", "True", "None")),
                ),
                {"fs": "lustre"},
                ("name",),
                start=True,
                rate=5.0,
                source=source,
                line=16,
            ),
            Entry("", "esm_datastore.search", capture=shared, extra={"k": "v"}, line=28, **other),
            Entry(
                "",
                "esm_datastore.keys",
                capture=(Capture("query", "hash"),),
                extra={"k": "v", "l": [1, {"m": None}]},
                line=29,
                **other,
            ),
            Entry(
                "",
                "esm_datastore.df",
                capture=shared,
                extra={"k": "v"},
                line=33,
                **{**other, "service": "intake_other_sub"},
            ),
        ),
        source=source,
    )


def test_a_mapping_means_what_the_file_means():
    """`instrument(registry={...})` and the file are read by one grammar."""
    import yaml

    from_text = load_text(FULL, "mapping")
    from_mapping = load_mapping({**yaml.safe_load(FULL), "version": "1.10"})
    assert [entry.key for entry in from_mapping.entries] == [entry.key for entry in from_text.entries]
    assert [entry.capture for entry in from_mapping.entries] == [entry.capture for entry in from_text.entries]
    assert (from_mapping.send_to, from_mapping.extra) == (from_text.send_to, from_text.extra)


def test_the_shortest_file_needs_only_its_project():
    """And not even that where the caller names it."""
    assert load_text("project: o/n", "f.yaml") == Registry("o/n", source="f.yaml")
    assert load_text("ci: skip", "f.yaml", project="o/n") == Registry("o/n", ci="skip", source="f.yaml")


def test_a_flat_list_is_functions_without_a_service():
    """Not every project has services."""
    assert [entry.key for entry in of_groups("- m:f\n- m:C.g")] == [("m:f", "", ()), ("m:C.g", "", ())]


def test_options_around_all_groups_hold_everywhere():
    """Options go down to all groups below."""
    entries = of_groups("where: m\nstart: true\nfunctions: [f]\nsub:\n  - g\n")
    assert [(entry.key, entry.start) for entry in entries] == [(("f", "", ("m",)), True), (("g", "sub", ("m",)), True)]


def test_a_function_named_twice_in_a_service_is_one_entry():
    """Else each use would be told twice."""
    assert len(of_groups("a:\n  - m:f\n  - {function: 'm:f', rate: 2}\nb:\n  - m:f")) == 2


def test_an_access_file_is_read_unchanged(tmp_path):
    """Its only content is groups of bare names, so even `start` is a group, and any dotted name is a bare one."""
    path = tmp_path / "config.yaml"
    path.write_text(ACCESS)
    registry = load_access_file(path, project="ACCESS-NRI/telemetry", where=["intake_esm.core"])
    assert registry.project == "ACCESS-NRI/telemetry"
    assert {service: [entry.name for entry in entries] for service, entries in registry.services().items()} == {
        "intake_catalog": ["esm_datastore.search", "DfFileCatalog.search", "DfFileCatalog.__getitem__"],
        "payu_run": ["Experiment.run"],
        "payu_restart": ["Experiment.restart"],
        "payu_start": ["a.b.c.d"],
    }
    assert {entry.candidates for entry in registry.entries} == {("intake_esm.core",)}
    assert {entry.candidates for entry in load_access_text(ACCESS, "c", project="o/n").entries} == {()}


@pytest.mark.parametrize("text", ["a: 3", "a: [3.5.x]", "a: [{b: c}]", "a: [f()]", "3", "a: ['m:']"])
def test_an_access_file_with_anything_else_is_refused(text):
    """With the line, as everywhere."""
    with pytest.raises(RegistryError, match=r"^c\.yaml:1: "):
        load_access_text(text, "c.yaml", project="o/n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("projekt: o/n", "f.yaml:1: 'projekt' is no key of the file; did you mean 'project'?"),
        ("version: 1", "f.yaml:1: 'project' is missing; add 'project: owner/name'"),
        ("- a", "f.yaml:1: the file must be a map that begins with 'project:', not a list"),
        ("project: o/n\nconsent: optout", "f.yaml:2: consent is 'optout'; did you mean 'opt-out'?"),
        ("project: o/n\nci: maybe", "f.yaml:2: ci is 'maybe'; choose from mark, skip"),
        ("project: o/n\nextra: 3", "f.yaml:2: 'extra' must be a map such as {site: nci}, not '3'"),
        ("project: o/n\nversion: [1]", "f.yaml:2: version must be text, not a list"),
        (
            "project: o/n\nregistry:\n  - a.b.c.d",
            "f.yaml:3: 'a.b.c.d' has no colon between module and name; did you mean 'a.b:c.d'?",
        ),
        (
            "project: o/n\nregistry: m:f",
            "f.yaml:2: 'registry' must be a list of functions or a map of groups, not 'm:f'",
        ),
        (
            "project: o/n\nregistry:\n  rat: 4",
            "f.yaml:3: 'rat' must be a list of functions or a map of groups, not '4'; did you mean the option 'rate'?",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   captur: {}",
            "f.yaml:4: 'captur' is no key of a function; did you mean 'capture'?",
        ),
        ("project: o/n\nregistry:\n - rate: 3", "f.yaml:3: 'function' is missing; write '- function: module:qualname'"),
        (
            "project: o/n\nregistry:\n - function: m:f\n   capture: {x: lenn}",
            "f.yaml:4: capture of 'x' is 'lenn'; did you mean 'len'?",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   capture: {x: choice}",
            "f.yaml:4: capture of 'x' needs its values: {choice: [values]}",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   capture: {x: {choice: []}}",
            "f.yaml:4: 'choice' of 'x' must list at least one value, not a list",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   capture: {x y: len}",
            "f.yaml:4: 'capture' names 'x y', which is no parameter name",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   rate: -1",
            "f.yaml:4: 'rate' must be uses per second, 0 for no limit, not '-1'",
        ),
        (
            "project: o/n\nregistry:\n - function: m:f\n   start: 'true'",
            "f.yaml:4: 'start' must be true or false, not 'true'",
        ),
        (
            "project: o/n\nregistry:\n  where: [a-b]\n  functions: [f]",
            "f.yaml:3: 'where' names 'a-b', which is no module, such as 'intake_esm.core'",
        ),
        (
            "project: o/n\nsend_to:\n  - mygas: https://x.org",
            "f.yaml:3: a destination begins with its wire; 'mygas' is none; did you mean 'migas'?",
        ),
        (
            "project: o/n\nsend_to:\n  - migas: https://x.org\n    otlp: https://x.org",
            "f.yaml:3: wires 'migas' and 'otlp' in one destination; begin each with its own '-'",
        ),
        (
            "project: o/n\nsend_to:\n  - migas: http://x.org",
            "f.yaml:3: migas: plain http to x.org would travel unprotected; use https, or say insecure=True",
        ),
        (
            "project: o/n\nsend_to: https://x.org",
            "f.yaml:2: 'send_to' must be a list such as '- migas: https://...', not 'https://x.org'",
        ),
        (
            "project: o/n\nsend_to:\n  - migas: https://x.org\n    in_doubt: dropp",
            "f.yaml:4: in_doubt is 'dropp'; did you mean 'drop'?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_right_word(text, message):
    """The whole message: place, value, and what would be right."""
    assert refused(text, wires=["migas", "otlp"]) == message


def test_a_credential_written_into_the_file_is_not_repeated_by_the_message():
    """S3: the message may end in a log."""
    for line in ("credentials: 'Bearer canary'", "credentials: [canary]", "credentials: {canary: canary}"):
        message = refused(f"project: o/n\nsend_to:\n  - migas: https://x.org\n    {line}")
        assert "canary" not in message
        assert "credentials" in message
    assert "canary" not in refused("project: o/n\nsend_to:\n  - migas: https://user:canary@x.org")


def test_a_file_cannot_say_that_a_process_holds_its_credentials():
    """Its reader would hold nothing, and whatever is sent there would wait for ever."""
    message = refused(f"project: o/n\nsend_to: {{migas: 'https://x.org', credentials: 'memory:{'a' * 32}'}}")
    assert (
        message == "f.yaml:2: credentials in a registry must be env:NAME or file:/path; no process holds any for a file"
    )


def test_a_destination_may_be_for_some_services():
    """One word or a list, written as a service or as its endpoint."""

    def services(said):
        registry = "registry: {intake: {catalog: ['a:f'], cli: ['a:g']}}"
        found = load_text(f"project: o/n\nsend_to: {{migas: 'https://x.org', services: {said}}}\n{registry}", "f.yaml")
        return found.send_to[0].services, found.warnings

    assert services("intake_catalog") == (("intake_catalog",), ())
    assert services("[intake/catalog, intake_cli, intake_catalog]") == (("intake_catalog", "intake_cli"), ())
    assert services("[]") == ((), ())
    assert services("by_decorator") == (("by_decorator",), ())
    assert services("intake_catalogue") == (
        ("intake_catalogue",),
        ("f.yaml:2: 'services' names 'intake_catalogue'; did you mean 'intake_catalog'?",),
    )
    assert "service '../x' must be made of" in refused(
        "project: o/n\nsend_to: {migas: 'https://x.org', services: ../x}"
    )


def test_unknown_keys_of_a_newer_version_are_listed_and_ignored():
    """Reading installed packages must go on; the list says what was not understood, with its line."""
    registry = load_text("project: o/n\ncolour: red\nregistry:\n  - function: m:f\n    hue: 3", "f.yaml", strict=False)
    assert [entry.name for entry in registry.entries] == ["m:f"]
    assert registry.warnings == (
        f"f.yaml:2: 'colour' is no key of the file; choose from {', '.join(sorted(FILE_KEYS))} (ignored)",
        f"f.yaml:5: 'hue' is no key of a function; choose from {', '.join(sorted(ENTRY_KEYS))} (ignored)",
    )


def test_other_mistakes_are_errors_even_then():
    """Not strict is about keys alone."""
    assert refused("project: o/n\nci: x", strict=False) == "f.yaml:2: ci is 'x'; choose from mark, skip"


def test_a_group_that_looks_like_a_misspelt_option_is_pointed_out():
    """It may be a service of that name, so it is no error."""
    registry = load_text("project: o/n\nregistry:\n  a:\n    functionz: [m:f]", "f.yaml")
    assert list(registry.services()) == ["a_functionz"]
    assert registry.warnings == ("f.yaml:4: 'functionz' was read as a group; it looks like the option 'functions'",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "anchors and aliases"),
        ("a: &x []", "anchors and aliases"),
        ("a: *x", "anchors and aliases"),
        (
            "a: !!python/object/apply:os.system [id]",
            "tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read",
        ),
        ("a: !!timestamp 2020-01-01", "tag 'tag:yaml.org,2002:timestamp' is not read"),
        ("a: !x {}", "tag '!x' is not read"),
        ("a: 1\na: 2", "key 'a' was already given in line 1"),
        ("a: 1\n'a': 2", "key 'a' was already given in line 1"),
        ("[a]: 1", "a key must be a word"),
        ("a: 1\n---\nb: 1", "a second document begins here"),
        ("[" * 50, "nested deeper than 32"),
        ("[" * 200_000, "nest"),  # PyYAML from 6.0.4 on has a limit of its own, in its own words
        ("a: [", "this is not YAML"),
        ('a: "\\UFFFFFFFF"', "this is not YAML"),
        ("%YAML " + "9" * 5000 + ".1\n---\na", "this is not YAML"),
        ("a: \x07", "this is not YAML"),
        ("", "the file is empty"),
        ("# only this", "the file is empty"),
        (b"\xff\xfea", "this is not UTF-8"),
        ("a: \ud800", "this is not UTF-8"),
        (b"a: " + b"x" * nodes.MAX_BYTES, "larger than 256 KiB"),
    ],
)
def test_dangerous_and_broken_yaml_is_refused(text, problem):
    """Reliability.md S10; and nothing but RegistryError may come out."""
    assert problem in refused(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("012", "012"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("true", True),
        ("~", None),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text, value):
    """Not what YAML 1.1 makes of them: Norway is no false, and a time no number."""
    found = nodes.from_text(f"k: {text}", "f.yaml").plain()["k"]
    assert (found, type(found)) == (value, type(value))


class _Strange:
    def __str__(self):
        raise AssertionError

    __repr__ = __hash__ = __iter__ = __len__ = __str__


@pytest.mark.parametrize(
    "value", [_Strange(), {1, 2}, b"x", float("nan"), 2**70, 1j, {"a": _Strange()}, "\ud800", {(1,): 2}]
)
def test_a_mapping_of_anything_else_is_refused_by_the_name_of_its_type(value):
    """None of its methods runs."""
    with pytest.raises(RegistryError, match=r"^mapping: "):
        load_mapping({"project": "o/n", "extra": {"k": value}})


def test_a_mapping_that_holds_itself_is_refused():
    """It must not recurse for ever."""
    loop = {}
    loop["loop"] = loop
    with pytest.raises(RegistryError, match="nested deeper"):
        load_mapping({"project": "o/n", "extra": loop})


def test_a_missing_file_is_an_os_error(tmp_path):
    """As `open` would say."""
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "none.yaml")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    """A FIFO without a writer must not hang the caller."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", "a\0b"):
        with pytest.raises(RegistryError):
            load_file(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    *(
                        "project: ",
                        "o/n",
                        "registry",
                        "send_to",
                        "migas",
                        "where",
                        "capture",
                        "choice",
                        "functions",
                        "m:f",
                    ),
                    *(
                        "- ",
                        ": ",
                        "\n",
                        "  ",
                        "[",
                        "]",
                        "{",
                        "}",
                        ",",
                        "'",
                        '"',
                        "&a",
                        "*a",
                        "!!",
                        "~",
                        "true",
                        "1.5",
                        "? ",
                    ),
                    *(
                        "--- ",
                        "...",
                        "#",
                        "%YAML",
                        "\\U",
                        "\t",
                        "é",
                        "\0",
                        "<<",
                        "null",
                        "rate",
                        "extra",
                        "https://x.org",
                    ),
                ]
            ),
            max_size=40,
        ).map("".join),
    )
)
@pytest.mark.parametrize("strict", [False, True])
def test_any_bytes_give_a_registry_or_a_configuration_error(strict, data):
    """Whatever a file holds, its reader fails in one way only."""
    for load in (
        lambda: load_text(data, "f.yaml", strict=strict),
        lambda: load_access_text(data, "f.yaml", project="o/n"),
    ):
        with contextlib.suppress(ConfigurationError):
            assert isinstance(load(), Registry)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "project",
                        "registry",
                        "send_to",
                        "extra",
                        "where",
                        "functions",
                        "function",
                        "capture",
                        "migas",
                        "rate",
                    ]
                )
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_mapping_gives_a_registry_or_a_configuration_error(value):
    """Whatever a caller hands in, it fails in one way only."""
    mapping = value if isinstance(value, dict) else {"registry": value}
    with contextlib.suppress(ConfigurationError):
        assert isinstance(load_mapping(mapping, project="o/n"), Registry)


def of_options(text):
    """Return `outermost` of each entry."""
    return [(entry.qualname, entry.outermost) for entry in of_groups(text)]


def test_outermost_holds_for_a_group_or_a_function():
    """As the other options do."""
    assert of_options("a:\n  outermost: true\n  functions:\n    - a:f\n    - {function: 'a:g', outermost: false}") == [
        ("f", True),
        ("g", False),
    ]
    assert of_options("a: ['a:f', {function: 'a:g', outermost: true}]") == [("f", False), ("g", True)]
    assert "'outermost' must be true or false" in refused("project: o/n\nregistry: {a: {outermost: 1}}")
    both = load_text("project: o/n\nregistry: [{function: 'a:f', outermost: true}, 'a:f']", "f.yaml").entries
    assert [entry.outermost for entry in both] == [True]


def test_jobs_and_steps(tmp_path):
    """A function is one of the two; a group of that name stays one; configurations are beside the file, or in it."""
    entries = of_groups("- {function: 'a:f', job: my_job}\n- {function: 'a:g', step: say_hello}\n- 'a:h'")
    assert [(entry.job, entry.step) for entry in entries] == [("my_job", ""), ("", "say_hello"), ("", "")]
    assert [entry.service for entry in of_groups("step: ['a:f']")] == ["step"]
    assert "f.yaml:3: a function is a 'job' or a 'step' of one, not both" in refused(
        "project: o/n\nregistry:\n  - {function: 'a:f', job: a, step: b}"
    )
    assert "step must be text" in refused("project: o/n\nregistry: [{function: 'a:f', step: [a]}]")
    assert load_text("project: o/n\njobs: jobs.yaml", str(tmp_path / "f.yaml")).jobs == str(tmp_path / "jobs.yaml")
    assert load_text("project: o/n\njobs: {job_configs: []}", "f.yaml").jobs == {"job_configs": []}
    first, second = (load_text(f"project: o/n\njobs: {name}", "f.yaml") for name in ("a.yaml", "b.yaml"))
    assert [merge(first, second).jobs, merge(second, load_text("project: o/n", "f.yaml")).jobs] == ["b.yaml"] * 2


def test_an_endpoint_that_a_service_cannot_tell_is_kept():
    """`intake_esm_store` may stand for three places; the others are made of the service's name."""
    text = (
        "intake: {esm_store: ['a:f'], catalog: ['a:g']}\nintake_cli: ['a:h']\na/b_c: [{function: 'a:i', extra: {k: 1}}]"
    )
    assert [(entry.service, dict(entry.extra)) for entry in of_groups(text)] == [
        ("intake_esm_store", {"access.endpoint": "intake/esm_store"}),
        ("intake_catalog", {}),
        ("intake_cli", {"access.endpoint": "intake_cli"}),
        ("a_b_c", {"access.endpoint": "a/b_c", "k": 1}),
    ]
    own = of_groups("b_c: [{function: 'a:f', extra: {access.endpoint: else/where}}]")
    assert own[0].extra == {"access.endpoint": "else/where"}


def original():
    """Return the configuration of the original client, which is installed and not imported for it."""
    return importlib.metadata.distribution("access-py-telemetry").locate_file("access_py_telemetry/config.yaml")


def test_an_original_file_is_read_as_it_is(tmp_path):
    """Every name that the client's users call, under its services, once each; uses inside of others are left out."""
    path = original()
    registry = load_file(path, project="access-nri/intake")
    assert registry == load_access_file(path, project="access-nri/intake")
    assert (registry.project, registry.warnings) == ("access-nri/intake", ())
    listed = yaml.safe_load(pathlib.Path(path).read_text())
    assert {service: {entry.name for entry in entries} for service, entries in registry.services().items()} == {
        f"intake_{endpoint}": set(names) for endpoint, names in listed["intake"].items()
    }
    assert all(entry.outermost and not entry.extra for entry in registry.entries)
    assert "access_py_telemetry" not in sys.modules


def test_an_original_file_without_a_project_says_what_to_do():
    """Such files do not name one."""
    with pytest.raises(RegistryError, match="names no project; pass it to "):
        load_file(original())
    with pytest.raises(RegistryError, match="names no project; pass it to "):
        load_text("payu: {run: [Experiment.run]}", "f.yaml", strict=False)


@pytest.mark.parametrize(
    "text",
    [
        "proj: o/n\nregistry: {a: ['a:f']}",  # a slip in a file of ours
        "a: [{function: f}]",
        "a: []",
        "a: {}",
        "a: f",
        "[a, b]",
        "a:",
    ],
)
def test_what_is_no_original_file_is_not_taken_for_one(text):
    """Else a slip would become a service."""
    assert "ACCESS-NRI" not in refused(text)


def test_an_original_file_may_hold_parts_with_underscores():
    """Their endpoint is the path as it stands."""
    (entry,) = load_text("intake: {esm_store: [Store.open]}", "f.yaml", project="o/n").entries
    assert (entry.service, entry.extra) == ("intake_esm_store", {"access.endpoint": "intake/esm_store"})
