"""A run of the rotator's over moto's account: the order names the users, and nothing but the time ends it early."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from keyrotation.act.apply import Heard, Outcome
from keyrotation.decide.actions import Plan
from keyrotation.look.observe import observe
from keyrotation.memory import Memory
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run, Told
from keyrotation.run.rotation import Complete, remember, rotate
from keyrotation.run.settings import Mode

from tests.component.account import OCCASION, RUN_ID
from tests.component.conftest import Clients


@dataclass
class Rotation:
    """Runs over moto's account; `looked` and `tried` are the names in the order in which they were reached.

    `left`: seconds until no user may be started, of which a look and an attempt take their part.
    """

    clients: Clients
    left: float = 600
    look_takes: float = 0
    act_takes: float = 0
    looked: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def run(
        self,
        *names: str,
        cap: int = 100,
        total: int | None = None,
        mode: Mode = Mode.ENFORCE,
        workers: int = 1,
        occasion: Occasion = OCCASION,
        run_id: str = RUN_ID,
        changed_today: Collection[str] = (),
    ) -> Run:
        occasion = replace(occasion, enforce=mode is Mode.ENFORCE)
        applier, sources = replace(self.clients.applier(), occasion=occasion), self.clients.sources()

        def see(name: str) -> User:
            self.looked.append(name)
            self.left -= self.look_takes
            return observe(name, sources)

        def act(plan: Plan) -> Outcome:
            self.tried.append(plan.user.name)
            self.left -= self.act_takes
            return applier.apply(plan)

        return rotate(
            Order(
                run_id=run_id,
                total=total or len(names),
                with_keys=len(names),
                root_has_keys=False,
                user_names=names,
            ),
            eyes=Complete(see=see),
            act=act,
            policy=Policy(max_users_per_run=cap),
            occasion=occasion,
            changed_today=changed_today,
            seconds_left=lambda: self.left,
            lookers=workers,
            actors=workers,
            turns=nullcontext(),
        )

    def heard(self, told: Told, *, occasion: Occasion = OCCASION) -> Run:
        """What a message told is remembered, as the rotator does it once it went out."""
        applier = replace(self.clients.applier(), occasion=occasion)

        def write(user: User, memory: Memory, heard: Heard, forget: tuple[str, ...]) -> str | None:
            return applier.remember(user, memory, heard, forget=forget)

        return remember(told, write=write, workers=1)
