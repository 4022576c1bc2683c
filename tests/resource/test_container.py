"""The container detector, on prepared folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from footfall.resource import container

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
NAME = "container.runtime.name"

HOST_OF_MANY = f"""\
27 1 254:0 / / rw - ext4 /dev/vda rw
60 27 0:60 / /var/lib/docker/overlay2/{ID}/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X
61 27 0:61 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw
"""
IN_DOCKER = f"""\
900 800 0:70 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X,upperdir=/x/docker/overlay2/{OTHER}/diff
901 900 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw
"""
IN_PODMAN = f"""\
901 900 0:30 /user/1000/containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw
"""
IN_CONTAINERD = f"""\
900 800 0:70 / / rw - overlay overlay rw,lowerdir=/var/lib/containerd/io.containerd.snapshotter.v1/snapshots/1/fs
901 900 254:0 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw
902 900 254:0 /var/lib/kubelet/pods/abc/etc-hosts /etc/hosts rw - ext4 /dev/vda rw
"""


def root(folder: Path, *, cgroup: str = "", mountinfo: str = "", files: tuple[str, ...] = ()) -> Path:
    """Return *folder* made to look like a root; a final slash makes a directory."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(cgroup)
    (folder / "proc/self/mountinfo").write_text(mountinfo)
    for name in files:
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()
    return folder


POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("files", "environ", "name"),
    [
        ((), {}, None),
        (("/.dockerenv",), {}, "docker"),
        (("/run/.containerenv",), {}, "podman"),
        (("/run/.containerenv",), POD, "cri-o"),
        (("/.dockerenv",), {"APPTAINER_CONTAINER": "/a.sif", "SINGULARITY_CONTAINER": "/a.sif"}, "apptainer"),
        (("/.singularity.d/",), {"SINGULARITY_CONTAINER": "/a.sif"}, "singularity"),
        (("/.singularity.d/",), {}, "singularity"),
        (("/.singularity.d",), {}, None),  # a file of that name is no mark
        ((), {"container": "systemd-nspawn"}, "systemd-nspawn"),
        ((), {"container": "LXC"}, "lxc"),
        ((), {"container": ""}, None),
        ((), {"container": "1"}, None),
        ((), {"container": "my secret place"}, None),
        ((), {"container": "alice"}, None),
        ((), POD, "unknown"),
        ((f"/{container.SERVICE_ACCOUNT}/",), {}, "unknown"),
        ((), {"KUBERNETES_SERVICE_HOST": ""}, None),
        ((), {"APPTAINER_CONTAINER": ""}, None),
    ],
)
def test_marks(tmp_path: Path, files: tuple[str, ...], environ: dict[str, str], name: str | None) -> None:
    """Each runtime is known by the mark it leaves; nothing of a variable's text but the runtime's word is reported."""
    pod = bool(environ.get("KUBERNETES_SERVICE_HOST")) or any("kubernetes" in file for file in files)
    assert container.detect(root(tmp_path, files=files), environ) == {
        **({} if name is None else {NAME: name}),
        **({"footfall.kubernetes": True} if pod else {}),
    }


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "found"),
    [
        ("0::/\n", "", {}),
        ("1:name=systemd:/user.slice/user-1000.slice/session-5.scope\n", "", {}),
        ("1:name=systemd:/user.slice/session-c2.scope\n0::/user.slice/session-c2.scope\n", "", {}),
        ("0::/system.slice/docker.service\n", HOST_OF_MANY, {}),
        (f"5:cpu:/{ID}0\n", "", {}),  # 65 digits
        (f"5:cpu:/docker/{ID}\n1:x:/\n", "", {NAME: "docker", "container.id": ID}),
        (f"0::/system.slice/docker-{ID}.scope\n", "", {NAME: "docker", "container.id": ID}),
        (f"0::/docker/{OTHER}/docker/{ID}\n", "", {NAME: "docker", "container.id": ID}),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", "", {NAME: "podman", "container.id": ID}),
        (f"0::/kubepods/pod1/crio-{ID}.scope\n", "", {NAME: "cri-o", "container.id": ID}),
        (f"0::/kubepods/pod1/cri-containerd-{ID}.scope\n", "", {NAME: "containerd", "container.id": ID}),
        (f"0::/kubepods/burstable/pod1/{ID}\n", "", {NAME: "unknown", "container.id": ID}),
        ("0::/\n", IN_DOCKER, {NAME: "docker", "container.id": ID}),
        ("0::/\n", IN_PODMAN, {NAME: "unknown", "container.id": ID}),
        ("0::/\n", IN_CONTAINERD, {NAME: "containerd"}),  # the sandbox's id is not the container's
    ],
)
def test_ids(tmp_path: Path, cgroup: str, mountinfo: str, found: dict[str, str]) -> None:
    """64 digits where a runtime writes them; no session scope, no layer, no sandbox, no other container of a host."""
    assert container.detect(root(tmp_path, cgroup=cgroup, mountinfo=mountinfo), {}) == found


def test_nothing_to_read_is_no_container(tmp_path: Path) -> None:
    """Other platforms have no such files."""
    assert container.detect(tmp_path, {}) == {}
