"""`footfall doctor`: what would be observed, what is missed or cannot be, and why; found out without doing harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clihelp import SECONDS, delivering, environ, files, footfall, places, registered, start

from footfall.cli.doctor import references
from footfall.cli.doctor.modules import missing
from footfall.cli.main import main
from footfall.consent import choice
from footfall.destination import Destination
from footfall.ledger import Ledger
from footfall.places import config_directory, write_private
from footfall.status import Status

CORE = """
    import functools

    def good(a): ...
    def aliased(): ...

    TABLE = {"a": aliased, "more": [aliased]}
    again = aliased
    def later(callback=aliased, *, other=aliased): ...
    def closing(function):
        def inner():
            return function()
        return inner
    closed = closing(aliased)
    part = functools.partial(aliased)

    class Catalog:
        handler = staticmethod(aliased)
        def search(self): ...
        @property
        def size(self): ...
        @classmethod
        def make(cls): ...
        @functools.cached_property
        def cached(self): ...
        def __init__(self): ...

    class Child(Catalog): ...

    CONSTANT = 3
"""


def _registry(*names: str, more: str = "") -> str:
    listed = "".join(f"\n    - {name}" for name in names)
    return f"project: owner/library\n{more}\nregistry:\n  core:{listed}\n"


def _doctor(*arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    said = footfall("doctor", "--json", *arguments, **variables)
    assert said.stderr == ""
    return said.returncode, json.loads(said.stdout)


def _functions(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    (project,) = report["projects"]
    return {each["name"]: each for each in project["functions"]}


def test_every_kind_of_target_that_is_wrapped_is_said_to_be(tmp_path: Path) -> None:
    """Functions, methods, properties, class methods, cached properties, classes, inherited methods: status 0."""
    names = ["good", "Catalog", *(f"Catalog.{name}" for name in ("search", "size", "make", "cached")), "Child.search"]
    variables = registered(tmp_path, _registry(*(f"lib.core:{name}" for name in names)), core=CORE)
    status, report = _doctor(**variables)
    assert {name: each["state"] for name, each in _functions(report).items()} == {
        f"lib.core:{name}": "wrapped" for name in names
    }
    assert (status, report["problems"], report["imported"]) == (0, [], True)


def test_names_by_which_others_reach_the_original_are_found(tmp_path: Path) -> None:
    """Tables, other names, defaults, closures, partials and classes: each place is named, and the status is 1."""
    variables = registered(tmp_path, _registry("lib.core:good", "lib.core:aliased"), core=CORE)
    status, report = _doctor(**variables)
    found = _functions(report)
    assert status == 1
    assert found["lib.core:good"]["state"] == "wrapped"
    assert found["lib.core:aliased"]["state"] == "missed"
    assert set(found["lib.core:aliased"]["elsewhere"]) == {
        "lib.core.TABLE['a']",
        "lib.core.TABLE['more'][0]",
        "lib.core.again",
        "lib.core.later(default argument)",
        "lib.core.later(default of other)",
        "lib.core.closed(closure over function)",
        "lib.core.part(...)",
        "lib.core.Catalog.handler",
    }
    assert report["problems"] == ["owner/library: 1 of 2 functions missed"]


def test_names_of_modules_that_import_it_afterwards_are_no_complaint(tmp_path: Path) -> None:
    """Who does ``from module import function`` after the wrapping gets the wrapper, and is not accused."""
    variables = registered(
        tmp_path,
        _registry("lib.core:good", "lib.user:use"),
        core=CORE,
        user="from lib.core import good\ndef use(): good(1)",
    )
    status, report = _doctor(**variables)
    assert (status, report["problems"]) == (0, [])


WRONG = {
    "lib.core:goood": ("missed", "'goood' is not in module 'lib.core'; did you mean 'good'?"),
    "lib.core:Catalog.serach": ("missed", "'serach' is not in 'Catalog'; did you mean 'search'?"),
    "lib.cor:good": ("missed", "package 'lib' has no module 'cor'; did you mean 'lib.core'?"),
    "jsn:dumps": ("missed", "'jsn' is not installed here; did you mean 'json'?"),
    "demo_lib:f": ("missed", "'demo_lib' is not installed here; install it, or correct the name"),
    "lib.core.deep:good": ("missed", "'lib.core' is a module and no package, so it holds no module 'deep'"),
    "nosuchpackage77:f": ("missed", "'nosuchpackage77' is not installed here; install it, or correct the name"),
    "lib.core:CONSTANT": ("cannot", "it is an int, which nobody calls; name a function"),
    "lib.core:later": ("cannot", "'later' has no parameter 'b'; choose from callback, other"),
    "builtins:dict.get": ("cannot", "dict is written in C and its attributes cannot be replaced; name what calls"),
    "lib.needy:f": ("cannot", "importing 'lib.needy' failed with ModuleNotFoundError: No module named 'nosuch88'"),
    "lib.script:f": ("cannot", "importing 'lib.script' failed with SystemExit: bye"),
    "lib.leaves:f": ("cannot", "importing 'lib.leaves' ended the process with status 7"),
    "lib.crashes:f": ("cannot", "importing 'lib.crashes' ended the process with SIGABRT"),
}
MODULES = {
    "core": CORE,
    "needy": "import nosuch88",
    "script": "raise SystemExit('bye')",
    "leaves": "import os; os._exit(7)",
    "crashes": "import os; os.abort()",
    "hangs": "import threading; threading.Event().wait()",
}


def test_what_is_not_observed_has_a_reason(tmp_path: Path) -> None:
    """What can be mended is missed, what cannot is cannot; a bad module does not keep others from being looked at."""
    names = [*WRONG, "lib.core:Catalog.search"]
    names[names.index("lib.core:later")] = "{function: lib.core:later, capture: {b: int}}"
    variables = registered(tmp_path, _registry(*names), **MODULES)
    status, report = _doctor(**variables)
    found = _functions(report)
    assert status == 1
    assert found.pop("lib.core:Catalog.search")["state"] == "wrapped"
    for line, (name, (state, reason)) in enumerate(WRONG.items(), 5):
        assert found[name]["state"] == state, name
        assert found[name]["reason"].startswith(reason)
        assert (found[name]["source"], found[name]["line"]) == (variables["FOOTFALL_CONFIG"], line)
    assert report["problems"] == [
        "owner/library: 7 of 15 functions missed",
        "owner/library: 7 of 15 functions impossible to observe",
    ]


def test_a_module_that_hangs_is_given_up(tmp_path: Path) -> None:
    """After the time limit the inspection goes on without it."""
    variables = registered(tmp_path, _registry("lib.hangs:f", "lib.core:good"), **MODULES)
    status, report = _doctor("--timeout", "1.5", **variables)
    found = _functions(report)
    assert (status, found["lib.core:good"]["state"]) == (1, "wrapped")
    assert found["lib.hangs:f"]["reason"] == "importing 'lib.hangs' took longer than 1.5 s"


def test_bare_names_are_looked_for_where_their_group_says(tmp_path: Path) -> None:
    """One candidate that has it is enough; one that none has is missed; one for notebooks was not looked into."""
    variables = registered(
        tmp_path,
        """
        project: owner/library
        registry:
          core: {where: [lib.other, lib.core], functions: [Catalog.search, Catalog.nothing]}
          nowhere: [Catalog.search]
        """,
        core=CORE,
        other="",
    )
    _, report = _doctor(**variables)
    states = [each["state"] for each in report["projects"][0]["functions"]]
    assert states == ["wrapped", "missed", "unseen"]
    assert "%load_ext footfall.ipython" in report["projects"][0]["functions"][2]["reason"]


def test_functions_that_the_code_registers_itself_are_listed(tmp_path: Path) -> None:
    """The decorator's functions belong to the project, too."""
    source = """
        import footfall
        def good(): ...
        @footfall.register("core")
        def decorated(): ...
    """
    _, report = _doctor(**registered(tmp_path, _registry("lib.own:good"), own=source))
    assert {name: each["state"] for name, each in _functions(report).items()} == {
        "lib.own:good": "wrapped",
        "lib.own:decorated": "wrapped",
    }


