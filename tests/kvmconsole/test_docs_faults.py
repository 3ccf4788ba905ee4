"""docs/faults.md and storage-faults.md have a row for each fault that is tested, and none that is not."""

import re
from pathlib import Path

from django.conf import settings

from tests.real.faults import FAULTS
from tests.real.faults_uml import FAULTS_UML
from tests.real.test_moving_images_netns import FAULTS as MOVING_FAULTS
from tests.real.test_nfs_faults_uml import FAULTS as NFS_FAULTS

DOCS = Path(settings.BASE_DIR) / "docs"
PAGE, STORAGE_PAGE = (DOCS / "faults.md").read_text(), (DOCS / "storage-faults.md").read_text()


def test_each_fault_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    tested = [fault.name for fault in (*FAULTS, *FAULTS_UML)]
    assert sorted(described) == sorted(tested)
    assert len(set(tested)) == len(tested)


def test_each_fault_of_storage_is_described_and_no_other() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", STORAGE_PAGE, re.MULTILINE)
    described = [name for name, *_ in rows if name not in ("fault", "---")]
    assert described == [*NFS_FAULTS, *(fault.name for fault in MOVING_FAULTS)]
    assert len(described) >= 20
