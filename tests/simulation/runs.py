"""A day's run of the product: the real scan, and the real rotation with the real calls, as the two handlers wire them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from itertools import count
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from keyrotation.act.apply import Applier, Heard, Outcome
from keyrotation.act.replacement import Issuer
from keyrotation.act.secret_store import SecretStore
from keyrotation.causes import CALL_ERRORS
from keyrotation.decide import tags
from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import may_concern
from keyrotation.decide.tags import Tags
from keyrotation.look import inventory
from keyrotation.look.inventory import Profile, root_has_keys, scan
from keyrotation.look.left_behind import is_to_be_told, left_behind, told_of
from keyrotation.look.observe import Observer, Sources, listed_profiles
from keyrotation.memory import Memory
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.remember import table
from keyrotation.remember.items import from_item
from keyrotation.remember.table import MemoryRefused, Readings, Table
from keyrotation.run import rotation
from keyrotation.run.order import Order
from keyrotation.run.record import Run, Told, last_told
from keyrotation.run.rotation import Complete, Eyes, remember, rotate
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import digest_of
from keyrotation.tell.publish import Topic

from tests.simulation.account import REGION, Account
from tests.simulation.clients import Clients
from tests.simulation.dynamodb import Item
from tests.simulation.faults import Died, Line

TIMEOUT = timedelta(minutes=15)
# How long the queue hides an order that was taken, and how often it hands it out (infra/orders.py).
HIDDEN = 6 * TIMEOUT
RECEIVES = 3


class InOrder:
    """A pool of one worker without its thread."""

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


@dataclass
class Reader:
    """The product's own reading of an item, once for each that was written: items are never changed in place."""

    read: dict[int, tuple[Item, Memory]] = field(default_factory=dict)

    def __call__(self, item: Item) -> Memory:
        known = self.read.get(id(item))
        if known is None or known[0] is not item:
            known = self.read[id(item)] = item, from_item(item)
        return known[1]

    def forget(self, items: Mapping[str, Item]) -> None:
        """All but those that are in the table."""
        self.read = {id(item): self.read[id(item)] for item in items.values() if id(item) in self.read}


_parse = tags.parse


@lru_cache(maxsize=4096)
def _parsed(written: tuple[tuple[str, str], ...]) -> Tags:
    return _parse(dict(written))


def parse(written: Mapping[str, str]) -> Tags:
    """The product's own reading of tags, once for each set of them."""
    return _parsed(tuple(written.items()))


@contextmanager
def quickly(reader: Reader) -> Iterator[None]:
    """Without threads, which would take a third of the time to wake and to wait, and reading no item twice."""
    with (
        patch.object(table, "from_item", reader),
        patch.object(tags, "parse", parse),
        patch.object(inventory, "ThreadPoolExecutor", InOrder),
        patch.object(rotation, "ThreadPoolExecutor", InOrder),
    ):
        yield


