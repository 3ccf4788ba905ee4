"""Single words that are stored, or said by modules which know no Django: in English there, translated where a page shows them.

makemessages reads this file, nothing calls it; sentences it finds by itself (sentences.py). test_languages.py says what
belongs here.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

PHRASES = (
    # States of a migration, and what each means (migrations_app/states.py).
    _("queued"),
    _("checking"),
    _("copying"),
    _("verifying"),
    _("defining"),
    _("completed"),
    _("cancelled"),
    _("failed"),
    # Steps of a migration (states.py), and of what was compared afterwards (conformance.py).
    _("Check"),
    _("Copy"),
    _("Verify"),
    _("Define"),
    _("CPU"),
    _("Disks"),
    _("Firmware"),
    _("TPM"),
    _("Definition"),
    _("Autostart"),
    _("Snapshots"),
    # Titles of the checks of a preflight, and what the buttons beside them say (fixes.py).
    _("AppArmor"),
    _("CPU pinning"),
    _("Clocks"),
    _("Devices"),
    _("Folders"),
    _("Maintenance"),
    _("Memory"),
    _("NUMA nodes"),
    _("Network"),
    _("No checkpoints"),
    _("No snapshots"),
    _("SELinux"),
    _("TLS certificates"),
    _("VM running"),
    _("Versions"),
    # Choices of the models.
    _("online"),
    _("unreachable"),
    _("running"),
    _("idle"),
    _("paused"),
    _("crashed"),
    _("suspended"),
    _("unknown"),
    _("succeeded"),
    _("refused"),
    _("waiting"),
    _("mounting"),
    _("mounted"),
    _("planned"),
    _("moving"),
    _("stopped"),
    _("undone"),
    _("discarded"),
    _("file"),
    _("folder"),
    _("clone"),
    _("new VM"),
    _("done"),
    _("pending"),
    _("warning"),
    _("skipped"),
    _("event"),
    _("migrate a VM"),
    _("started"),
    _("missed"),
    # Acts of the audit list.
    _("change password"),
    _("export"),
    _("migrate"),
    _("mount"),
    _("remount"),
    _("unexport"),
    _("unmount"),
    _("create VM"),
    _("describe VM"),
    _("describe host"),
    # Titles and hints of errors (hosts/errors.py and those of migrations_app).
    _("Refused"),
    # Operating systems of a new VM that libosinfo is not asked about (hosts/making/systems.py).
    _("Linux"),
    _("Windows"),
    _("Another"),
    # What goes over the wire, and of which host a line of a log is.
    _("memory"),
    _("disks"),
    _("source"),
    _("destination"),
    # Lists that views are kept of (SavedView).
    _("VMs"),
    _("hosts"),
    # Days of the week, from one to another.
    _("{word} to {word2}"),
    # When a schedule is due, with its time zone.
    _("at {times} every day, {zone}"),
    _("at {times} every {weekdays}, {zone}"),
    # What is not done, as in “it is not started on h2”: `act` in a sentence.
    pgettext_lazy("act", "attached"),
    pgettext_lazy("act", "changed"),
    pgettext_lazy("act", "cloned"),
    pgettext_lazy("act", "deleted"),
    pgettext_lazy("act", "resized"),
    pgettext_lazy("act", "resumed"),
    pgettext_lazy("act", "snapshotted"),
    pgettext_lazy("act", "started"),
    pgettext_lazy("act", "defined"),
)
