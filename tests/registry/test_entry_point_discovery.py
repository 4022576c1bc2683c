"""Installed packages: found without importing them, skipped and counted when wrong."""

import sys
from importlib.metadata import EntryPoint

import pytest

from footfall.errors import RegistryError, trouble
from footfall.registry import entry_points
from footfall.registry.entry_points import discover, installed_version, locate

BOOM = "raise AssertionError('a package was imported only to find its file')\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder on the import path, in place of everything that is installed."""
    import importlib

    # What discovery loads late is loaded while it can still be found.
    import yaml  # noqa: F401

    import footfall.registry.yaml  # noqa: F401

    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *(p for p in sys.path if "site-packages" not in p and p)])
    importlib.invalidate_caches()
    installed_version.cache_clear()
    yield folder
    installed_version.cache_clear()


def install(site, name, version, points=(), *, package="", yaml=None, at="footfall.yaml", code=None):
    """Lay down a distribution as an installer does."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if points:
        (info / "entry_points.txt").write_text("[footfall.projects]\n" + "\n".join(points) + "\n")
    if package:
        folder = (code or site).joinpath(*package.split("."))
        folder.mkdir(parents=True)
        for parent in (folder, *folder.parents):
            if parent in {code, site}:
                break
            (parent / "__init__.py").write_text(BOOM)
        if yaml is not None:
            path = folder.joinpath(at)
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml)
        (info / "RECORD").write_text("" if code else f"{package.replace('.', '/')}/__init__.py,,\n")
    return info


def test_projects_come_sorted_with_the_version_of_their_distribution(site):
    """The order is that of the entry points' names; a file's own version comes first; no package is imported."""
    install(site, "zoo-dist", "2.0", ["zoo = zoo"], package="zoo", yaml="project: z/zoo\nversion: 9")
    install(site, "ape-dist", "1.5", ["ape = ape.sub"], package="ape.sub", yaml="project: a/ape\nregistry: [ape:f]")
    install(site, "other", "1", package="other")
    found = discover()
    assert [(each.project, each.version) for each in found] == [("a/ape", "1.5"), ("z/zoo", "9")]
    assert found[0].entries[0].name == "ape:f"
    assert not {"ape", "zoo"} & set(sys.modules)


def test_the_file_may_have_another_name_and_folder(site):
    """``package:path`` names a file inside the package."""
    install(site, "d", "1", ["d = d:data/usage.yaml"], package="d", yaml="project: d/d", at="data/usage.yaml")
    assert [each.project for each in discover()] == ["d/d"]


def test_an_editable_install_is_found_where_its_code_is(site, tmp_path, monkeypatch):
    """There the metadata lie in one folder and the package in another."""
    code = tmp_path / "checkout"
    install(site, "e", "1", ["e = e"], package="e", yaml="project: e/e", code=code)
    monkeypatch.setattr(sys, "path", [*sys.path, str(code)])
    assert [each.project for each in discover()] == ["e/e"]
    assert "e" not in sys.modules


def test_a_folder_of_the_same_name_in_front_does_not_replace_it(site, tmp_path, monkeypatch):
    """S2: where data go is never read from whatever the working directory holds."""
    install(site, "f", "1", ["f = f"], package="f", yaml="project: f/right")
    (tmp_path / "cwd" / "f").mkdir(parents=True)
    (tmp_path / "cwd" / "f" / "__init__.py").touch()
    (tmp_path / "cwd" / "f" / "footfall.yaml").write_text("project: f/wrong")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "cwd"), *sys.path])
    assert [each.project for each in discover()] == ["f/right"]


def test_what_is_wrong_is_counted_and_the_rest_is_read(site):
    """One broken package must not blind the others, and nothing may raise."""
    install(site, "a", "1", ["a = a"], package="a", yaml="project: nonsense")
    install(site, "b", "1", ["b = b"], package="b")
    install(site, "c", "1", ["c = c:../b/footfall.yaml"], package="c", yaml="project: c/c")
    install(site, "d", "1", ["d = d"], package="d", yaml="project: d/d\ncolour: red")
    before = sum(trouble.counts.values())
    (registry,) = discover()
    assert registry.project == "d/d"
    assert "'colour' is no key" in registry.warnings[0]
    assert sum(trouble.counts.values()) == before + 3


def test_who_asks_is_told_of_each_that_is_skipped(site):
    """`footfall doctor` names them; then they are not counted as hidden trouble."""
    install(site, "a", "1", ["a = a"], package="a", yaml="project: nonsense")
    install(site, "b", "1", ["b = b"], package="b")
    told, before = {}, sum(trouble.counts.values())
    assert discover(failed=told.__setitem__) == []
    assert sorted(told) == ["a", "b"]
    assert "must be owner/name" in str(told["a"])
    assert sum(trouble.counts.values()) == before


@pytest.mark.parametrize(
    "value",
    ["", ":x.yaml", "p:", "p:/etc/x.yaml", "p:../x.yaml", "p:a/../x.yaml", "p:x.txt", "p q", "p:a\\x.yaml", "a-b"],
)
def test_a_value_that_could_lead_elsewhere_is_refused(value):
    """S8: the path stays inside the package."""
    with pytest.raises(RegistryError):
        locate(EntryPoint("n", value, entry_points.GROUP))


def test_versions_come_from_the_project_or_the_module(site):
    """By the names of distributions where they agree, else by the files that distributions list."""
    install(site, "intake-esm", "2025.1", package="intake_esm")
    install(site, "PyYAMLish", "6.0", package="yamlish")
    assert installed_version("intake/intake-esm") == "2025.1"
    assert installed_version("intake_esm.core:esm_datastore.search") == "2025.1"
    assert installed_version("yamlish.loader") == "6.0"
    assert not {"intake_esm", "yamlish"} & set(sys.modules)


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing", "", "/", "a/", ":f", "\0", "../x"])
def test_an_unknown_version_is_empty(site, name):
    """Whatever was asked for, nothing raises."""
    assert installed_version(name) == ""
