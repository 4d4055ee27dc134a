"""Hints: what else is known of who manages a user or uses its keys, for people. They never change what is done.

Known from what a run has read anyway: tags, last uses, memory, and CloudTrail's records of keys that somebody is asked about.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from keyrotation.decide.tags import PREFIX
from keyrotation.model import Key, Use, User


class Sign(StrEnum):
    """What a hint is about; machines read it."""

    SMTP = "ses-smtp"
    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"
    PULUMI = "pulumi"
    CROSSPLANE = "crossplane"
    VAULT = "vault"
    GITHUB = "github-actions"
    OTHER_TOOL = "another-tool"


@dataclass(frozen=True, kw_only=True)
class Hint:
    """`text`: whole sentences that say what to do, with nothing in them that people wrote."""

    sign: Sign
    text: str


_Table = tuple[tuple[re.Pattern[str], Sign, str], ...]


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z]){word}(?![a-z])", re.IGNORECASE)


_LET_ONE_DO_IT = "must not manage its access keys: otherwise exempt the user"
# By tags, each as `key=value`. CloudFormation sets its own on few users (docs/field-cases.md).
_MANAGED_BY: _Table = (
    (
        re.compile(r"aws:cloudformation:"),
        Sign.CLOUDFORMATION,
        (
            "A CloudFormation stack made this user. If the stack makes its access key too (AWS::IAM::AccessKey), it still hands "
            "out the old one: take the key out of the stack, or exempt the user."
        ),
    ),
    (
        _word("(terraform|opentofu)"),
        Sign.TERRAFORM,
        (
            f"Its tags say that Terraform manages this user. Terraform has to ignore tags that begin with {PREFIX} (ignore_tags), "
            f"and {_LET_ONE_DO_IT}."
        ),
    ),
    (
        _word("pulumi"),
        Sign.PULUMI,
        (
            "Its tags say that Pulumi manages this user. Pulumi has to ignore changes of its tags (ignoreChanges), and "
            f"{_LET_ONE_DO_IT}."
        ),
    ),
    (
        re.compile(r"crossplane-(kind|name|providerconfig)="),
        Sign.CROSSPLANE,
        f"Its tags say that Crossplane manages this user. Crossplane {_LET_ONE_DO_IT}.",
    ),
)
_WHERE = "Put the new key where that gets its credentials from (docs/consumers.md has recipes)."
# By the program, as CloudTrail recorded it.
_USED_BY: _Table = (
    (
        re.compile(r"vaultproject\.io"),
        Sign.VAULT,
        (
            "Vault uses a key of this user. It can rotate it by itself, and then deletes the key before: let one of the two do "
            "it. Exempt the user, or give Vault a role."
        ),
    ),
    (
        re.compile("configure-aws-credentials-for-github-actions"),
        Sign.GITHUB,
        (
            "GitHub Actions uses a key of this user. Put the new key into the secrets of the repository, or better use a role by "
            "OIDC (docs/consumers.md has both)."
        ),
    ),
    (_word("terraform"), Sign.TERRAFORM, f"Terraform runs with a key of this user. {_WHERE}"),
    (_word("pulumi"), Sign.PULUMI, f"Pulumi runs with a key of this user. {_WHERE}"),
    (_word("crossplane"), Sign.CROSSPLANE, f"Crossplane runs with a key of this user. {_WHERE}"),
)
_SMTP_USER = "ses-smtp-user."  # how SES's own console calls them


def hints_of(user: User, uses: Iterable[Use] = ()) -> tuple[Hint, ...]:
    """All that is known, each once. `uses`: what CloudTrail recorded of the user's keys, where it was asked."""
    found = [*_smtp(user), *_managed(user.tags, user.keys), *_used(uses), *_other_tool(user)]
    return tuple(dict.fromkeys(found))


def _smtp(user: User) -> Iterator[Hint]:
    services = {key.use.service for key in user.keys if key.asked and key.use}
    if "ses" in services or user.name.startswith(_SMTP_USER):
        yield Hint(
            sign=Sign.SMTP,
            text="It sends mail with SES. A program that sends by SMTP holds a password that is derived from the key: derive "
            "another one from the new key (access-key-follow smtp, see docs/consumers.md), and use the new key's id as the "
            "user name. The password alone fetches no key: a role of SecretReaderArns can, or the owner in the console.",
        )


def _managed(tags: Mapping[str, str], keys: Iterable[Key]) -> Iterator[Hint]:
    # The description of a key, which the console keeps under its id, and what people tell this system say nothing of it.
    ids = {key.id for key in keys}
    told = [f"{key}={value}" for key, value in tags.items() if key not in ids and not key.startswith(PREFIX)]
    yield from _by(_MANAGED_BY, told)


def _used(uses: Iterable[Use]) -> Iterator[Hint]:
    yield from _by(_USED_BY, [use.user_agent for use in uses])


def _by(table: _Table, words: list[str]) -> Iterator[Hint]:
    for pattern, sign, text in table:
        if any(pattern.search(each) for each in words):
            yield Hint(sign=sign, text=text)


def _other_tool(user: User) -> Iterator[Hint]:
    if user.memory.vanished is not None:
        yield Hint(
            sign=Sign.OTHER_TOOL,
            text="Vault (rotate-root), Boundary (rotation of credentials), Terraform, Pulumi, Crossplane and CloudFormation "
            "delete keys of users that they manage. CloudTrail has the event DeleteAccessKey, with who did it.",
        )
