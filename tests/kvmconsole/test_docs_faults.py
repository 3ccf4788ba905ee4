"""docs/faults.md has a row for each fault that is tested, and none that is not."""

import re
from pathlib import Path

from django.conf import settings

from tests.real.faults import FAULTS
from tests.real.faults_uml import FAULTS_UML

PAGE = (Path(settings.BASE_DIR) / "docs" / "faults.md").read_text()


def test_each_fault_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    tested = [fault.name for fault in (*FAULTS, *FAULTS_UML)]
    assert sorted(described) == sorted(tested)
    assert len(set(tested)) == len(tested)
