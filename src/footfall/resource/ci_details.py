"""What a CI run tells of people and projects: for the host's own resource, never for a usage server.

Whoever configures `footfall.resource.detectors.FootfallResourceDetector` sends their own data to their own pipeline,
and wants to find the run behind a trace. These keys are marked ``host`` in `footfall.attributes.TABLE`, by which
`footfall.export.from_span` leaves them behind even when a span of ours comes with that resource; the reasons stand in
`footfall.resource.ci`.

All of it is read from the CI system's variables: footfall starts no ``git``, and says nothing of a repository outside
CI. Credentials in addresses are cut; what is no web address (a path, ``file:``) is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from footfall.attributes import (
    CICD_PIPELINE_NAME,
    CICD_PIPELINE_RUN_URL_FULL,
    CICD_PIPELINE_TASK_NAME,
    VCS_PROVIDER_NAME,
    VCS_REF_HEAD_NAME,
    VCS_REF_HEAD_REVISION,
    VCS_REPOSITORY_URL_FULL,
)
from footfall.resource import ci
from footfall.resource.ci_vendors import VENDORS, Vendor, filled, provider
from footfall.usage import AttributeValue

MAX_NAME_CHARACTERS: Final = 128
MAX_URL_CHARACTERS: Final = 512

REF_PREFIXES: Final = ("refs/heads/", "refs/tags/", "origin/")
"""Not part of a branch's name; the last is how Jenkins' git plug-in says it."""

_SAFE_IN_PATH: Final = "/%:!$&'()*+,;=~"
_REVISION: Final = re.compile(r"[0-9a-f]{7,64}|[0-9]{1,20}")
_OF_GIT: Final = re.compile(r"(?:ssh://)?git@(?P<host>[\w.-]+)(?::[0-9]+/|[:/])(?P<path>[^/].*)")
"""``git@host:owner/repository`` and ``ssh://git@host/owner/repository``. Other users' are paths on some machine."""


def pipeline(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``cicd.pipeline.name``, ``cicd.pipeline.task.name`` and ``cicd.pipeline.run.url.full``; empty outside CI.

    Args:
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    vendor = VENDORS.get(ci.system(environ), Vendor())
    return _known(
        {
            CICD_PIPELINE_NAME: _name(filled(vendor.pipeline, environ)),
            CICD_PIPELINE_TASK_NAME: _name(filled(vendor.task, environ)),
            CICD_PIPELINE_RUN_URL_FULL: web_address(filled(vendor.run_url, environ), query="?" in vendor.run_url),
        }
    )


def repository(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``vcs.provider.name``, ``.repository.url.full``, ``.ref.head.name``, ``.ref.head.revision`` of a CI run.

    Args:
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    vendor = VENDORS.get(ci.system(environ), Vendor())
    revision = filled(vendor.revision, environ).lower()
    return _known(
        {
            VCS_PROVIDER_NAME: provider(vendor, environ),
            # The canonical address is the one for browsers, without git's suffix (semantic conventions, "VCS").
            VCS_REPOSITORY_URL_FULL: web_address(filled(vendor.repository, environ)).removesuffix(".git"),
            VCS_REF_HEAD_NAME: _name(_ref(filled(vendor.ref, environ))),
            VCS_REF_HEAD_REVISION: revision if _REVISION.fullmatch(revision) else "",
        }
    )


def web_address(text: str, *, query: bool = False) -> str:
    """Return *text* as an address that a browser opens, without credentials; "" when it is none, or may hide some.

    Args:
        text: An address for browsers or for ``git clone``.
        query: Keep what follows a question mark. Only for addresses whose query footfall's own table wrote.
    """
    if match := _OF_GIT.fullmatch(text):
        text = f"https://{match['host']}/{match['path']}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    # A password that holds a slash ends the host's part too early: the rest of it, and the @, then come later.
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.path + parts.query + parts.fragment:
        return ""
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    address = f"{parts.scheme}://{place}{quote(parts.path.rstrip('/'), safe=_SAFE_IN_PATH)}"
    address += f"?{quote(parts.query, safe='=&%')}" if query and parts.query else ""
    return address if len(address) <= MAX_URL_CHARACTERS else ""


def _ref(text: str) -> str:
    return next((text.removeprefix(prefix) for prefix in REF_PREFIXES if text.startswith(prefix)), text)


def _name(text: str) -> str:
    return text[:MAX_NAME_CHARACTERS] if text.isprintable() else ""


def _known(values: Mapping[str, str]) -> dict[str, AttributeValue]:
    return {key: value for key, value in values.items() if value}
