"""A world lived through for a few days, by the real handlers, with what strikes on the way; and what was wrong in it."""

import io
import itertools
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import boto3.session
import pytest
from botocore.awsrequest import AWSResponse
from keyrotation.run.settings import Mode
from moto import mock_aws
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends

from tests.component.account import ACCOUNT, NOW, REGION, Account
from tests.component.calls import Call, Calls, refusal
from tests.component.deployment import Context, Deployment, Mail, no_settings_of_this_machine
from tests.component.faults.clock import Clock, Died, Retries
from tests.component.faults.kinds import Kind
from tests.component.faults.oracle import Oracle, is_failure, see
from tests.component.faults.worlds import People, World
from tests.component.once import once

# An order is delivered three times, and the schedule's invocation is made three times, until it ends well.
_TRIES = 3
_BETWEEN_DELIVERIES = timedelta(minutes=90)
_BETWEEN_INVOCATIONS = timedelta(minutes=1)
# The only call that may carry a secret half.
_STORES_KEY = "PutSecretValue"
# Tried again and again, and told when none of the tries succeeds; those that a mail does without; and one that says
# what the mail says too.
_MAY_FAIL = ("GetCallerIdentity", "LookupEvents", "ListAccountAliases", "PutEvents")
_REFUSED_ONCE_DELETED = ("PutResourcePolicy", "PutSecretValue", "UpdateSecretVersionStage")


