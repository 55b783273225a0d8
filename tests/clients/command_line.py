"""The AWS CLI, whole, inside this process: its parser, its own botocore, its output; a process each would take long."""

import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

from awscli.clidriver import create_clidriver

_DATA = {"AWS_DATA_PATH": os.environ.pop("AWS_DATA_PATH")}
"""Where the CLI finds its own models: importing it says so in the environment, where nobody else should see it."""


class CommandLine:
    """One service's commands: ``aws("create-queue", "--queue-name", "q")`` answers what the command printed."""

    def __init__(self, service: str, url: str, environment: Mapping[str, str]) -> None:
        self.service = service
        self.run: set[str] = set()
        """The commands that worked."""
        self._url = url
        self._environment = {
            "PATH": os.environ["PATH"], **environment, **_DATA,
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }  # fmt: skip
        with self._alone():
            self._driver = create_clidriver()

    @contextlib.contextmanager
    def _alone(self) -> Any:
        """With no more of an environment than it is given."""
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self._environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def commands(self) -> set[str]:
        """All that the CLI knows of the service."""
        table = self._driver.create_help_command().command_table[self.service].create_help_command().command_table
        return set(table) - {"help"}

    def text(self, command: str, *arguments: str) -> str:
        """What a command prints; fails where it fails."""
        code, said, complaint = self._main(command, *arguments)
        assert code == 0, f"aws {self.service} {command}: {complaint}"
        self.run.add(command)
        return said

    def __call__(self, command: str, *arguments: str) -> Any:
        """The JSON that a command prints; None of one that prints nothing."""
        said = self.text(command, *arguments)
        return json.loads(said) if said.strip() else None

    def refused(self, command: str, *arguments: str) -> str:
        """What a command complains of on stderr; fails where it does not."""
        code, said, complaint = self._main(command, *arguments)
        assert code != 0, said
        return complaint

    def _main(self, *arguments: str) -> tuple[int, str, str]:
        said, complaint = io.StringIO(), io.StringIO()
        with self._alone(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
            code = self._driver.main(["--endpoint-url", self._url, self.service, *arguments])
        return code, said.getvalue(), complaint.getvalue()
