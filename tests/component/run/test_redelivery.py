"""A rotator that dies half-way through an order, and the same order again: nothing is done twice, and all is told."""

import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from keyrotation.memory import KeyMemory, OffReason, What, Why

from tests.component.account import NOW, TODAY, Account
from tests.component.calls import Call, Calls
from tests.component.deployment import Deployment

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


def announced(key: KeyMemory) -> What:
    assert key.notice is not None
    return key.notice.what


def people(account: Account) -> dict[str, str]:
    """Users who are due, and users whose elder goes off today; the id of each one's old key."""
    old: dict[str, str] = {}
    for name in DUE:
        account.add_user(name)
        old[name] = account.add_key(name, age=80, used=1)
    for name in QUIET:
        account.add_user(name)
        old[name] = account.add_key(name, age=92, used=20)
        account.store(name, account.add_key(name, age=16, used=1))
        account.notice(name, old[name], Why.OVERLAP, days=0)
    return old


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
@pytest.mark.parametrize(
    ("operation", "times"),
    [
        ("UpdateAccessKey", 5),
        ("CreateAccessKey", 4),
        ("UpdateSecretVersionStage", 3),
        ("UpdateItem", 7),
        ("UpdateItem", 19),
        ("UpdateItem", 31),
    ],
)
def test_a_redelivered_order_does_no_work_twice_and_its_mail_tells_what_was_done_before_the_crash(
    account: Account, calls: Calls, deployment: Deployment, operation: str, times: int
) -> None:
    old = people(account)
    order = deployment.order(*DUE, *QUIET)

    first = die_after(calls, operation, times=times)
    with pytest.raises(Died):
        deployment.rotate(order)
    assert deployment.mails() == []
    known = {name: account.memory(name) for name in old}
    off = {name for name in QUIET if account.keys(name)[old[name]] == "Inactive"}
    # Known as off, and the process died before it was: it looks as if a person had switched it back on.
    cut_short = {name for name in QUIET if known[name].key(old[name]).off_since} - off
    interrupted = {name for name in DUE if known[name].pending}
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
    # Who was done is not touched again: only the notice that no mail gave is given now. Who was not is done, once.
    written = {str(call.params.get("UserName")) for call in calls.made if call.operation in calls.writes}
    assert written.isdisjoint(replaced | off)
    for name in replaced | off:
        after = account.memory(name)
        assert announced(after.key(old[name])) is (What.DELETE if name in off else What.SWITCH_OFF)
        assert after.with_key(old[name], notice=None).keys == known[name].keys
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
        assert account.memory(name).pending is None
        assert account.memory(name).key(account.new_key(name, old[name])).issued_on == TODAY
    for name in cut_short:
        assert account.keys(name)[old[name]] == "Active"
        assert account.memory(name).key(old[name]) == KeyMemory(back_on=TODAY)
    for name in off | rest:
        assert account.keys(name)[old[name]] == "Inactive"
        off_key = account.memory(name).key(old[name])
        assert (off_key.off_since, off_key.off_because) == (TODAY, OffReason.QUIET)

    (mail,) = deployment.mails()
    report = json.loads(mail.data)
    assert set(old) - {each["user"] for entries in report["sections"].values() for each in entries} == set()
    told_before = report["sections"]["done-before"]
    named_before = {each["user"] for each in told_before}
    # An interrupted replacement whose key was in the secret already is told there too, beside what it still needs.
    assert replaced | off <= named_before <= replaced | off | interrupted
    assert [name for name in replaced if new[name] not in json.dumps(told_before)] == []
    assert (": RESUMED: " in mail.subject) is bool(named_before)
