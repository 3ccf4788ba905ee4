"""Options of NFS mounts as they matter to guests' disks: what each means, and where two mounts differ. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hosts.nfs import nfs_version, parse_options

ACCESS, FAILURE, LOCKING, CACHING = "access", "failure", "locking", "attributes"
TITLES = {
    "vers": "NFS version",
    ACCESS: "Access",
    FAILURE: "On failure",
    "proto": "Transport",
    "timeo": "timeo",
    "retrans": "retrans",
    "rsize": "rsize",
    "wsize": "wsize",
    "nconnect": "nconnect",
    "sec": "sec",
    LOCKING: "Locks",
    CACHING: "Attributes cached",
}
"""What is compared, in the order in which it matters. An address, a port or an atime rule differs by nature, and is left out."""
WHY = {
    "vers": "Locks of one version are not seen by the other: two hosts could open one image.",
    ACCESS: "Where it is read-only, guests can't write.",
    FAILURE: "soft hands the guest an I/O error where hard lets it wait.",
    "proto": "They fail and recover in different ways.",
    "timeo": "They wait differently long for a server that is slow.",
    "retrans": "They ask a server that is slow differently often.",
    "rsize": "Disks are read at another speed.",
    "wsize": "Disks are written at another speed.",
    "nconnect": "Disks are as fast as the connections allow.",
    "sec": "The server may know them as different users.",
    LOCKING: "Local locks don't keep another host from opening an image.",
    CACHING: "They see a change of the other host differently late.",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One option that two mounts have otherwise, and what comes of it."""

    name: str
    mine: str
    theirs: str

    @property
    def title(self) -> str:
        return TITLES[self.name]

    @property
    def why(self) -> str:
        return WHY[self.name]


def effective(options: str, *, fstype: str = "nfs") -> dict[str, str]:
    """What the kernel's options of a mount come to, by the names of TITLES; "" for what it does not say."""
    found = parse_options(options)
    values = {name: found.get(name) or "" for name in TITLES}
    values["vers"] = nfs_version(fstype=fstype, options=options)
    values[ACCESS] = "read-only" if "ro" in found else "read and write"
    values[FAILURE] = next((name for name in ("softerr", "soft") if name in found), "hard")
    local = found.get("local_lock") or "none"
    values[LOCKING] = "on this host only" if "nolock" in found or local != "none" else "at the server"
    off = "noac" in found or found.get("actimeo") == "0"
    spans = [f"{name} {found[name]}" for name in ("acregmin", "acregmax", "acdirmin", "acdirmax") if found.get(name)]
    values[CACHING] = "no" if off else ", ".join(spans) or "yes"
    values["nconnect"] = values["nconnect"] or "1"
    return values


def asked(values: Mapping[str, str]) -> str:
    """Options for mount(8) that lead to `values` again, as far as an admin would write them."""
    options = [f"vers={values['vers']}"] if values.get("vers") else []
    options.append(values.get(FAILURE) or "hard")
    if values.get("nconnect", "1") not in ("", "1"):
        options.append(f"nconnect={values['nconnect']}")
    if values.get("sec", "sys") not in ("", "sys"):
        options.append(f"sec={values['sec']}")
    if values.get(ACCESS) == "read-only":
        options.append("ro")
    return ",".join([*options, "_netdev", "nofail"])


def differences(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[Difference]:
    """Where two mounts (as `effective` gives them) differ; what only one of them says is no difference."""
    return [
        Difference(name, mine[name], theirs[name])
        for name in TITLES
        if mine[name] and theirs[name] and mine[name] != theirs[name]
    ]


def usual(mounts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Of each option the value that most mounts have; between equally many, the first."""
    found = list(mounts)
    counts = {name: Counter(values[name] for values in found if values[name]) for name in TITLES}
    return {name: counted.most_common(1)[0][0] if counted else "" for name, counted in counts.items()}
