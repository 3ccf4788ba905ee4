"""The root file system of all lab hosts: built once with mmdebstrap, kept in the user's cache folder, never changed."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .process import LabError, lock, run

SUITE = "bookworm"  # libvirt 9.0 and QEMU 7.2; QEMU 10 of the next release is unusably slow in User Mode Linux 6.12
PACKAGES = (
    "libvirt-daemon-system",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "openssh-server",
    "iproute2",
    "nfs-common",
    "nfs-kernel-server",
    "rpcbind",
    "kmod",
    "iputils-ping",
    "procps",
    "user-mode-linux",
    "busybox-static",
    "linux-image-cloud-amd64",
    "e2fsprogs",
    "netcat-openbsd",
    "mount",
    "nftables",
    "gnutls-bin",
)
RECIPE = 1  # raise it when _finish changes
BUILD_TIMEOUT_S = 1200
NEEDED_MIB = 2500  # a build needs 730 MiB for the result and about as much for what it downloads and unpacks


def cache_folder() -> Path:
    """Where the lab keeps what outlives `lab down`: the root file system, and the hosts' ssh keys."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kvmconsole-lab"


def location() -> Path:
    """The folder of the root file system that belongs to this list of packages, built or not."""
    key = hashlib.sha256(" ".join([SUITE, str(RECIPE), *sorted(PACKAGES)]).encode()).hexdigest()[:16]
    return cache_folder() / f"root-{key}"


def ensure(*, say: Callable[[str], None]) -> Path:
    """Return the root file system's folder; build it first where it is missing, once, whoever asks at the same time."""
    root = location()
    if root.exists():
        return root
    with lock(cache_folder() / "rootfs.lock", timeout_s=BUILD_TIMEOUT_S, what="building the root file system"):
        if not root.exists():
            _build(root, say=say)
    return root


def _build(root: Path, *, say: Callable[[str], None]) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError("`mmdebstrap` is missing. Install it: apt-get install mmdebstrap")
    free_mib = shutil.disk_usage(cache_folder()).free // 2**20
    if free_mib < NEEDED_MIB:
        raise LabError(
            f"{cache_folder()} has {free_mib} MiB free; building the root file system takes {NEEDED_MIB} MiB."
        )
    say(f"building the root file system in {root} (once, about a minute)")
    temporary = root.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    argv = ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(PACKAGES)}"]
    argv += [f"--aptopt={option}" for option in apt_options()]
    argv += [SUITE, str(temporary), *apt_sources()]
    run(argv, timeout_s=BUILD_TIMEOUT_S, env={"LC_ALL": "C.UTF-8"})
    _finish(temporary)
    temporary.rename(root)


def _finish(root: Path) -> None:
    """What makes the plain Debian a good lab host."""
    (root / "etc/resolv.conf").write_text("")  # or every ssh login waits 5 s for a name server
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # each host gets its own
    for network in (root / "etc/libvirt/qemu/networks").glob("**/*.xml"):
        network.unlink()  # guests hang on br0; libvirt's own NAT network would only cost time at each start
    uml = next((root / "usr/lib/uml/modules").iterdir())
    (root / "usr/lib/modules" / uml.name).symlink_to(f"/usr/lib/uml/modules/{uml.name}")
    run(["chroot", str(root), "depmod", uml.name], timeout_s=120)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)


def apt_options() -> list[str]:
    """The machine's own settings for reaching its mirror (proxy, clock checks), in apt.conf's syntax."""
    dump = run(["apt-config", "dump"], timeout_s=20).stdout.splitlines()
    wanted = re.compile(r"Acquire::((https?|ftp)::|Check-Valid-Until|Check-Date|Retries)", re.IGNORECASE)
    return [line for line in dump if wanted.match(line)]


def apt_sources(folder: Path = Path("/etc/apt")) -> list[str]:
    """The machine's own sources for SUITE as `deb …` lines; none if it runs another release (mmdebstrap knows one)."""
    lines: list[str] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            lines += [line.strip() for line in path.read_text().splitlines() if line.startswith("deb ")]
        elif path.suffix == ".sources":
            lines += _from_deb822(path.read_text())
    suites = {SUITE, f"{SUITE}-updates", f"{SUITE}-security"}
    return [line for line in lines if suites & set(line.split()) and "main" in line.split()]


def _from_deb822(text: str) -> Iterator[str]:
    """Turn the stanzas of a `.sources` file into one-line entries (sources.list(5))."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", bare):
        fields = {key.lower(): value.split() for key, value in re.findall(r"(?m)^([\w-]+):(.*)$", stanza)}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        signed_by = fields.get("signed-by", [])
        option = f"[signed-by={signed_by[0]}] " if signed_by else ""
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield f"deb {option}{uri} {suite} {' '.join(fields.get('components', []))}"
