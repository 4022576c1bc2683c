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
        additions: File to its text: what the source distribution lacks, written anew.
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
    additions: Mapping[str, str] = field(default_factory=dict)
    defects: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


INSIGHTS_COLLECTOR = """
from insights_analytics_collector import Collector
from tests.classes.package import Package


class AnalyticsCollector(Collector):
    @staticmethod
    def db_connection():
        return None

    @staticmethod
    def _package_class():
        return Package

    def _is_shipping_configured(self):
        return True

    def _is_valid_license(self):
        return True

    def _last_gathering(self):
        return None

    def _load_last_gathered_entries(self):
        return {}

    def _save_last_gathered_entries(self, last_gathered_entries):
        pass

    def _save_last_gather(self):
        pass
"""
"""From what insights.md section 11 says of it, as `INSIGHTS_PACKAGE`."""

INSIGHTS_PACKAGE = """
from insights_analytics_collector import Package as Base


class Package(Base):
    PAYLOAD_CONTENT_TYPE = "application/vnd.redhat.example.tests+tgz"
    MAX_DATA_SIZE = 1000

    def _tarname_base(self):
        return f"tests-{self.collector.gather_until:%Y-%m-%d-%H%M%S%z}"

    def get_ingress_url(self):
        return "https://example.invalid/api/ingress/v1/upload"

    def _get_rh_user(self):
        return "user"

    def _get_rh_password(self):
        return "password"

    def _get_x_rh_identity(self):
        return "identity"

    def _get_http_request_headers(self):
        return {"Content-Type": "application/json"}
"""

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
    Suite(
        name="insights",
        distribution="insights-analytics-collector==0.3.2",
        sha256="c8464e2f602b01e42574bdad85ed4c8afca9d613c8c886fcbe72f592899f520b",
        requirements=("django>=4.2", "pytest-mock>=3", "pytz", "requests"),
        tests="tests",
        aliases={"insights_analytics_collector": "footfall.facade.insights"},
        additions={
            "classes/__init__.py": "",
            "classes/analytics_collector.py": INSIGHTS_COLLECTOR,
            "classes/package.py": INSIGHTS_PACKAGE,
        },
    ),
)
