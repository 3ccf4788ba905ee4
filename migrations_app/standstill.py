"""How long a guest stands still at the switch-over, and what QEMU may be told so that it never stands still longer. Pure.

QEMU switches over when what remains, divided by the rate that it saw last, fits into its downtime limit. The guest then
stands still for that memory and for what stopping and going on costs besides.
"""

QEMU_DOWNTIME_MS = 300
"""QEMU's downtime-limit where nobody sets one (qapi/migration.json)."""
COST_MS = 150
"""What the switch-over costs besides the memory, where no migration between the hosts said better: 50 to 215 ms on the
quiet lab, up to 500 ms on a machine with six times the work that it has processors for."""
SHARE = 0.6
"""The share of a pause that QEMU may plan with. The rate that it sees in a tenth of a second was 1.1, once 1.7 times the mean
right after it had counted the dirty pages; with 0.85 a ceiling of 2000 ms was once missed by 15 ms."""
QEMU_MOST_MS = 2_000_000
"""QEMU's highest downtime-limit (MAX_MIGRATE_DOWNTIME in migration/options.c)."""


def downtime_for(max_pause_ms: int, cost_ms: int = COST_MS) -> int:
    """The downtime limit for QEMU with which the guest stands still for at most `max_pause_ms`, at least 1 ms."""
    return min(QEMU_MOST_MS, max(1, int((max_pause_ms - cost_ms) * SHARE)))


def pause_for(downtime_ms: float, cost_ms: int = COST_MS) -> int:
    """The ceiling on a pause that lets QEMU plan with `downtime_ms`: the reverse of `downtime_for`, in tenths of a second."""
    exact = downtime_ms / SHARE + cost_ms
    return -int(-exact // 100) * 100