@dataclass(kw_only=True)
class Attempt:
    """One delivery of an order. `run` None: it died in it. `ended`: the queue is done with the order."""

    run: Run | None = None
    ended: bool = False
    hit: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Product:
    """The stack as it is deployed into an account."""

    account: Account
    line: Line
    policy: Policy
    mode: Mode = Mode.ENFORCE
    notify: Notify = Notify.CHANGES
    _numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.clients = Clients.of(self.account, self.line)
        self.table = Table(
            client=self.clients.dynamodb,
            name="access-key-rotation",
            fresh=lambda: f"write-{next(self._numbers)}",
        )
        self.sources = Sources(
            iam=self.clients.iam, secrets=self.clients.secrets, table=self.table, path_prefix="/"
        )

    def scan(self, now: datetime, *, run_id: str) -> Order | None:
        """What functions/scanner.py does. None: it raised."""
        self.account.now = now
        self.line.open()
        iam = self.clients.iam
        try:
            found = scan(
                iam,
                path_prefix="/",
                readings=self.table.read_all(),
                may_concern=lambda user: may_concern(
                    user, self.policy, now, enforce=self.mode is Mode.ENFORCE
                ),
                workers=1,
            )
        except CALL_ERRORS:
            return None
        try:
            root = root_has_keys(iam)
        except CALL_ERRORS:
            root = None
        return Order(
            run_id=run_id,
            total=found.total,
            with_keys=found.with_keys,
            root_has_keys=root,
            user_names=found.named,
            gone_user_ids=found.gone,
        )

    def take(self, order: Order, *, receive: int, now: datetime) -> Attempt:
        """What functions/rotator.py does with the order, and what became of it."""
        attempt = Attempt()
        self.line.open()
        self.account.now = now
        try:
            self._handle(order, attempt, redelivered=receive > 1)
            attempt.ended = True
        except (Died, *CALL_ERRORS):
            pass  # the queue hands the order out again
        attempt.hit = self.line.hit
        return attempt

    def occasion(self, *, listeners: int | None) -> Occasion:
        return Occasion(
            now=self.account.now,
            region=REGION,
            function_timeout=TIMEOUT,
            listeners=listeners,
            enforce=self.mode is Mode.ENFORCE,
        )

    def _handle(self, order: Order, attempt: Attempt, *, redelivered: bool) -> None:
        """The wiring of the handler in functions/rotator.py."""
        settings, now = self._settings(), self.account.now
        try:
            listeners = self._topic(settings).hear().listeners
        except CALL_ERRORS:
            listeners = None
        occasion = self.occasion(listeners=listeners)
        readings = self.table.read_all()
        issuer = Issuer(
            iam=self.clients.iam,
            iam_once=self.clients.iam_once,
            secrets=SecretStore(
                client=self.clients.secrets,
                rotator_role_arn=settings.rotator_role_arn,
                reader_arns=settings.secret_reader_arns,
                kms_key_arn=settings.secrets_kms_key_arn,
                sleep=self.account.sleep,
                owners=readings.owners(gone=order.gone_user_ids),
            ),
            sts_for=self.clients.sts_for,
            sleep=self.account.sleep,
        )
        applier = Applier(
            iam=self.clients.iam,
            issuer=issuer,
            table=self.table,
            occasion=occasion,
            run_id=order.run_id,
            announce=lambda _user, _done: None,
        )

        def act(plan: Plan) -> Outcome:
            # Many work at a time, so that one does not wait for the proofs of those before it.
            self.account.now = now + timedelta(minutes=1)
            return applier.apply(plan)

        def write(user: User, memory: Memory, heard: Heard, forget: tuple[str, ...]) -> str | None:
            return applier.remember(user, memory, heard, forget=forget)

        run = attempt.run = rotate(
            order,
            eyes=self._eyes(order, readings, redelivered=redelivered),
            act=act,
            policy=self.policy,
            occasion=occasion,
            changed_today=readings.changed_on(occasion.today),
            seconds_left=lambda: 660.0,
            lookers=1,
            actors=1,
            turns=nullcontext(),
        )
        run = replace(run, last_told=last_told(readings.memories.values()))
        run = replace(run, left_behind=self._after_those_who_are_gone(order, readings, occasion.today))
        told = self._tell(run, redelivered=redelivered)
        finished = attempt.run = remember(told, write=write, workers=1)
        if told.message_id is not None:
            for memory in run.left_behind:
                if ("", memory.user_id) not in told.once:
                    continue
                _tidy(partial(self.table.save, told_of(memory, occasion.today), run_id=order.run_id))
        if _failures(finished) != _failures(run):
            self._tell(finished, redelivered=redelivered)

    def _after_those_who_are_gone(self, order: Order, readings: Readings, today: date) -> tuple[Memory, ...]:
        found = left_behind(order.gone_user_ids, readings, self.sources)
        for memory in found.nothing:
            _tidy(partial(self.table.forget, memory))
        return tuple(memory for memory in found.secrets if is_to_be_told(memory, today))

    def _eyes(self, order: Order, readings: Readings, *, redelivered: bool) -> Eyes:
        if redelivered:
            return Complete(see=Observer(sources=self.sources, listed={}, readings=readings).everything)
        listed: dict[str, Profile] = {}
        try:
            if len(order.user_names) > 1 + order.total // 1000:
                listed = listed_profiles(self.clients.iam, path_prefix="/", names=order.user_names)
        except CALL_ERRORS:
            pass  # each is then read for itself
        return Observer(sources=self.sources, listed=listed, readings=readings)

    def _tell(self, run: Run, *, redelivered: bool) -> Told:
        settings = self._settings()
        digest = digest_of(run, settings, redelivered=redelivered)
        message_id = self._topic(settings).deliver(digest)
        heard = message_id if run.listeners else None
        return Told(run=run, message_id=heard, named=digest.named, once=digest.once)

    def _topic(self, settings: RotatorSettings) -> Topic:
        assert settings.topic_arn is not None
        return Topic(
            sns=self.clients.sns,
            arn=settings.topic_arn,
            beside={},
            account=settings.account,
            mode=settings.mode,
        )

    def _settings(self) -> RotatorSettings:
        return RotatorSettings(
            policy=self.policy,
            mode=self.mode,
            notify=self.notify,
            runbook_url="docs/runbook.md",
            log_group_name="rotator-logs",
            user_path_prefix="/",
            secret_reader_arns=(),
            secrets_kms_key_arn=None,
            orders_queue_url="https://sqs.invalid/orders.fifo",
            aws_region=REGION,
            orders_queue_arn=f"arn:aws:sqs:{REGION}:123456789012:orders.fifo",
            table_name="access-key-rotation",
            topic_arn=f"arn:aws:sns:{REGION}:123456789012:digests",
            rotator_role_arn="arn:aws:iam::123456789012:role/rotator",
            function_timeout_seconds=int(TIMEOUT.total_seconds()),
        )


def _failures(run: Run) -> int:
    return sum(outcome.failure is not None for outcome in run.outcomes)


def _tidy(write: Callable[[], object]) -> None:
    with suppress(*CALL_ERRORS, MemoryRefused):
        write()