@dataclass(frozen=True, kw_only=True)
class Strike:
    """This kind of fault meets the call that is made at this position, counted from the first day's first call."""

    position: int
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A call that ended in an error, on a day counted from 0, in an invocation that raised or did not."""

    day: int
    call: Call
    user: str | None
    error: str
    invocation: int
    function: str


@dataclass(kw_only=True)
class Lived:
    """What came of it. `ends`: how many calls were made by the end of each day.

    `sent`: the positions of the calls that went out; the one at which a function's time runs out does not.
    `arrived`: the users who are, at the end of each day, where the rules lead. `astray`: who is not, in the end.
    """

    calls: list[Call] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    mails: list[list[Mail]] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    raised: set[int] = field(default_factory=set)
    struck: list[tuple[Call, str | None]] = field(default_factory=list)
    sent: set[int] = field(default_factory=set)
    arrived: list[set[str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)

    def told(self) -> str:
        return "\n".join(f"{mail.subject}\n{mail.text}" for mail in itertools.chain(*self.mails))


class Stage:
    """One process's account, handlers and clock: made once, emptied between cases."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock, self.calls = Clock(), Calls()
        self.out = io.StringIO()
        self._patch = patch
        self._run_ids = (f"run-{number}" for number in itertools.count())
        self._log = logging.StreamHandler(self.out)
        self._invocation, self._function = 0, ""

    @contextmanager
    def ready(self) -> Iterator["Stage"]:
        no_settings_of_this_machine(self._patch)
        once(self._patch)
        with mock_aws():
            self.account = Account(boto3.session.Session())
            self.deployment = Deployment(self.account.session, self._patch)
            self.clock.install(self._patch)
            retries = Retries(self._patch)
            root = logging.getLogger()
            self._patch.setattr(root, "handlers", [*root.handlers, self._log])
            self._patch.setattr(root, "level", logging.DEBUG)
            # The handlers log to what is standard output when they are imported.
            with self.calls.watching(), redirect_stdout(self.out):
                self.scanner = self.deployment.load("scanner", POWERTOOLS_LOG_LEVEL="DEBUG")
                self.rotator = self.deployment.load("rotator", POWERTOOLS_LOG_LEVEL="DEBUG")
                # `load` lets nobody sleep at all.
                self._patch.setattr("time.sleep", self.clock.sleep)
                one_at_a_time = {self.scanner: ("WORKERS",), self.rotator: ("LOOKERS", "ACTORS")}
                for module, numbers in one_at_a_time.items():
                    self._patch.setattr(module, "datetime", self.clock.datetime())
                    # One call after the other, in an order that is the same every time.
                    for number in numbers:
                        self._patch.setattr(module, number, 1)
                retries.keep()
                self._retries = retries
                yield self
            self.account.close()
            self.deployment.close()

    def live(
        self,
        world: World,
        strikes: Sequence[Strike] = (),
        *,
        days: int = 3,
        around: Callable[["Stage"], None] = lambda _: None,
    ) -> Lived:
        """The first day with what strikes, and the days after it; every moment is looked at.

        `around` is called when the world is there, and may set the clocks and what meets the calls.
        """
        self._empty()
        self._set_mode(Mode.AUDIT if world.audit else Mode.ENFORCE)
        self.deployment.subscribers(int(world.listening))
        people = world.settle(self.account)
        self._lived = lived = Lived()
        users = sorted(people.goals)
        self.oracle = Oracle(
            held=dict(people.held),
            may_go=people.may_go,
            users=users,
            today=self.clock.today,
            listening=world.listening,
            audit=world.audit,
        )
        # First, since clearing empties the list: what came of the case before is still asked for its calls.
        self.calls.made = lived.calls
        self.calls.clear()
        self.calls._secret_halves.clear()
        self.calls.meet(self._alive)
        self.calls.meet_on_the_wire(lambda _: lived.sent.add(self.position), lost=False)
        self.calls.meet_on_the_wire(_refused_by_a_deleted_secret, lost=False)
        self.calls.tell(self._tell)
        for strike in strikes:
            self._aim(strike)
        around(self)
        for day in range(days):
            self._day = day
            self.clock.now = NOW + timedelta(days=day)
            self._run()
            lived.ends.append(len(lived.calls))
            lived.mails.append(self.deployment.mails())
            lived.arrived.append({user for user in users if _has_arrived(people, user)})
        self.oracle.at_the_end()
        lived.violations += self.oracle.violations
        for user in users:
            if user not in lived.arrived[-1]:
                lived.astray.append(f"{user}: did not get where the rules lead: {see(user)}")
        lived.violations += _untold(lived)
        lived.violations += self._leaks()
        return lived

    @property
    def position(self) -> int:
        """Of the call that is being made, or was made last."""
        return len(self._lived.calls) - 1

    def _empty(self) -> None:
        self.clock.reset()
        self._retries.reset()
        iam_backends[ACCOUNT]["aws"].reset()
        secretsmanager_backends[ACCOUNT][REGION].reset()
        self.account.lose_memory()
        self.out.seek(0)
        self.out.truncate()
        self._said: list[str] = []

    def _set_mode(self, mode: Mode) -> None:
        for module in (self.scanner, self.rotator):
            self._patch.setattr(module, "settings", replace(module.settings, mode=mode))

    def _run(self) -> None:
        """What AWS does with a day's schedule, and with the orders that come of it."""
        run_id = next(self._run_ids)
        for _ in range(_TRIES):
            if self._ends_well(self._scan, {"run_id": run_id, "scheduled_time": "2026-11-22T06:00:00Z"}):
                break
            self.clock.now += _BETWEEN_INVOCATIONS
        for body in self.deployment.orders():
            for count in range(1, _TRIES + 1):
                event = self.deployment.delivery(body)
                event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(count)
                ended_well = self._ends_well(self._rotate, event)
                self.deployment.done_with(event)
                if ended_well:
                    break
                self.clock.now += _BETWEEN_DELIVERIES

    def _scan(self, event: dict[str, Any]) -> object:
        context = Context(function_name="scanner", remaining=self.clock.milliseconds_left)
        return self.scanner.handler(event, context)

    def _rotate(self, event: dict[str, Any]) -> object:
        context = Context(function_name="rotator", remaining=self.clock.milliseconds_left)
        return self.rotator.handler(event, context)

    def _ends_well(self, handler: Callable[[dict[str, Any]], object], event: dict[str, Any]) -> bool:
        self._invocation += 1
        self._function = handler.__name__
        self.oracle.start_function()
        self.clock.start_function()
        try:
            with redirect_stdout(self.out), warnings.catch_warnings():
                # powertools warns of an invocation that ended before there was a metric.
                warnings.simplefilter("ignore", UserWarning)
                self._said.append(repr(handler(event)))
        except (Exception, Died) as error:  # noqa: BLE001  # as Lambda does: whatever it is, the invocation failed
            self._said += _everything(error)
            self._lived.raised.add(self._invocation)
            return False
        finally:
            self.clock.end_function()
            self.oracle.look("the end of a function")
        return True

    # What meets the calls.

    def _alive(self, _: Call) -> None:
        if self.clock.dead:
            raise Died
        if self.clock.seconds_per_call:
            self.clock.sleep(self.clock.seconds_per_call)

    def _aim(self, strike: Strike) -> None:
        kind = strike.kind
        struck_in: list[int] = []
        attempts = itertools.count()

        def fault(call: Call) -> AWSResponse | None:
            position = self.position
            if position == strike.position and not struck_in:
                struck_in.append(self._invocation)
                self._lived.struck.append((call, self.oracle.about(call)))
            meant = position == strike.position or (kind.from_then_on and struck_in == [self._invocation])
            if not meant or (kind.once and next(attempts)):
                return None
            return kind.effect(call, self.clock)

        self.calls.meet_on_the_wire(fault, lost=kind.after)

    def _tell(self, call: Call, error: str | None) -> None:
        about = self.oracle.about(call)
        self.oracle.after(call, error)
        if error is not None and is_failure(error):
            self._lived.failed.append(
                Failed(
                    day=self._day,
                    call=call,
                    user=about,
                    error=error,
                    invocation=self._invocation,
                    function=self._function,
                )
            )

    # What left the process.

    def _leaks(self) -> list[str]:
        """By its place: a leak is never printed."""
        left = {
            "a log or a metric": [self.out.getvalue()],
            "an exception or a result": self._said,
            "a mail": [self._lived.told()],
            "a call": [repr(call.params) for call in self._lived.calls if call.operation != _STORES_KEY],
            "an environment variable": [repr(dict(os.environ))],
        }
        return [
            f"a secret half of a key stands in {place}"
            for place, texts in left.items()
            if any(self.calls.leaks(text) for text in texts)
        ]


