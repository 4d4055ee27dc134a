"""A rotator that dies half-way through an order, and the same order again: nothing is done twice, and all is told."""

import threading
from collections import Counter
from datetime import timedelta

import pytest

from tests.component.account import NOW, PREFIX, Account
from tests.component.calls import Call, Calls
from tests.component.deployment import Deployment

PENDING = f"{PREFIX}pending"
DUE = tuple(f"due-{number}" for number in range(12))
QUIET = tuple(f"quiet-{number}" for number in range(12))
# What changes a key or its status; of these each user needs one.
CHANGES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey")
VISIBILITY_TIMEOUT = timedelta(minutes=90)


class Died(BaseException):
    """The function is no more: its time-out, its memory, a host of AWS."""


def die_after(calls: Calls, operation: str, *, times: int) -> Counter[str]:
    """The process is gone once AWS has done this so many times: no thread of it calls anything any more.

    How often AWS has changed each user's keys until then: a call that a thread was about to make never got there.
    """
    lock, done, changed = threading.Lock(), 0, Counter[str]()

    def before(_call: Call) -> None:
        if done >= times:
            raise Died

    def after(call: Call) -> None:
        nonlocal done
        with lock:
            done += call.operation == operation
            if call.operation in CHANGES:
                changed[call.params["UserName"]] += 1
        before(call)

    calls.meet(before)
    calls.meet(after, lost=True)
    return changed


def changes(calls: Calls) -> Counter[str]:
    """How often each user's keys were changed."""
    return Counter(call.params["UserName"] for call in calls.made if call.operation in CHANGES)


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
@pytest.mark.parametrize(
    ("operation", "times"),
    [("UpdateAccessKey", 5), ("CreateAccessKey", 4), ("UntagUser", 3), ("UntagUser", 9)],
)
def test_a_redelivered_order_does_no_work_twice_and_its_mail_tells_what_was_done_before_the_crash(
    account: Account, calls: Calls, deployment: Deployment, operation: str, times: int
) -> None:
    old: dict[str, str] = {}
    for name in DUE:
        account.add_user(name)
        old[name] = account.add_key(name, age=80, used=1)
    for name in QUIET:
        account.add_user(name)
        old[name] = account.add_key(name, age=92, used=20)
        account.store(name, account.add_key(name, age=16, used=1))
    order = deployment.order(*DUE, *QUIET)

    first = die_after(calls, operation, times=times)
    with pytest.raises(Died):
        deployment.rotate(order)
    assert deployment.mails() == []
    off = {name for name in QUIET if account.keys(name)[old[name]] == "Inactive"}
    marked = {name for name in off if account.tags(name)}
    # Marked, and the process died before it was off: it looks as if a person had switched it back on.
    cut_short = {name for name in QUIET if account.tags(name)} - off
    interrupted = {name for name in DUE if PENDING in account.tags(name)}
    replaced = {name for name in DUE if len(account.keys(name)) == 2} - interrupted
    new = {name: account.new_key(name, old[name]) for name in replaced}
    # Half-way it is: somebody's work was done, and somebody's was not.
    assert off | replaced
    assert len(off | replaced) < len(old)
    calls.clear()

    deployment.now = NOW + VISIBILITY_TIMEOUT
    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    deployment.rotate(order)

    second = changes(calls)
    # Who was done is not touched again, not even by a tag; who was not is done now, once.
    written = {str(call.params.get("UserName")) for call in calls.made if call.operation in calls.writes}
    assert written.isdisjoint(replaced | marked)
    rest = set(QUIET) - off - cut_short
    assert {name: second[name] for name in rest} == dict.fromkeys(rest, 1)
    assert {name: second[name] for name in cut_short} == dict.fromkeys(cut_short, 0)
    assert {name: second[name] for name in off} == dict.fromkeys(off, 0)
    for name in DUE:
        orphans = sum(call.params.get("UserName") == name for call in calls.of("DeleteAccessKey"))
        assert first[name] + second[name] == 1 + 2 * orphans
        assert orphans <= (name in interrupted)
        assert account.keys(name) == {old[name]: "Active", account.new_key(name, old[name]): "Active"}
        assert account.current_works(name)
        assert account.current(name)["AccessKeyId"] != old[name]
        assert account.tags(name) == {}
    for name in cut_short:
        assert account.keys(name)[old[name]] == "Active"
        assert account.tags(name) == {f"{PREFIX}held-until:{old[name]}": "2026-12-06 reactivated"}
    for name in off | rest:
        assert account.keys(name)[old[name]] == "Inactive"
        assert account.tags(name) == {f"{PREFIX}inactive-since:{old[name]}": "2026-11-22"}

    (mail,) = deployment.mails()
    assert [name for name in (*DUE, *QUIET) if f"* {name}\n" not in mail.body] == []
    told_before = mail.body.partition("DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL\n")[2]
    told_before = told_before.partition("\n\n")[0]
    named_before = {name for name in old if f"* {name}\n" in told_before}
    # An interrupted replacement whose key was in the secret already is told there too, beside what it still needs.
    assert replaced | marked <= named_before <= replaced | marked | interrupted
    assert [name for name in replaced if new[name] not in told_before] == []
    assert mail.subject.startswith("RESUMED: ") is bool(named_before)
