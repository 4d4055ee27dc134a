"""A run of the rotator's over moto's account: the order names the users, and nothing but the time ends it early."""

from contextlib import nullcontext
from dataclasses import dataclass, field

from keyrotation.act.apply import Outcome
from keyrotation.decide.actions import Plan
from keyrotation.look.observe import observe
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.run.rotation import Complete, rotate
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
    ) -> Run:
        applier = self.clients.applier()

        def see(name: str) -> User:
            self.looked.append(name)
            self.left -= self.look_takes
            return observe(name, iam=self.clients.iam, secrets=self.clients.secretsmanager, path_prefix="/")

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
            act=act if mode is Mode.ENFORCE else None,
            policy=Policy(max_users_per_run=cap),
            occasion=occasion,
            seconds_left=lambda: self.left,
            lookers=workers,
            actors=workers,
            turns=nullcontext(),
        )
