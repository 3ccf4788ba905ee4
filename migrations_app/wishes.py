"""Carries out, on libvirt, what a row asks for while its guest is copied: wishes of people and of the autopilot alike."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hosts.errors import DomainNotFound, HostError
from hosts.libvirt_client.domain import Guest
from migrations_app import record
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options

log = logging.getLogger(__name__)
ACT_S = 40.0
"""How long an act may take. It can hang with QEMU's monitor, so there is a limit (KubeVirt's is 30 s); ours lies above the
30 s for which libvirt waits for the job lock before it says that the guest is busy."""
CANCEL_AGAIN_S = 5.0
"""A cancel that was refused is tried again after so long: nothing else may end the migration."""
REFUSALS = {
    "bandwidth_mib": "the bandwidth",
    "max_downtime_ms": "the maximum downtime",
    "postcopy": "to switch to post-copy",
    "paused": "to pause the guest",
}
"""What libvirt refused, in words, by the wish."""
ONCE = ("postcopy", "paused")
"""Wishes that are taken back where libvirt refuses them."""


@dataclass
class Wishes:
    """What is still to be carried out for one migration."""

    migration: Migration
    guest: Guest
    applied: dict[str, int] = field(default_factory=dict)
    cancel_after: float = 0.0
    cancel_requested: bool = False

    @property
    def cancelling(self) -> bool:
        """A person cancelled it, or the policy or the time limit gave it up."""
        return self.cancel_requested or bool(self.migration.tuning.get("gave_up"))

    def read(self) -> None:
        """What is asked for by now."""
        row = Migration.objects.values("cancel_requested", "tuning").get(pk=self.migration.pk)
        self.migration.tuning = row["tuning"]
        self.cancel_requested = row["cancel_requested"] is not None

    def keep_time(self, options: Options, *, at_ms: int) -> None:
        """What was chosen for the case that the copy takes longer than the time limit."""
        if not options.timeout_s or at_ms <= options.timeout_s * 1000 or self.migration.tuning.get("timed_out"):
            return
        acts: dict[str, dict[str, object]] = {"postcopy": {"postcopy": 1}, "pause": {"paused": 1}}
        reached = f"The time limit of {options.timeout_s} s was reached."
        record.steer(self.migration, timed_out=1, **acts.get(options.on_timeout, {"gave_up": reached}))
        words = {"postcopy": "switching to post-copy", "pause": "pausing the guest"}
        record.tell(self.migration, f"Time limit: {words.get(options.on_timeout, 'cancelling')}", reason=reached)

    def carry_out(self, *, begun: bool, reason: str) -> None:
        """Do what is new. `begun`: memory is being copied. `reason`: libvirt's, why the guest is in its state."""
        if self.cancelling:
            if time.monotonic() >= self.cancel_after:
                self.cancel_after = float("inf") if self.abort() else time.monotonic() + CANCEL_AGAIN_S
            return
        if reason == "post-copy":
            self.applied["postcopy"] = 1  # also by another worker
        acts: dict[str, Callable[[int], None]] = {
            "bandwidth_mib": lambda value: self.guest.set_max_speed(value, timeout_s=ACT_S),
            "max_downtime_ms": lambda value: self.guest.set_max_downtime(value, timeout_s=ACT_S),
            "postcopy": lambda _: self.guest.start_postcopy(timeout_s=ACT_S),
            "paused": lambda _: self.guest.suspend(timeout_s=ACT_S),
        }
        for name, act in acts.items():
            value = self.migration.tuning.get(name)
            if value and self.applied.get(name) != value and (begun or name == "bandwidth_mib"):
                self.applied[name] = value
                if not self._try(REFUSALS[name], lambda act=act, value=value: act(value)):  # type: ignore[misc]
                    self._take_back(name)

    def abort(self) -> bool:
        """End libvirt's job; False where that was refused."""
        return self._try("to cancel", lambda: self.guest.abort(timeout_s=ACT_S))

    def _take_back(self, name: str) -> None:
        """The policy goes on without what libvirt refused; a person may ask for it again."""
        refused = sorted({*(self.migration.tuning.get("refused") or ()), name})
        gone: dict[str, object] = {name: 0} if name in ONCE else {}
        if name == "paused":
            gone["paused_at_ms"] = None
        record.steer(self.migration, refused=refused, **gone)
        if name in ONCE:
            del self.applied[name]

    def _try(self, what: str, act: Callable[[], None]) -> bool:
        """A wish that libvirt refuses does not end the migration; the timeline says what came of it."""
        try:
            act()
        except DomainNotFound:
            raise
        except HostError as error:
            log.warning("migration %s: libvirt refused %s: %s", self.migration.pk, what, error)
            warning = TimelineEntry.Kind.WARNING
            record.tell(self.migration, f"libvirt refused {what}", kind=warning, reason=f"{error} {error.hint}".strip())
            return False
        return True
