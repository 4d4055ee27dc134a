"""Deep links into the AWS console."""

from urllib.parse import quote

_HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def user(name: str, *, partition: str) -> str:
    """Where a user's access keys are."""
    return f"{_iam(partition)}/users/details/{quote(name, safe='')}?section=security_credentials"


def own_credentials(*, partition: str) -> str:
    """Where whoever is signed in, also the root user, finds the own access keys."""
    return f"{_iam(partition)}/security_credentials"


def log(group: str, *, region: str, partition: str) -> str:
    """A log group. CloudWatch encodes what stands behind the `#` twice, with `$` for the outer `%`."""
    encoded = quote(quote(group, safe=""), safe="").replace("%", "$")
    return f"https://{region}.{_host(partition)}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{encoded}"


def section(runbook: str, anchor: str) -> str:
    """A section of the runbook; of a link that names one already, that one."""
    return runbook if "#" in runbook else f"{runbook}#{anchor}"


def _iam(partition: str) -> str:
    return f"https://{_host(partition)}/iam/home#"


def _host(partition: str) -> str:
    return _HOSTS.get(partition, _HOSTS["aws"])
