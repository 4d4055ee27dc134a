"""A tag that asked for a replacement, and that IAM does not take away at once."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from keyrotation.act.replacement import UNTAG_DELAYS, Issuer
from keyrotation.model import User

ALICE = User(name="alice")


class Busy:
    """IAM that refuses so many times."""

    def __init__(self, times: int, code: str) -> None:
        self.left, self.code, self.asked = times, code, 0

    def untag_user(self, *, UserName: str, TagKeys: list[str]) -> None:  # noqa: N803  # as boto3 has them
        assert (UserName, TagKeys) == ("alice", ["access-key-rotation:replace"])
        self.asked += 1
        if self.left:
            self.left -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": "said no"}}, "UntagUser")


def clear(iam: Busy) -> list[float]:
    """How long was waited between the tries."""
    slept: list[float] = []
    nothing: Any = None
    any_iam: Any = iam
    Issuer(iam=any_iam, iam_once=nothing, secrets=nothing, sts_for=nothing, sleep=slept.append).clear_request(
        ALICE
    )
    return slept


@pytest.mark.parametrize("times", range(len(UNTAG_DELAYS) + 1))
def test_it_is_asked_again_while_something_else_changes_the_user(times: int) -> None:
    assert clear(iam := Busy(times, "ConcurrentModification")) == list(UNTAG_DELAYS[:times])
    assert iam.asked == times + 1


def test_not_for_ever() -> None:
    iam = Busy(99, "ConcurrentModification")
    with pytest.raises(ClientError, match="ConcurrentModification"):
        clear(iam)
    assert iam.asked == len(UNTAG_DELAYS) + 1


def test_what_is_denied_is_asked_once() -> None:
    iam = Busy(99, "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        clear(iam)
    assert iam.asked == 1
