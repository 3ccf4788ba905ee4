"""Where a guest's consoles are, from its live XML with secrets. What this reads must never be kept, logged or shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from hosts.xml_reading import attribute, parse_xml

ANY_ADDRESS = ("", "0.0.0.0", "::", "::0")  # noqa: S104 - only compared with
"""Addresses on which a display listens everywhere: then the host's own loopback leads to it."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A VNC display of a running guest: at a port of `address` on its host, or at a UNIX socket there."""

    address: str = ""
    port: int = 0
    socket: str = ""
    password: str = field(default="", repr=False)


def read_screen(xml: str) -> Screen | None:
    """The first VNC display; None where the guest has none."""
    for element in parse_xml(xml).xpath("devices/graphics[@type='vnc']"):
        listen = element.get("listen") or attribute(element, "listen", "address")
        port = int(element.get("port") or 0)
        return Screen(
            address="127.0.0.1" if listen in ANY_ADDRESS else listen,
            port=max(port, 0),
            socket=element.get("socket") or attribute(element, "listen", "socket"),
            password=element.get("passwd") or "",
        )
    return None


def other_screens(xml: str) -> tuple[str, ...]:
    """The kinds of its displays, such as spice, for the words of a refusal."""
    return tuple(element.get("type", "") for element in parse_xml(xml).xpath("devices/graphics"))


def has_serial(xml: str) -> bool:
    """Whether it has a serial port or a console that libvirt can hand out: both are ptys."""
    return bool(parse_xml(xml).xpath("devices/*[self::serial or self::console][@type='pty']"))