NOISY = """
    import os, subprocess, sys
    print("noise on stdout")
    sys.stderr.write("noise on stderr")
    os.write(1, b"noise below")
    use = "import footfall; footfall.instrument('owner/tool'); footfall.event('used'); print('noise of a child')"
    subprocess.run([sys.executable, "-c", use], check=True)
    def used(): ...
    used()
"""


def test_nothing_of_the_inspection_is_left_or_heard(tmp_path: Path) -> None:
    """A package may print and use itself while it is imported; no record, no id, no output, no directory is left."""
    source = NOISY + "\n    import footfall\n    footfall.event('imported', project='owner/library')\n"
    variables = {**registered(tmp_path, _registry("lib.noisy:used"), noisy=source), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    before = files()
    for arguments in ([], ["lib"]):
        said = footfall("doctor", *arguments, **variables, DO_NOT_TRACK="1")
        assert (said.returncode, said.stderr) == (0, "")
        assert "noise" not in said.stdout
    assert files() == before
    assert footfall("doctor", **variables).returncode == 0
    assert [path for path in files() if path.is_file()] == [path for path in before if path.is_file()]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_while_footfall_is_off_it_says_so_first_and_imports_on_request_only(tmp_path: Path) -> None:
    """A no is no wish to have packages imported; who names a module wants to know all the same."""
    choice.turn_off(config_directory(os.environ) or tmp_path)
    source = f"open({str(tmp_path / 'imported')!r}, 'w').close()\ndef good(): ..."
    variables = registered(tmp_path, _registry("lib.core:good"), core=source)
    said = footfall("doctor", **variables)
    assert said.returncode == 0
    assert said.stdout.startswith("footfall is   off: `footfall off` was said")
    assert "unseen   lib.core:good" in said.stdout
    assert not (tmp_path / "imported").exists()
    asked = footfall("doctor", "lib.core", **variables)
    assert asked.returncode == 0
    assert "wrapped  lib.core:good" in asked.stdout
    assert (tmp_path / "imported").exists()


def test_every_switch_that_says_no_is_named() -> None:
    """Not the first alone: who lifts one wants to know of the next."""
    directory = config_directory(os.environ)
    assert directory is not None
    choice.turn_off(directory)
    choice.turn_off(directory, "owner/library")
    _, report = _doctor(DO_NOT_TRACK="1", MIGAS_OPTOUT="0", OTEL_SDK_DISABLED="true", FOOTFALL="off")
    said = [no.partition(" ")[0] for no in report["says_no"][:4]]
    assert said == ["DO_NOT_TRACK=1", "FOOTFALL=off", "OTEL_SDK_DISABLED=true", "MIGAS_OPTOUT=0"]
    assert [no.partition(" was")[0] for no in report["says_no"][4:]] == [
        "`footfall off`",
        "`footfall off owner/library`",
    ]
    assert report["decision"]["mode"] == "off"
    (directory / "choice.json").write_text("?")
    _, report = _doctor()
    assert any("counts as a no" in no for no in report["says_no"])


def test_no_import_looks_and_does_not_touch(tmp_path: Path) -> None:
    """Whether modules are installed is found without running them, nor the packages around them."""
    variables = registered(
        tmp_path, _registry("lib.core:good", "lib.cor:good", "nosuchpackage77:f", "bare"), core="raise SystemExit"
    )
    (tmp_path / "path" / "lib" / "__init__.py").write_text("raise SystemExit")
    status, report = _doctor("--no-import", **variables)
    assert (status, report["imported"]) == (1, False)
    assert [each["state"] for each in report["projects"][0]["functions"]] == ["unseen", "missed", "missed", "unseen"]


def test_modules_and_project_restrict_what_is_looked_at(tmp_path: Path) -> None:
    """A module or a package around it; what nothing registers is wrong use, with the nearest right name."""
    registry = _registry("lib.core:good", "lib.other:good", "json:dumps")
    variables = registered(tmp_path, registry, core=CORE, other="def good(): ...")
    for arguments, names in [
        (("lib",), ["lib.core:good", "lib.other:good"]),
        (("lib.core", "json"), ["lib.core:good", "json:dumps"]),
        (("--project", "owner/library"), ["lib.core:good", "lib.other:good", "json:dumps"]),
    ]:
        assert list(_functions(_doctor("--no-import", *arguments, **variables)[1])) == names
    for arguments, says in [
        (("lib.cor",), "no function of module 'lib.cor' is registered; did you mean 'lib.core'?"),
        (("li",), "no function of module 'li' is registered"),
        (("--project", "owner/librari"), "no project 'owner/librari' is installed here; did you mean 'owner/library'?"),
        (("--timeout", "0"), "is not a number of seconds above zero"),
    ]:
        said = footfall("doctor", *arguments, **variables)
        assert (said.returncode, said.stdout) == (2, "")
        assert says in said.stderr


SEND_TO = """
    send_to:
      - {migas: "https://migas.example.org", credentials: "env:TOOL_TOKEN"}
      - {otlp: "https://otlp.example.org", credentials: "env:NOT_THERE"}
      - {otlp: "https://file.example.org", credentials: "file:OPEN"}
      - {otlp: "http://localhost:4318"}
"""


def test_credentials_are_tried_and_never_shown(tmp_path: Path) -> None:
    """There or not, readable by others or not: said of the reference, with no letter of the value."""
    token = tmp_path / "token"
    token.write_text("Authorization: Bearer canary-7731")
    token.chmod(0o644)
    more = "\n".join(line[4:] for line in SEND_TO.replace("OPEN", str(token)).splitlines())
    variables = registered(tmp_path, _registry("json:dumps", more=more))
    said = footfall("doctor", **variables)
    status, report = _doctor(**variables)
    problems = [target["problem"] for target in report["projects"][0]["targets"]]
    assert problems[0] == problems[3] == ""
    assert problems[1] == "env:NOT_THERE is not there, or empty"
    assert "chmod 600" in problems[2]
    assert status == said.returncode == 1
    assert "https://migas.example.org (migas), credentials env:TOOL_TOKEN: ready" in said.stdout
    assert "canary-7731" not in said.stdout + json.dumps(report)


def test_servers_that_are_halted_and_what_they_said_are_shown_harmlessly() -> None:
    """Status 1, the reason, and the last refusals: escaped, and cut to 200 characters."""
    evil = "\x1b[31mno\nfootfall is on" + "x" * 500
    now_ns = time.time_ns()
    with delivering() as delivery:
        halted, waiting = (
            delivery.outbox.destination(Destination(wire="migas", endpoint=f"https://{host}.example.org"))
            for host in ("halted", "waiting")
        )
        delivery.outbox.pause(halted, until_ns=now_ns + 3600 * 10**9, reason="halted by 401")
        delivery.outbox.pause(waiting, until_ns=now_ns + 3600 * 10**9, reason="the server asked for it with 429")
        delivery.outbox.note_refusal(halted, status=400, detail=evil, path="/api\x1b[2J", now_ns=now_ns)
    said = footfall("doctor")
    assert said.returncode == 1
    assert "halted by 401, until" in said.stdout
    assert "the server asked for it with 429, until" in said.stdout
    assert said.stdout.count("look at its address and credentials") == 1
    assert r"\u001b[31mno\nfootfall is on" in said.stdout
    assert "\x1b" not in said.stdout
    assert "x" * 201 not in said.stdout


def test_a_process_that_delivers_is_named_and_its_trouble_is_counted() -> None:
    """What it keeps to itself is said to be kept; what it wrote of its hidden errors is shown."""
    status = Status(time_ns=1, pid=os.getpid(), ledger=Ledger(), trouble={"record: OSError": 4, "a\x1bb": 1})
    with delivering():
        write_private(places().status, msgspec.json.encode(status))
        said = footfall("doctor")
        _, report = _doctor()
    rows = [line.split() for line in said.stdout.splitlines()]
    assert f"who delivers  process {os.getpid()}" in said.stdout
    assert ["record:", "OSError", "4"] in rows
    assert [r"a\u001bb", "1"] in rows
    assert report["trouble"] == status.trouble


def test_where_files_live_and_why(tmp_path: Path) -> None:
    """The directory, its kind of file system, and which rule chose it."""
    _, report = _doctor()
    assert report["files"]["directory"] == os.environ["FOOTFALL_DIR"]
    assert report["files"]["why"] == "FOOTFALL_DIR names it"
    _, report = _doctor(FOOTFALL_DIR="")
    assert report["files"]["why"] == "XDG_STATE_HOME names its parent"
    _, report = _doctor(FOOTFALL_DIR="", XDG_STATE_HOME="")
    assert report["files"]["why"] == "it is the platform's state directory"
    (tmp_path / "file").touch()
    status, report = _doctor(FOOTFALL_DIR=str(tmp_path / "file"))
    assert status == 1
    (problem,) = report["problems"]
    assert problem.startswith(f"FOOTFALL_DIR is not used: {tmp_path / 'file'}: is not a directory")


def test_no_place_at_all_is_a_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing can be kept the doctor says so, and what to set, and goes on."""
    monkeypatch.setenv("FOOTFALL", "on")
    monkeypatch.setattr("footfall.places.layout._candidates", lambda *_: iter(()))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "files         none" in said
    assert "Set FOOTFALL_DIR to one of yours" in said


def test_what_cannot_be_read_is_a_problem_and_no_end(tmp_path: Path) -> None:
    """A broken package and a broken configuration are named; the others are looked at."""
    variables = registered(tmp_path, "project: owner/library\nregistry: 7\n")
    info = tmp_path / "path" / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[footfall.projects]\nbroken = lib\n")
    status, report = _doctor(**variables)
    assert status == 1
    broken, config = report["problems"]
    assert "entry point 'broken'" in broken
    assert "there is no such file" in broken
    assert config.startswith("FOOTFALL_CONFIG is not used: ")
    assert "usage.yaml:2" in config


def test_an_installed_project_is_found_with_its_version(tmp_path: Path) -> None:
    """As `opentelemetry-instrument` finds it: an entry point, a file in the package, the distribution's version."""
    variables = registered(tmp_path, "", core=CORE)
    (tmp_path / "path" / "lib" / "footfall.yaml").write_text(_registry("lib.core:good"))
    info = tmp_path / "path" / "library-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: library\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[footfall.projects]\nlibrary = lib\n")
    status, report = _doctor(PYTHONPATH=variables["PYTHONPATH"])
    assert status == 0
    (project,) = report["projects"]
    assert (project["project"], project["version"]) == ("owner/library", "2.5")
    assert project["functions"][0]["state"] == "wrapped"


