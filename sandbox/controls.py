"""What a test can tell the emulated account, and ask it: the state behind the endpoint `/_sandbox/`."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

JSON = dict[str, Any] | list[Any] | None


@dataclass(frozen=True)
class LastUse:
    at: datetime
    region: str
    service: str


@dataclass
class Fault:
    """What an action meets `times` more often, for the requests whose parameters equal `where`.

    The caller gets the error `code`: instead of the effect, or after it has taken place (`takes_effect`). Without a
    `code` the function that asked is killed, and gets nothing.
    """

    action: str
    code: str | None
    status: int
    takes_effect: bool
    times: int
    where: Mapping[str, str]

    def strikes(self, *, action: str, parameters: Mapping[str, Any]) -> bool:
        return (
            self.times > 0
            and action == self.action
            and all(str(parameters.get(name)) == value for name, value in self.where.items())
        )


@dataclass(frozen=True)
class Call:
    """One authenticated request; the principal of a role's session is the role."""

    principal: str
    action: str
    resource: str
    allowed: bool


@dataclass(frozen=True)
class Page:
    """One page of a listing: of which user (keys only), from which item on."""

    action: str
    user_name: str
    start: int


@dataclass(frozen=True)
class Mail:
    """What the subscriber of a topic gets."""

    to: str
    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass
class Controls:
    offset: timedelta = timedelta()
    last_used: dict[str, LastUse] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    page_sizes: dict[str, int] = field(default_factory=dict)
    pages: Counter[Page] = field(default_factory=Counter)
    calls: list[Call] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    # What grows older when time passes; told by how much.
    ageing: list[Callable[[timedelta], None]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def strike(self, *, action: str, parameters: Mapping[str, Any]) -> Fault | None:
        """The fault that this request meets, counted as having happened."""
        for fault in self.faults:
            if fault.strikes(action=action, parameters=parameters):
                fault.times -= 1
                return fault
        return None

    def answer(self, control: str, request: Mapping[str, Any]) -> JSON:
        """Do what the request to `/_sandbox/<control>` says. An unknown control or argument raises."""
        return _CONTROLS[control](self, **request)


def _clock(controls: Controls, *, seconds_ago: float) -> None:
    controls.offset = timedelta(seconds=-seconds_ago)


def _pass_time(controls: Controls, *, seconds: float) -> None:
    by = timedelta(seconds=seconds)
    for key_id, use in controls.last_used.items():
        controls.last_used[key_id] = replace(use, at=use.at - by)
    for grow_older in controls.ageing:
        grow_older(by)


def _last_used(
    controls: Controls, *, key_id: str, at: str | None, region: str = "", service: str = ""
) -> None:
    if at is None:
        controls.last_used.pop(key_id, None)
    else:
        controls.last_used[key_id] = LastUse(at=datetime.fromisoformat(at), region=region, service=service)


def _fail(controls: Controls, **fault: Any) -> None:
    controls.faults.append(Fault(**fault))


def _heal(controls: Controls, *, action: str) -> None:
    controls.faults = [fault for fault in controls.faults if fault.action != action]


def _page_size(controls: Controls, *, action: str, size: int | None) -> None:
    if size is None:
        controls.page_sizes.pop(action, None)
    else:
        controls.page_sizes[action] = size


def _pages(controls: Controls) -> JSON:
    return [{"page": asdict(page), "fetched": times} for page, times in controls.pages.items()]


def _calls(controls: Controls) -> JSON:
    return [asdict(call) for call in controls.calls]


def _mails(controls: Controls) -> JSON:
    return [asdict(mail) for mail in controls.mails]


def _forget(controls: Controls) -> None:
    controls.calls.clear()
    controls.pages.clear()


_CONTROLS: dict[str, Callable[..., JSON]] = {
    "clock": _clock,
    "pass-time": _pass_time,
    "last-used": _last_used,
    "fail": _fail,
    "heal": _heal,
    "page-size": _page_size,
    "pages": _pages,
    "calls": _calls,
    "mails": _mails,
    "forget": _forget,
}
