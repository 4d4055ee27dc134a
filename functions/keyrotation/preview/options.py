"""What a person asks of a preview, and what is wrong with that in the words of the options."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import NoReturn

from keyrotation.policy import LIMITS, Policy, PolicyError, parameter_name
from keyrotation.preview.outlook import Action, Group, Wanted
from keyrotation.run.settings import iam_path, whole_number

FORMATS = ("table", "csv", "json", "html")
_ONLY = (*Action, Group.NEEDS_A_PERSON, Group.EXEMPT, Group.NOTHING)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


class Refused(Exception):
    """The options are refused; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`accounts`: profiles and roles, by name and ARN; empty: the caller's own credentials. `region` None: as configured."""

    format: str
    profile: str | None
    accounts: tuple[str, ...]
    region: str | None
    path_prefix: str
    policy: Policy
    wanted: Wanted


def parse(arguments: Sequence[str]) -> Asked:
    """Raises Refused; and SystemExit for --help."""
    given = _parser().parse_args(arguments)
    try:
        policy = Policy(**{each.name: getattr(given, each.name) for each in fields(Policy)})
    except PolicyError as refused:
        raise Refused(
            f"this policy is refused: {_in_options('; '.join(str(refused).splitlines()))}"
        ) from None
    return Asked(
        format=given.format,
        profile=given.profile,
        accounts=tuple(given.accounts),
        region=given.region,
        path_prefix=given.user_path_prefix,
        policy=policy,
        wanted=Wanted(only=given.only, owner=given.owner, on=given.on),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message.removeprefix("argument "))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="access-key-preview",
        description="What the rotation would do to this account's access keys, and when. Only reads.",
        epilog="Exit codes: 0; 1, AWS or the credentials refuse; 2, an option is wrong; 3, some of the --accounts could not be "
        "read, and the others are shown. (make answers 2 to each of them.)",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="html: one page, to be printed or sent"
    )
    parser.add_argument("--profile", help="of ~/.aws/config; without it the usual credentials are taken")
    parser.add_argument(
        "--accounts",
        nargs="+",
        default=[],
        metavar="NAME",
        help="several accounts in one preview: profiles by name, roles by ARN (assumed with the usual credentials)",
    )
    parser.add_argument("--region", type=_said(_region), help="the one of the stack, where the secrets are")
    parser.add_argument(
        "--user-path-prefix",
        type=_said(iam_path),
        default="/",
        metavar="PATH",
        help="only users below this path (default: /)",
    )
    shown = parser.add_argument_group("what is shown of it")
    shown.add_argument(
        "--only",
        type=_said(_words),
        default=frozenset(),
        metavar="WORD,...",
        help=f"of these actions or groups: {', '.join(_ONLY)}",
    )
    shown.add_argument("--owner", help="users with this owner; '': those without one")
    shown.add_argument(
        "--on", type=_said(_day), metavar="DAY", help="what happens on this day, like 2026-12-31"
    )
    policy = parser.add_argument_group("the policy, each by default as the stack's")
    for each in fields(Policy):
        least, most = LIMITS[each.name]
        told = f"the parameter {parameter_name(each.name)}, {least} to {most} (default: {each.default})"
        policy.add_argument(
            _option(each.name), type=_said(_within(least, most)), default=each.default, metavar="N", help=told
        )
    return parser


def _option(field_name: str) -> str:
    return f"--{field_name.replace('_', '-')}"


def _in_options(text: str) -> str:
    """The policy names its parameters as the stack spells them."""
    options = {parameter_name(each.name): _option(each.name) for each in fields(Policy)}
    return re.sub(r"\b[A-Z]\w+", lambda word: options.get(word[0], word[0]), text)


def _said(parser: Callable[[str], object]) -> Callable[[str], object]:
    """A type whose own words are shown: argparse knows no other way."""

    def parse(text: str) -> object:
        try:
            return parser(text)
        except ValueError as refused:
            raise argparse.ArgumentTypeError(f"{text!r} is {refused}") from None

    return parse


def _within(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = whole_number(text)
        if not least <= number <= most:
            raise ValueError(f"not from {least} to {most}, which the stack takes")
        return number

    return parse


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("not the name of a Region, like eu-central-1")
    return text


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not a day like 2026-12-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("no day of the calendar") from None


def _words(text: str) -> frozenset[str]:
    words = frozenset(text.split(","))
    if not words <= frozenset(_ONLY):
        raise ValueError(f"not a list, with commas, of {', '.join(_ONLY)}")
    return words