def test_text_of_packages_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """What an import says while it fails is escaped and cut (reliability.md S19)."""
    evil = "raise SystemExit('\\x1b[31m\\nfootfall is off' + 'x' * 500)"
    said = footfall("doctor", **registered(tmp_path, _registry("lib.core:good"), core=evil))
    assert said.returncode == 1
    assert "\x1b" not in said.stdout
    assert r"\u001b[31m\nfootfall is off" in said.stdout
    assert "x" * 201 not in said.stdout


@contextmanager
def _hanging(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the doctor on a module that hangs; yield it and the process id of the inspecting process."""
    told = tmp_path / "pid"
    source = f"""
        import os, pathlib, threading
        path = pathlib.Path({str(told)!r})
        path.with_suffix(".new").write_text(str(os.getpid()))
        path.with_suffix(".new").rename(path)
        threading.Event().wait()
    """
    process = start("doctor", **registered(tmp_path, _registry("lib.core:good"), core=source))
    try:
        deadline = time.monotonic() + SECONDS
        while not told.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process, int(told.read_text())
    finally:
        process.kill()
        process.communicate()


def test_the_working_directory_is_not_imported_from(tmp_path: Path) -> None:
    """What lies about where the command is typed is neither run nor taken for what is installed (reliability.md S2)."""
    variables = registered(tmp_path, _registry("lib.core:good", "stray:good"), core=CORE)
    here = tmp_path / "here"
    here.mkdir()
    for name in ("msgspec", "stray"):
        (here / f"{name}.py").write_text("raise SystemExit('run')")
    as_command = "import sys; del sys.path[0]; from footfall.cli.main import main; sys.exit(main(['doctor', '--json']))"
    said = subprocess.run(
        [sys.executable, "-c", as_command],
        env=environ(variables),
        cwd=here,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    found = _functions(json.loads(said.stdout))
    assert found["lib.core:good"]["state"] == "wrapped"
    assert found["stray:good"]["reason"].startswith("'stray' is not installed here")


def test_ctrl_c_ends_the_inspection_as_well(tmp_path: Path) -> None:
    """Status 130, and the process that was importing is gone."""
    with _hanging(tmp_path) as (process, inspecting):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert "Traceback" not in errors
        with pytest.raises(ProcessLookupError):
            os.kill(inspecting, 0)


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is loaded, the search comes to an end."""
    monkeypatch.setattr(references, "MAX_LOOKS", 10)
    assert references.reached([json.dumps], first=["json"]) == {}
    monkeypatch.setattr(references, "MAX_LOOKS", 10**6)
    assert "json.dumps" in references.reached([json.dumps], first=["json"])[id(json.dumps)]


def test_the_search_runs_nobodys_code() -> None:
    """Objects that fail on every question are passed over, and a circle is gone round once."""
    program = """
import sys, types
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit("asked " + name)
    def __eq__(cls, other): raise SystemExit("compared")
    __hash__ = type.__hash__
class Trap(metaclass=Meta):
    def __getattribute__(self, name): raise SystemExit("asked " + name)
    def __eq__(self, other): raise SystemExit("compared")
    def __hash__(self): raise SystemExit("hashed")
    def __iter__(self): raise SystemExit("iterated")
def original(): ...
module = types.ModuleType("trapped")
circle = [original]
circle.append(circle)
vars(module).update(trap=Trap(), kind=Trap, circle=circle, lazy={"trap": Trap()})
sys.modules["trapped"] = module
from footfall.cli.doctor.references import reached
print(reached([original]))
"""
    said = subprocess.run(
        [sys.executable, "-c", program], env=environ({}), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.endswith(": ['trapped.circle[0]']}\n")


def test_what_is_installed_is_not_missing() -> None:
    """Built in, frozen, in the standard library, in packages: found without being imported."""
    loaded = set(sys.modules)
    assert [missing(name) for name in ("sys", "os", "json.decoder", "xml.dom.minidom")] == [""] * 4
    assert set(sys.modules) == loaded


CONFIGURED = """\
    project: demo/jobs
    version: 1.0.0
    jobs: jobs.yaml
    send_to:
      - tracker: http://127.0.0.1:9
        customer_id: 142
        credentials: env:TOOL_TOKEN
    registry:
      - {function: "lib.core:good", step: STEP}
"""

ONE_JOB = """\
job_configs:
  - tag: my_job
    name: My Job
    step_configurations:
      - {tag: say_hello, name: Say Hello, points: 10}
"""

WORK = """\
import footfall
from footfall import installed
installed.instrument({})
with footfall.job("my_job", progress=False):
    pass
"""


def test_jobs_that_cannot_be_told(tmp_path: Path) -> None:
    """A step that no job declares, and a job that changed under a version that was registered, with the way out."""
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(ONE_JOB)
    wrong = footfall("doctor", **registered(tmp_path, CONFIGURED.replace("STEP", "say_helo"), core="def good(): ..."))
    assert wrong.returncode == 1
    assert (
        "usage.yaml:9: lib.core:good is step 'say_helo', which no job configuration declares; did you" in wrong.stdout
    )
    variables = registered(tmp_path, CONFIGURED.replace("STEP", "say_hello"), core="def good(): ...")
    subprocess.run([sys.executable, "-c", WORK], env=environ(variables), timeout=SECONDS, check=True)
    assert not any(
        "my_job" in each for each in json.loads(footfall("doctor", "--json", **variables).stdout)["problems"]
    )
    jobs.write_text(ONE_JOB.replace("10", "7"))
    changed = footfall("doctor", "--json", **variables)
    assert changed.returncode == 1
    (problem,) = [each for each in json.loads(changed.stdout)["problems"] if "my_job" in each]
    assert "jobs.yaml:2: job 'my_job' changed, but its version is still 1.0.0" in problem
    assert "such as 1.0.1" in problem
    assert "such as 1.0.1" in footfall("doctor", **variables).stdout, "what to do stands at the end, and is not cut off"
