"""What a guest is found by, as one line of text: a search then looks at one narrow column, not into each definition."""

from collections.abc import Iterable

from hosts.models import Placement, VirtualMachine


def search_text(vm: VirtualMachine, placements: Iterable[Placement]) -> str:
    """Name, UUID, host, MACs, tags and note of `vm`, case folded, a line break between them so that no search spans two.

    Of the hosts only the one where the guest is: who may see the guest may see that one. Its address is no part of it,
    since that is written elsewhere too; searches look at both.
    """
    rows = [row for row in placements if row.present]
    host = next((row.host.name for row in rows if row.host_id == vm.host_id), "")
    macs = {nic.get("mac") or "" for row in rows for nic in row.facts.get("interfaces", [])}
    return "\n".join([vm.name, str(vm.uuid), host, *sorted(macs - {""}), vm.tags.strip(), vm.note]).casefold()
