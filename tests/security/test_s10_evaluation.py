"""S10: nothing in the package turns data into code, and a configuration is only plain values, and not too many."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import yaml as pyyaml

from footfall.errors import RegistryError
from footfall.registry import nodes, yaml
from tests.security import rules
from tests.security.rules import also_with, names_used, refused, rule, without

FORBIDDEN = frozenset(
    {
        *("eval", "exec", "compile", "execfile", "__import__", "pickle", "cPickle", "dill", "cloudpickle", "shelve"),
        *("marshal", "jsonpickle", "code", "codeop", "xml", "xml.etree.ElementTree", "lxml", "plistlib", "tarfile"),
        *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader", "yaml.UnsafeLoader"),
        *("os.system", "os.popen", "pty", "runpy", "imp", "builtins.eval", "builtins.exec",),
        *("zipfile", "shutil.unpack_archive"),
    }
)  # fmt: skip
PACKERS = frozenset(
    {
        *("collect/collection.py", "collect/package.py", "testing/sink/insights.py"),
        *("wire/insights_package.py", "wire/insights_parts.py"),
    }
)
"""They make tarballs, and read members of their own; `test_nothing_is_extracted` looks at them all the same."""

WAYS = (
    *("import pickle", "from marshal import loads", "eval('1')", "exec('')", "import yaml\nyaml.load('')"),
    *("from yaml import load", "import yaml\nyaml.unsafe_load('')", "import os\nos.system('')", "__import__('x')"),
    *("import tarfile", "compile('', '', 'exec')", "import xml.etree.ElementTree"),
)


@rule(*(without(rules, "sources", also_with(text)) for text in WAYS))
def test_no_module_turns_data_into_code() -> None:
    """By syntax tree: no pickle, marshal, eval, exec, compile, yaml.load, XML, archives, shells."""
    modules = 0
    for name, tree in rules.sources():
        modules += 1
        for used in names_used(tree):
            assert used not in FORBIDDEN or (used == "tarfile" and name in PACKERS), f"{name}: {used}"
            assert used.partition(".")[0] not in {"pickle", "marshal", "xml"}, f"{name}: {used}"
    assert modules > 100, "the package was looked at"


@rule(without(rules, "sources", also_with("import tarfile\ntarfile.open('x').extractall()")))
def test_nothing_is_extracted() -> None:
    """No member of an archive ever becomes a file under its own name (reliability.md S8)."""
    for name, tree in rules.sources():
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not calls & {"extract", "extractall", "unpack_archive", "_extract_member"}, name


def as_others_do(text: str | bytes, source: str) -> nodes.Node:
    """The stand-in for our reading of YAML: what everybody else's `safe_load` makes of it."""
    try:
        return nodes.from_python(pyyaml.safe_load(text), source)
    except pyyaml.YAMLError as error:
        raise RegistryError(str(error)) from None


def lol(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, levels)]
    return "\n".join(lines)


ENTITIES = ("project: &p a/b\nextra: {x: *p}", lol(3), "project: &p a/b")
OBJECTS = (
    "project: !!python/object/apply:os.getcwd []",
    "project: !!python/name:os.getcwd",
    "project: !x a/b",
    "project: !!binary YS9i",
)


@rule(without(yaml, "from_text", as_others_do))
def test_yaml_has_no_aliases() -> None:
    """So nothing in it can grow: one kilobyte of aliases stands for gigabytes."""
    for text in ENTITIES:
        said = refused(RegistryError, yaml.load_text, text, "x.yaml")
        assert "anchors and aliases" in str(said), said


@rule(without(nodes._Builder, "_refused", lambda self, message, event: _harmless(event)))
def test_yaml_makes_no_objects() -> None:
    """Tags that name types of Python, or of anybody, are refused; safe_load is not asked."""
    for text in OBJECTS:
        said = refused(RegistryError, yaml.load_text, text, "x.yaml")
        assert "is not read" in str(said)


def _harmless(event: Any) -> RegistryError:
    return RegistryError("something else")


@rule(without(nodes, "MAX_BYTES", 2**30, without(yaml, "MAX_BYTES", 2**30)))
def test_a_file_is_at_most_256_kib() -> None:
    """Larger ones are refused unparsed."""
    refused(RegistryError, yaml.load_text, b"project: a/b\n#" + b"x" * 256 * 1024, "x.yaml")


@rule(without(nodes, "MAX_DEPTH", 10**6))
def test_nesting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """33 levels are refused, and so are 100 000, without a crash."""
    for deep in (33, 200):
        said = refused(RegistryError, yaml.load_text, "project: a/b\nextra: {x: " + "[" * deep + "]" * deep + "}", "x")
        assert "nested deeper" in str(said), said
