"""What AWS's Step Functions answered, recorded, against what a live server answers.

``recorded_step_functions.txt`` lists the cases that pass: such a case must keep passing. With
``WAYPOST_RECORDED_UPDATE=1`` the list is written anew.
"""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from . import recorded

BASELINE = Path(__file__).with_name("recorded_step_functions.txt")
UPDATE = "WAYPOST_RECORDED_UPDATE"
SHOW = "WAYPOST_RECORDED_SHOW"
"""Print what differs in the cases whose name contains this."""


def test_recorded_cases(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded.folder()
    if folder is None:
        pytest.skip(f"no recordings: neither {recorded.VARIABLE} nor {recorded.BESIDE} leads to {recorded.FILE}")
    cases = recorded.cases(folder)
    lock = threading.Lock()

    def client(service: str, account: str) -> Any:
        with lock:  # boto3 makes clients for one thread at a time
            return server.client(service, account=account, read_timeout=70, parameter_validation=True)

    outcomes = recorded.replay(cases, client)
    passed = sorted(name for name, difference in outcomes.items() if difference is None)
    with capsys.disabled():
        print(f"\nrecorded cases: {len(passed)} of {len(cases)}")
        wanted = os.environ.get(SHOW)
        for name, difference in outcomes.items():
            if wanted is not None and wanted in name and difference is not None:
                print(f"{name}\n    {difference}")
    if os.environ.get(UPDATE):
        BASELINE.write_text("".join(f"{name}\n" for name in passed))
    known = BASELINE.read_text().splitlines() if BASELINE.exists() else []
    lost = {name: outcomes[name] for name in known if name in outcomes and outcomes[name] is not None}
    assert not lost
