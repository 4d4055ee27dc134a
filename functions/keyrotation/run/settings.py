"""What each function reads from its environment: complete or not at all."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from keyrotation.model import OWNER_TAG_KEYS
from keyrotation.policy import Policy, PolicyError, parameter_name

# Beside the policy, the settings that a person sets, and that bear their parameter's name.
_OF_THE_STACK = ("user_path_prefix", "secret_reader_arns", "secrets_kms_key_arn", "owner_tag_keys")
_TOPICS = ("topic_arn", "owners_topic_arn", "chat_topic_arn")
# Letters, digits and the marks that IAM allows in the key of a tag.
_TAG_KEY = re.compile(r"[A-Za-z0-9 _.:/=+@-]{1,128}")
_MOST_TAG_KEYS = 5
# The printable characters of IAM's paths but `*`, `?` and `$`: in a policy's ARN they would be more than themselves.
_IN_PATH = r"[!-#%-)+->@-~]"
# Narrower than IAM's: it also stands in commands that people copy.
_PATH = re.compile(r"/|/[A-Za-z0-9_+=,.@/-]{1,510}/")
_PRINCIPAL = re.compile(
    rf"arn:aws[a-z-]*:iam::[0-9]{{12}}:(user|role)/({_IN_PATH}{{1,510}}/)?[A-Za-z0-9_+=.@-]{{1,64}}"
)
# Of Lambda's 4 KB of environment: an ARN has about a hundred characters at the most.
_MOST_READERS = 20
# Lambda takes 4,096 bytes of names and values; all the others take 1,800 at their longest.
_LONGEST_READERS = 2200
_KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")


class SettingsError(ValueError):
    """The environment is refused; the message names every variable or parameter at fault, one a line."""


class Mode(StrEnum):
    """Audit looks and reports, and its role could do no more; Enforce acts."""

    AUDIT = "Audit"
    ENFORCE = "Enforce"


class Notify(StrEnum):
    """Which runs send a mail. Whatever this says, a run that gives a notice does."""

    CHANGES = "Changes"
    PROBLEMS = "Problems"
    ALWAYS = "Always"


@dataclass(frozen=True, kw_only=True)
class ScannerSettings:
    """Each field but the policy is the environment variable of that name."""

    policy: Policy
    mode: Mode
    user_path_prefix: str
    orders_queue_url: str
    table_name: str

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "ScannerSettings":
        """Raises SettingsError."""
        parsers: dict[str, Callable[[str], object]] = {
            "mode": _one_of(Mode),
            "user_path_prefix": iam_path,
            "orders_queue_url": _text,
            "table_name": _text,
        }
        return cls(**_read(environment, parsers))


@dataclass(frozen=True, kw_only=True)
class RotatorSettings:
    """Each field but the policy is the environment variable of that name.

    `secrets_kms_key_arn` None: AWS's own key. `runbook_url`: a link, or where to look. Where it tells: three topics, for
    on-call, owners and chat; or in a member of an organization `centre`, the account that keeps the reports. What is not
    there is None.
    """

    policy: Policy
    mode: Mode
    notify: Notify
    runbook_url: str
    log_group_name: str
    user_path_prefix: str
    secret_reader_arns: tuple[str, ...]
    secrets_kms_key_arn: str | None
    aws_region: str
    orders_queue_url: str
    orders_queue_arn: str
    table_name: str
    rotator_role_arn: str
    function_timeout_seconds: int
    owner_tag_keys: tuple[str, ...] = OWNER_TAG_KEYS
    topic_arn: str | None = None
    owners_topic_arn: str | None = None
    chat_topic_arn: str | None = None
    centre: str | None = None

    @property
    def account(self) -> str:
        return self.rotator_role_arn.split(":")[4]

    @property
    def order_hidden_seconds(self) -> int:
        """The visibility timeout of the orders queue: six times the function's timeout, as Lambda asks."""
        return 6 * self.function_timeout_seconds

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.rotator_role_arn.split(":")[1]

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "RotatorSettings":
        """Raises SettingsError."""
        parsers: dict[str, Callable[[str], object]] = {
            "mode": _one_of(Mode),
            "notify": _one_of(Notify),
            "runbook_url": _text,
            "log_group_name": _text,
            "user_path_prefix": iam_path,
            "secret_reader_arns": principals,
            "secrets_kms_key_arn": _kms_key,
            "aws_region": _text,
            "orders_queue_url": _text,
            "orders_queue_arn": _arn,
            "table_name": _text,
            "owner_tag_keys": tag_keys,
            **({"centre": account_id} if "CENTRE" in environment else dict.fromkeys(_TOPICS, _arn)),
            "rotator_role_arn": _arn,
            "function_timeout_seconds": _positive,
        }
        settings = cls(**_read(environment, parsers))
        refuse_strangers(
            settings.secret_reader_arns, account=settings.account, kms_key_arn=settings.secrets_kms_key_arn
        )
        return settings


