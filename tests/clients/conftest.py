"""Terraform's story is told while the other tests run."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.conftest import LiveServer, start_server

pytest.register_assert_rewrite("tests.clients.command_line", "tests.clients.terraform.story")

from tests.clients.terraform.story import Story  # noqa: E402 (its assertions are to say what they saw)

TERRAFORM = "test_terraform_makes_keeps_changes_and_destroys"
_TOLD = pytest.StashKey[tuple[Story, "Future[None]", ThreadPoolExecutor]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask for the story's end when all other tests are done."""
    items.sort(key=lambda item: item.name == TERRAFORM)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin the story before the first test."""
    if session.config.option.collectonly or not any(item.name == TERRAFORM for item in session.items):
        return
    story = Story(session.config._tmp_path_factory.mktemp("terraform") / "project")  # type: ignore[attr-defined]
    teller = ThreadPoolExecutor(1, thread_name_prefix="terraform")
    session.config.stash[_TOLD] = story, teller.submit(story.tell), teller


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no process behind where nobody asked for the end."""
    told = session.config.stash.get(_TOLD, None)
    if told is not None:
        story, _, teller = told
        story.stop()
        teller.shutdown()


@pytest.fixture
def terraform_story(pytestconfig: pytest.Config) -> "Future[None]":
    """The story's end."""
    return pytestconfig.stash[_TOLD][1]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with everything on. On the embedded store: what clients speak does not depend on it."""
    channels = ("--sms-gateway", "inbox", "--push-gateway", "inbox", "--smtp", "inbox", "--sms-sandbox", "1")
    running = start_server(tmp_path_factory.mktemp("clients") / "data", *channels)
    yield running
    code = running.stop()
    log = running.log.read_text()
    assert code == 0, log
    assert "Traceback" not in log, log
