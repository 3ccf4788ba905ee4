"""A VM's definition changed by hand: shown as a difference first, then checked by libvirt's schema and stored."""

import hashlib

from lxml import etree

from hosts import actions, audit
from hosts.definition_diff import Line, diff
from hosts.editing.changing import changing
from hosts.errors import InvalidInput, Refused
from hosts.models import Host, VirtualMachine
from hosts.xml_reading import parse_xml, text

MOST_BYTES = 2**20


def digest_of(xml: str) -> str:
    """By which a definition that was changed meanwhile is known."""
    return hashlib.sha256(xml.encode()).hexdigest()


def read(*, vm: VirtualMachine, host: Host) -> str:
    """The persistent definition, without secrets. Raises Refused where there is none, and HostError."""
    found = actions.read_definitions(vm=vm, host=host).persistent
    if not found:
        message = f"{vm.name} on {host.name} is transient: it has no definition that could be changed."
        raise Refused(message, host=host.name, vm=vm.name, hint="Define it first.")
    return found


def changes(*, vm: VirtualMachine, current: str, xml: str) -> list[Line]:
    """What `xml` changes of the definition `current`; empty where nothing. Raises InvalidInput(field="xml")."""
    return diff(current, checked(xml, vm=vm, current=current))


def checked(xml: str, *, vm: VirtualMachine, current: str) -> str:
    """`xml`, where it is a definition of the same VM: neither its UUID nor its name may change here."""
    xml = xml.replace("\r\n", "\n").strip()
    if len(xml.encode()) > MOST_BYTES:
        raise InvalidInput("A definition of more than 1 MiB is not taken.", field="xml")
    root, was = parse_xml(xml), parse_xml(current)
    if root.tag != "domain":
        raise InvalidInput(f"This is <{root.tag!s}>, not a <domain>.", field="xml")
    if text(root, "uuid") != text(was, "uuid"):
        raise InvalidInput(f"The UUID must stay {text(was, 'uuid')}: another one is another VM.", field="xml")
    if text(root, "name") != text(was, "name"):
        raise InvalidInput(f"The name must stay {vm.name}; it is changed on the page Hardware.", field="xml")
    return xml


def edit(*, vm: VirtualMachine, host: Host, xml: str, digest: str, actor: audit.Actor, reason: str = "") -> str:
    """Make `xml` the definition, where the one that it was made from (`digest`) still is; what waits for the next start.

    Passwords of displays, which are never shown, stay as they are. Raises InvalidInput, Refused.
    """
    checked(xml, vm=vm, current=read(vm=vm, host=host))
    with changing("edit definition", vm, host, actor, reason) as change:
        shown = change.guest.xml(inactive=True)
        if digest_of(shown) != digest:
            raise Refused(
                f"The definition of {vm.name} on {host.name} was changed by somebody else meanwhile; yours was not stored.",
                host=host.name,
                vm=vm.name,
                hint="Look at it as it is now, and make your change again.",
            )
        wanted = checked(xml, vm=vm, current=shown)
        change.define(lambda secure: with_passwords_of(secure, wanted))
        return "At next start." if change.is_active else ""


def with_passwords_of(secure: str, xml: str) -> str:
    """`xml` with the passwords of displays that `secure` has and it leaves out; each of a kind and place keeps its own."""
    root = parse_xml(xml)
    for kind in ("vnc", "spice"):
        path = f"devices/graphics[@type='{kind}']"
        for new, old in zip(root.findall(path), parse_xml(secure).findall(path), strict=False):
            if new.get("passwd") is None:
                for name in ("passwd", "passwdValidTo"):
                    if value := old.get(name):
                        new.set(name, value)
    return etree.tostring(root, encoding="unicode")
