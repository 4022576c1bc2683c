"""One entry an original: what to fetch, how to point its tests at the facade, and which tests assert a defect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """An original's test suite.

    Attributes:
        name: For the command line.
        distribution: Name and version on the package index.
        sha256: Of its source distribution.
        requirements: What its tests need beyond footfall and pytest.
        tests: Folder of the tests in the source distribution.
        aliases: Name of a module that the tests import to the module that takes its place.
        replacements: File to texts in it and what they become: fixed ports and folders. ``{port}`` is a free port,
            ``{folder}`` a fresh folder. Each must be found.
        defects: Test to the reason why it fails here: it asserts what the facade repairs. Each must fail.
        skipped: Test to what it needs that is not here. Others must not be skipped.
    """

    name: str
    distribution: str
    sha256: str
    requirements: tuple[str, ...]
    tests: str
    aliases: Mapping[str, str]
    replacements: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    defects: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


SUITES = (
    Suite(
        name="ramen",
        distribution="infi.ramen_client==1.40.post3",
        sha256="d35837ed2843607341b6255f7433d2048ef423e474ac7d65adb9ba4feb4e5801",
        requirements=("flask>=3", "schematics==2.1.1", "future>=1", "six>=1.16"),
        tests="src/tests",
        aliases={
            f"infi.ramen_client.{module}": f"footfall.facade.ramen.{module}"
            for module in ("config", "queue_reader", "queue_writer", "utils")
        },
        replacements={
            "mock_server.py": (("Process(target=app.run)", "Process(target=app.run, kwargs=dict(port={port}))"),),
            "test_blacklist.py": (("127.0.0.1:5000", "127.0.0.1:{port}"),),
            "test_queue_reader.py": (("127.0.0.1:5000", "127.0.0.1:{port}"), ("/tmp/ramen_client", "{folder}")),
            "test_queue_writer.py": (("/tmp/ramen_client", "{folder}"),),
        },
        skipped={"test_proxy_success": "a tinyproxy that runs as a system service"},
    ),
)
