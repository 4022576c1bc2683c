"""What an engine would do with a Dockerfile, without an engine: its steps run in a folder that is their root directory.

bubblewrap gives each command namespaces of its own: the folder is ``/``, this machine's ``/usr`` stands for the base
image's, and this interpreter for the Python at ``/usr/local``. Steps of the build run as user 0, the image's process as
the user that the image names, without network but the loopback, on a root directory that cannot be written to.
Not covered: the base image's own contents, its version of Python, and layers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import dockerfile

from tests.docker.dockerfile import ROOT, Config, Stage, configuration, sent_to_the_build

BUILD_SECONDS = 300

_FROM_HERE = ("/bin", "/sbin", "/lib", "/lib64", "/etc/ssl", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
_OF_THE_BUILDER = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")

# Read before a fixture of a test cleans the environment.
_BUILD_ENVIRONMENT = {name: value for name, value in os.environ.items() if name.startswith(_OF_THE_BUILDER)}


class Images:
    """Builds stages, each once, below *directory*.

    Args:
        directory: For a root directory a stage; empty.
        stages: Of the Dockerfile.
        context: What ``COPY`` copies from.
    """

    def __init__(self, directory: Path, stages: Mapping[str, Stage], context: Path = ROOT) -> None:
        self._directory = directory
        self._stages = stages
        self._context = context

    def config(self, name: str) -> Config:
        """Return what the image of stage *name* says of its process."""
        return configuration(self._stages, name)

    def root(self, name: str) -> Path:
        """Return the root directory of stage *name*; builds it, and what it needs, at the first call."""
        root = self._directory / name
        if root.exists():
            return root
        stage = self._stages[name]
        partial = self._directory / f"{name}.partial"
        if stage.base in self._stages:
            shutil.copytree(self.root(stage.base), partial, symlinks=True)
            config = self.config(stage.base)
        elif stage.base.startswith("python:"):
            lay_base_image(partial)
            config = Config()
        else:
            msg = f"stage {name}: nothing on this machine stands for the image {stage.base}"
            raise NotImplementedError(msg)
        for step in stage.steps:
            config.take(step)
            if step.cmd.upper() == "RUN":
                self._run(partial, config, step)
            elif step.cmd.upper() == "COPY":
                self._copy(partial, config, step)
            elif step.cmd.upper() == "WORKDIR":
                _inside(partial, config.workdir).mkdir(parents=True, exist_ok=True)
        return partial.rename(root)

    def _run(self, root: Path, config: Config, step: dockerfile.Command) -> None:
        command = bubblewrap(
            root, ["/bin/sh", "-c", step.value[0]], environment={**_BUILD_ENVIRONMENT, **config.env}, user=0,
            workdir=config.workdir, writable=True, network=True,
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode:
            msg = f"line {step.start_line}, {step.original}\nexit status {done.returncode}\n{done.stdout}{done.stderr}"
            raise AssertionError(msg)

    def _copy(self, root: Path, config: Config, step: dockerfile.Command) -> None:
        *sources, target = step.value
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in step.flags)
        place = _inside(root, os.path.join(config.workdir, target))
        for source in sources:
            if "from" in flags:
                _copy(_inside(self.root(flags["from"]), source), place, into=target.endswith("/"), sees=None)
            else:
                _copy(self._context / source, place, into=target.endswith("/"), sees=self._context)


def bubblewrap(
    root: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    user: int,
    workdir: str = "/",
    writable: bool = False,
    network: bool = False,
    mounts: Mapping[str, tuple[Path, bool]] | None = None,
) -> list[str]:
    """Return the command line that runs *command* with *root* as its root directory.

    Args:
        root: The directory.
        command: To run.
        environment: All of it, but for where this interpreter's library is.
        user: Whom the process is.
        workdir: Where it starts.
        writable: Whether *root* can be written to, as in a build.
        network: Whether the caller's network is reached; else there is a loopback and nothing else.
        mounts: Path inside to path outside, and whether that can be written to.
    """
    tool = shutil.which("bwrap")
    if tool is None:
        raise RuntimeError("images are tried out with bubblewrap; run: apt-get install bubblewrap")
    line = [tool, "--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    line += ["--uid", str(user), "--gid", str(user), "--new-session", "--clearenv"]
    line += ["--bind" if writable else "--ro-bind", str(root), "/", "--ro-bind", "/usr", "/usr"]
    for name in _FROM_HERE:
        if Path(name).exists() and not (root / name.removeprefix("/")).is_symlink():
            line += ["--ro-bind", name, name]
    if sys.base_prefix == "/usr":  # Debian's own Python has no command `python`, the image has
        line += ["--tmpfs", "/usr/local/bin", "--symlink", os.path.realpath(sys.executable), "/usr/local/bin/python"]
    else:
        line += ["--ro-bind", sys.base_prefix, "/usr/local"]
    line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *([] if network else ["--unshare-net"])]
    for inside, (outside, may_write) in (mounts or {}).items():
        line += ["--bind" if may_write else "--ro-bind", str(outside), inside]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LD_LIBRARY_PATH": "/usr/local/lib"}
    for key, value in (path | dict(environment)).items():
        line += ["--setenv", key, value]
    return [*line, "--chdir", workdir, "--", *command]


def lay_base_image(root: Path) -> None:
    """Make mount points at *root*, which is made, and what a base image has beside ``/usr``."""
    for folder in ("usr", "proc", "dev", "tmp", "etc", "opt", "var/lib", "run"):
        (root / folder).mkdir(parents=True)
    for name in _FROM_HERE:
        here, there = Path(name), root / name.removeprefix("/")
        if here.is_symlink() and here.parent == Path("/"):
            there.symlink_to(here.readlink())
        elif here.is_dir():
            there.mkdir()
        elif here.exists():
            there.touch()


def _inside(root: Path, path: str) -> Path:
    return root / os.path.normpath(path).lstrip("/")


def _copy(source: Path, target: Path, *, into: bool, sees: Path | None) -> None:
    """Copy as ``COPY`` does: of a folder its contents; *sees* is the context whose ignored files are not there."""
    found = sorted(source.parent.glob(source.name))
    if not found:
        msg = f"COPY: {source} is not there"
        raise AssertionError(msg)
    for each in found:
        files = sorted(path for path in each.rglob("*") if path.is_file() or path.is_symlink()) if each.is_dir() else []
        if each.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        pairs = [(path, target / path.relative_to(each)) for path in files]
        if not each.is_dir():
            pairs = [(each, target / each.name if into or len(found) > 1 or target.is_dir() else target)]
        copied = [(one, other) for one, other in pairs if sees is None or sent_to_the_build(str(one.relative_to(sees)))]
        if pairs and not copied:
            msg = f"COPY: .dockerignore hides all of {each}"
            raise AssertionError(msg)
        for one, other in copied:
            other.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(one, other, follow_symlinks=False)