def _refused_by_a_deleted_secret(call: Call) -> AWSResponse | None:
    """As Secrets Manager does, and moto does not, while a secret is scheduled for deletion."""
    secret = secretsmanager_backends[ACCOUNT][REGION].secrets.get(call.params.get("SecretId", ""))
    if call.operation not in _REFUSED_ONCE_DELETED or secret is None or not secret.is_deleted():
        return None
    return refusal(call, "InvalidRequestException", 400)


def _has_arrived(people: People, user: str) -> bool:
    seen = see(user)
    return seen is not None and people.goals[user](seen)


def _everything(error: BaseException) -> list[str]:
    """Its words, and those of whatever it came from, suppressed or not."""
    told = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        told += [repr(each), str(each), repr(vars(each))]
        waiting += [each.__cause__, each.__context__]
    return told


def _untold(lived: Lived) -> Iterator[str]:
    """What failed, and was not made good on the same day, is in a mail by cause and user, or raises the alarm.

    Of what failed for a user in one run, the last: the run got past what failed before it.
    """
    told = lived.told()
    last = {(failed.invocation, failed.user): failed for failed in lived.failed if failed.user is not None}
    for failed in last.values():
        if failed.user in lived.arrived[failed.day]:
            continue
        # Who finds the secret's name taken looks at what is there, and tells what is wrong with that.
        taken = failed.error == "ResourceExistsException" and "is not as this system makes" in told
        if str(failed.user) not in told or (failed.error not in told and not taken):
            yield f"{failed.call.operation} failed ({failed.error}): no mail tells it of {failed.user}"
    for failed in lived.failed:
        said = "could not be read" in told or "could not read" in told
        surfaced = failed.invocation in lived.raised or said
        # The rotator then reads each user for itself.
        made_good = (failed.function, failed.call.operation) == ("_rotate", "GetAccountAuthorizationDetails")
        # For owners or a chat, who hear what the mail says too: logged, and counted or said in the mail if one goes out.
        beside = not failed.call.params.get("TopicArn", ":alerts").endswith(":alerts")
        may_fail = made_good or beside or failed.call.operation in _MAY_FAIL
        if failed.user is None and not surfaced and not may_fail:
            yield f"{failed.call.operation} failed ({failed.error}): no alarm and no mail"
    for call, user in lived.struck:
        if user is not None and user not in told:
            yield f"{call.operation} was struck, and no mail ever names {user}"