def refuse_strangers(readers: Iterable[str], *, account: str, kms_key_arn: str | None) -> None:
    """Raises SettingsError for readers of another account that could read nothing: AWS's own key is for one account alone."""
    strangers = [arn for arn in readers if arn.split(":")[4] != account]
    if strangers and kms_key_arn is None:
        raise SettingsError(
            f"SecretReaderArns names {', '.join(strangers)}, of another account than {account}: that can be meant only with "
            "SecretsKmsKeyArn, since secrets under AWS's own key are not read from elsewhere"
        )


def _read(environment: Mapping[str, str], parsers: Mapping[str, Callable[[str], object]]) -> dict[str, Any]:
    """The values by field, the policy among them; every problem is collected before it raises."""
    days = [each.name for each in fields(Policy)]
    values: dict[str, Any] = {}
    problems = []
    for name, parser in {**dict.fromkeys(days, whole_number), **parsers}.items():
        variable = name.upper()
        try:
            values[name] = parser(environment[variable])
        except KeyError:
            problems.append(f"{variable} is missing")
        except ValueError as refused:
            parameter = f" (parameter {parameter_name(name)})" if name in (*days, *_OF_THE_STACK) else ""
            problems.append(f"{variable}{parameter} is {environment[variable]!r}: {refused}")
    if problems:
        raise SettingsError("\n".join(problems))
    try:
        policy = Policy(**{name: values.pop(name) for name in days})
    except PolicyError as refused:
        raise SettingsError(str(refused)) from None
    return {**values, "policy": policy}


def region_of(environment: Mapping[str, str]) -> str | None:
    """Where a person's commands go, as the CDK CLI reads it: of AWS_REGION botocore knows nothing. None: the profile's."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")


def whole_number(text: str) -> int:
    """Of a parameter. Raises ValueError."""
    # CloudFormation hands a Number on as it was typed: 90 may come as 90.0.
    if not re.fullmatch(r"-?[0-9]{1,6}(\.0+)?", text):
        raise ValueError("not a whole number")
    return int(float(text))


def _positive(text: str) -> int:
    number = whole_number(text)
    if number <= 0:
        raise ValueError("not a positive number")
    return number


def _text(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


def account_id(text: str) -> str:
    """The number of an AWS account. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{12}", text):
        raise ValueError("not the 12 digits of an AWS account")
    return text


def _arn(text: str) -> str:
    if not re.fullmatch(r"arn:[^:]+:[^:]+:[^:]*:[0-9]{12}:.+", text):
        raise ValueError("not an ARN with an account")
    return text


def iam_path(text: str) -> str:
    """UserPathPrefix. Raises ValueError."""
    if not _PATH.fullmatch(text):
        raise ValueError(
            "not an IAM path: it begins and ends with a slash, between letters, digits and _+=,.@-"
        )
    return text


def principals(text: str) -> tuple[str, ...]:
    """SecretReaderArns. Raises ValueError."""
    arns = tuple(text.split(",")) if text else ()
    if len(arns) > _MOST_READERS:
        raise ValueError(f"more than {_MOST_READERS}: a function's environment holds no more")
    if len(text) > _LONGEST_READERS:
        raise ValueError(
            f"more than {_LONGEST_READERS} characters together: a function's environment holds no more"
        )
    for arn in arns:
        if not _PRINCIPAL.fullmatch(arn):
            raise ValueError(f"{arn!r} is not the ARN of one IAM user or role")
    return arns


def tag_keys(text: str) -> tuple[str, ...]:
    """OwnerTagKeys. Raises ValueError."""
    keys = tuple(text.split(",")) if text else ()
    if len(keys) > _MOST_TAG_KEYS:
        raise ValueError(f"more than {_MOST_TAG_KEYS} tag keys")
    for key in keys:
        if not _TAG_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not the key of a tag of an IAM user")
    return keys


def _kms_key(text: str) -> str | None:
    if text and not _KMS_KEY.fullmatch(text):
        raise ValueError("not the ARN of a KMS key (of the key itself: an alias can be moved)")
    return text or None


def _one_of(words: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        try:
            return words(text)
        except ValueError:
            raise ValueError(f"not one of {', '.join(words)}") from None

    return parse
