"""Terraform against a running server."""

from concurrent.futures import Future


def test_terraform_makes_keeps_changes_and_destroys(terraform_story: "Future[None]") -> None:
    """Every resource of SQS and SNS: apply, no drift, change in place and import, no drift, destroy."""
    terraform_story.result(timeout=1200)
