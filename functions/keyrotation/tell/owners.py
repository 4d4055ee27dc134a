"""What an owner hears: the users that bear the owner's name in a tag, what happens to their keys, and what to do.

One message for each owner, with the message attribute `owner`, so that a team subscribes to its own with a filter policy.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from keyrotation.act.apply import Outcome
from keyrotation.decide.actions import Plan
from keyrotation.run.record import Run
from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.bulletin import Bulletin, Channel
from keyrotation.tell.digest import rendered
from keyrotation.tell.entries import short
from keyrotation.tell.headline import headline_of
from keyrotation.tell.layout import link, quoted, wrapped
from keyrotation.tell.mail import said_of, sections_of
from keyrotation.tell.report import Report, report_of_part

# SNS takes no more in the value of a message attribute that a filter policy can match, and IAM no longer tag.
_LONGEST_OWNER = 256


def owners_of(run: Run) -> tuple[str, ...]:
    """Whoever is named by a user of this run."""
    return tuple(sorted({plan.owner for plan in run.plans if plan.owner}))


def letters_of(
    run: Run, settings: RotatorSettings, *, redelivered: bool, whole: Report
) -> Iterator[Bulletin]:
    """To each owner who is to hear of this run; by the same rules as on-call, who got the whole report."""
    for owner, part in _parts(run).items():
        report = report_of_part(part, settings, redelivered=redelivered, whole=whole)
        if not report.worth_sending or not report.users:
            continue
        letter = rendered(report, partial(_body, report, owner))
        yield Bulletin(
            channel=Channel.OWNERS,
            about=owner,
            subject=letter.subject,
            message=letter.message,
            by_protocol=True,
            attributes={
                "owner": owner[:_LONGEST_OWNER],
                "severity": letter.severity,
                "account": settings.account,
                "mode": settings.mode,
            },
        )


def speaks_for(filter_policy: str | None, owner: str) -> bool:
    """Whether a subscription with this filter policy gets the owner's message; also when nobody can tell."""
    if not filter_policy:
        return True
    try:
        wanted = json.loads(filter_policy)
    except ValueError:
        return True
    rules = wanted.get("owner") if isinstance(wanted, dict) else None
    if not isinstance(rules, list):
        return True
    return any(_matches(rule, owner) for rule in rules)


def _matches(rule: object, owner: str) -> bool:
    """One rule of a filter policy. Of an operator that is not known here, it is supposed that it matches."""
    match rule:
        case str(name):
            return owner == name
        case {"prefix": str(beginning)}:
            return owner.startswith(beginning)
        case {"suffix": str(end)}:
            return owner.endswith(end)
        case {"equals-ignore-case": str(name)}:
            return owner.lower() == name.lower()
        case {"anything-but": str(name)}:
            return owner != name
        case {"anything-but": list(names)}:
            return owner not in names
        case _:
            return True


def _parts(run: Run) -> Mapping[str, Run]:
    """The run of each owner's users alone."""
    plans: dict[str, list[Plan]] = {}
    for plan in run.plans:
        if plan.owner:
            plans.setdefault(plan.owner, []).append(plan)
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in run.outcomes:
        outcomes.setdefault(outcome.plan.user.name, []).append(outcome)
    return {owner: _only(run, of_owner, outcomes) for owner, of_owner in sorted(plans.items())}


def _only(run: Run, plans: Sequence[Plan], outcomes: Mapping[str, Sequence[Outcome]]) -> Run:
    names = {plan.user.name for plan in plans}
    return replace(
        run,
        order=replace(
            run.order,
            total=len(plans),
            with_keys=len(plans),
            user_names=tuple(plan.user.name for plan in plans),
            gone_user_ids=(),
        ),
        plans=tuple(plans),
        outcomes=tuple(outcome for plan in plans for outcome in outcomes.get(plan.user.name, ())),
        waiting=tuple(plan for plan in run.waiting if plan.user.name in names),
        deferred=(),
        left_behind=(),
    )


def _body(report: Report, owner: str, most: int) -> str:
    where = f"{report.alias} {report.account}".strip()
    lines = [
        *wrapped(headline_of(report).sentence, indent=0, hanging=0),
        *wrapped(
            f"To the owner {quoted(short(owner))} of these IAM users in the AWS account {where}, {report.region}, {report.today}.",
            indent=0,
            hanging=0,
        ),
        *said_of(report, sections_of(report, most=most), most=most),
        "",
        "ABOUT THIS MESSAGE",
        *wrapped(
            "It is about the users who name you in a tag. Whoever runs the rotation in this account has the full report of "
            f"run {report.run_id}, and can exempt a user or change a day for you."
        ),
    ]
    if report.runbook_url.startswith("https://"):
        lines += link("The runbook", report.runbook_url)
    return "\n".join(lines) + "\n"
