"""Who looks, and at which account."""

from collections.abc import Iterator

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, note, ok
from infra.doctor.stack import Stack


def looks(stack: Stack) -> Iterator[Look]:
    yield "caller", lambda: _caller(stack)
    yield "account", lambda: _account(stack)


def _caller(stack: Stack) -> Iterator[Finding]:
    caller = stack.client("sts").get_caller_identity()["Arn"]
    if caller.endswith(":root"):
        yield note("caller", f"{caller}: use a role that may read, not the root user")
    else:
        yield ok("caller", caller)


def _account(stack: Stack) -> Iterator[Finding]:
    aliases = stack.client("iam").list_account_aliases().get("AccountAliases", [])
    alias = aliases[0] if aliases else "no alias"
    yield ok("account", f"{stack.account} ({alias}), Region {stack.region}")
