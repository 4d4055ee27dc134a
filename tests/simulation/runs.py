"""A day's run of the product: the real scan, and the real rotation with the real calls, as the two handlers wire them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from keyrotation.act.apply import Applier, Outcome
from keyrotation.act.replacement import Issuer
from keyrotation.act.secret_store import SecretStore
from keyrotation.causes import CALL_ERRORS
from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import may_concern
from keyrotation.look import inventory
from keyrotation.look.inventory import root_has_keys, scan
from keyrotation.look.observe import Observer, listed_profiles, observe
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.run import rotation
from keyrotation.run.order import Order
from keyrotation.run.record import Run, Told
from keyrotation.run.rotation import Complete, Eyes, finish, rotate
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import digest_of
from keyrotation.tell.publish import listeners as who_listens
from keyrotation.tell.publish import publish

from tests.simulation.account import REGION, Account
from tests.simulation.clients import Clients
from tests.simulation.faults import Died, Line

TIMEOUT = timedelta(minutes=15)
# How long the queue hides an order that was taken, and how often it hands it out (infra/orders.py).
HIDDEN = 6 * TIMEOUT
RECEIVES = 3


class InOrder:
    """A pool of one worker without its thread, which would take a third of a simulation's time to wake and to wait."""

    def __init__(self, workers: int) -> None:
        assert workers == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing runs on."""

    @staticmethod
    def map(task: Callable[..., Any], /, *arguments: Iterable[Any]) -> Iterator[Any]:
        return map(task, *arguments)


@contextmanager
def without_threads() -> Iterator[None]:
    with (
        patch.object(inventory, "ThreadPoolExecutor", InOrder),
        patch.object(rotation, "ThreadPoolExecutor", InOrder),
    ):
        yield


@dataclass(frozen=True, kw_only=True)
class Acted:
    """A plan that the run set out to carry out; `outcome` None: it died over it."""

    plan: Plan
    before: User
    after: User
    outcome: Outcome | None


@dataclass(kw_only=True)
class Attempt:
    """One delivery of an order. `run` None: it died in it. `mailed`: people got its mail, whatever it knows of that."""

    receive: int
    acted: list[Acted] = field(default_factory=list)
    run: Run | None = None
    mailed: bool = False
    ended: bool = False
    hit: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Product:
    """The stack as it is deployed into an account."""

    account: Account
    line: Line
    policy: Policy

    def __post_init__(self) -> None:
        self.clients = Clients.of(self.account, self.line)

    def scan(self, now: datetime) -> Order | None:
        """What functions/scanner.py does. None: it raised."""
        self.account.now = now
        self.line.open()
        iam = self.clients.iam
        try:
            found = scan(
                iam,
                path_prefix="/",
                may_concern=lambda user: may_concern(user, self.policy, now),
                workers=1,
            )
        except CALL_ERRORS:
            return None
        try:
            root = root_has_keys(iam)
        except CALL_ERRORS:
            root = None
        return Order(
            run_id=f"run-{now.date()}",
            total=found.total,
            with_keys=found.with_keys,
            root_has_keys=root,
            user_names=found.named,
        )

    def take(self, order: Order, *, receive: int, now: datetime) -> Attempt:
        """What functions/rotator.py does with the order, and what became of it."""
        attempt = Attempt(receive=receive)
        self.line.open()
        mails = len(self.clients.mails)
        try:
            self._handle(order, attempt, now)
            attempt.ended = True
        except (Died, *CALL_ERRORS):
            pass  # the queue hands the order out again
        attempt.mailed = len(self.clients.mails) > mails
        attempt.hit = self.line.hit
        return attempt

    def _handle(self, order: Order, attempt: Attempt, now: datetime) -> None:
        """The wiring of the handler in functions/rotator.py."""
        settings = self._settings()
        try:
            listeners = who_listens(settings, sns=self.clients.sns)
        except CALL_ERRORS:
            listeners = None
        occasion = Occasion(now=now, region=REGION, function_timeout=TIMEOUT, listeners=listeners)
        secrets = SecretStore(
            client=self.clients.secrets,
            rotator_role_arn=settings.rotator_role_arn,
            reader_arns=settings.secret_reader_arns,
            kms_key_arn=settings.secrets_kms_key_arn,
            sleep=self.account.sleep,
        )
        issuer = Issuer(
            iam=self.clients.iam,
            iam_once=self.clients.iam_once,
            secrets=secrets,
            sts_for=self.clients.sts_for,
            sleep=self.account.sleep,
        )
        applier = Applier(
            iam=self.clients.iam,
            issuer=issuer,
            occasion=occasion,
            run_id=order.run_id,
            announce=lambda _user, _done: None,
        )
        attempt.run = rotate(
            order,
            eyes=self._eyes(order, redelivered=attempt.receive > 1),
            act=self._witnessed(applier.apply, attempt, now),
            policy=self.policy,
            occasion=occasion,
            seconds_left=lambda: 660.0,
            lookers=1,
            actors=1,
            turns=nullcontext(),
        )
        told = self._tell(attempt.run, redelivered=attempt.receive > 1)
        finished = finish(told, act=applier.finish, workers=1)
        if [each.failure for each in finished.outcomes] != [each.failure for each in attempt.run.outcomes]:
            self._tell(finished, redelivered=attempt.receive > 1)

    def _eyes(self, order: Order, *, redelivered: bool) -> Eyes:
        if redelivered:
            return Complete(
                see=partial(observe, iam=self.clients.iam, secrets=self.clients.secrets, path_prefix="/")
            )
        try:
            listed = listed_profiles(self.clients.iam, path_prefix="/", names=order.user_names)
        except CALL_ERRORS:
            listed = {}
        return Observer(iam=self.clients.iam, secrets=self.clients.secrets, path_prefix="/", listed=listed)

    def _tell(self, run: Run, *, redelivered: bool) -> Told:
        settings = self._settings()
        digest = digest_of(run, settings, redelivered=redelivered)
        message_id = publish(digest, settings, sns=self.clients.sns) if digest.worth_sending else None
        return Told(run=run, message_id=message_id)

    def told_to(self, user_name: str, attempt: Attempt) -> str:
        """The words of the mail about one user, where the mail itself may leave them to the log: one line."""
        run = attempt.run
        assert run is not None
        plans = tuple(plan for plan in run.plans if plan.user.name == user_name)
        outcomes = tuple(each for each in run.outcomes if each.plan.user.name == user_name)
        own = replace(run, plans=plans, outcomes=outcomes, waiting=(), deferred=())
        return " ".join(digest_of(own, self._settings(), redelivered=attempt.receive > 1).body.split())

    def _settings(self) -> RotatorSettings:
        return RotatorSettings(
            policy=self.policy,
            mode=Mode.ENFORCE,
            notify=Notify.CHANGES,
            runbook_url="docs/runbook.md",
            log_group_name="rotator-logs",
            user_path_prefix="/",
            secret_reader_arns=(),
            secrets_kms_key_arn=None,
            orders_queue_url="https://sqs.invalid/orders.fifo",
            aws_region=REGION,
            orders_queue_arn=f"arn:aws:sqs:{REGION}:123456789012:orders.fifo",
            topic_arn=f"arn:aws:sns:{REGION}:123456789012:digests",
            rotator_role_arn="arn:aws:iam::123456789012:role/rotator",
            function_timeout_seconds=int(TIMEOUT.total_seconds()),
        )

    def _witnessed(
        self, apply: Callable[[Plan], Outcome], attempt: Attempt, now: datetime
    ) -> Callable[[Plan], Outcome]:
        """Who watches sees what was there before and after, also when the run dies over it."""

        def act(plan: Plan) -> Outcome:
            # Ten work at a time, so that one does not wait for the proofs of those before it.
            self.account.now = now + timedelta(minutes=1)
            before, outcome = self.account.look(plan.user.name), None
            try:
                outcome = apply(plan)
            finally:
                after = self.account.look(plan.user.name)
                attempt.acted.append(Acted(plan=plan, before=before, after=after, outcome=outcome))
            return outcome

        return act
