"""Whoever may change a function's environment, and not its code, gets none of its requests."""

import inspect
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from botocore.client import BaseClient
from keyrotation.act.secret_store import NewKey

from tests.component.account import NOW, REGION
from tests.component.deployment import Deployment

ELSEWHERE = "https://relay.example.com"
ASIDE = {
    "AWS_ENDPOINT_URL": ELSEWHERE,
    **{
        f"AWS_ENDPOINT_URL_{service}": ELSEWHERE
        for service in (
            "IAM",
            "SECRETS_MANAGER",
            "STS",
            "SNS",
            "SQS",
            "DYNAMODB",
            "EVENTBRIDGE",
            "CLOUDTRAIL",
        )
    },
    "HTTP_PROXY": ELSEWHERE,
    "HTTPS_PROXY": ELSEWHERE,
    "https_proxy": ELSEWHERE,
    "ALL_PROXY": ELSEWHERE,
}


def clients_of(module: Any) -> dict[str, Any]:
    found = {name: each for name, each in inspect.getmembers(module) if isinstance(each, BaseClient)}
    if hasattr(module, "sts_for"):
        found["sts"] = module.sts_for(NewKey(id="AKIANEW", secret="x", created=NOW))
        found["trail"] = module.trail_in(REGION)
        found["table"] = module.table.client
    return found


@pytest.mark.parametrize("function", ["scanner", "rotator"])
def test_no_variable_leads_a_request_elsewhere(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, function: Literal["scanner", "rotator"]
) -> None:
    for name, value in ASIDE.items():
        monkeypatch.setenv(name, value)
    clients = clients_of(deployment.load(function))
    assert len(clients) >= 2
    for client in clients.values():
        host = urlsplit(client.meta.endpoint_url).hostname
        assert host.endswith(".amazonaws.com")
        # None would be: whatever the environment says.
        assert client._endpoint.http_session._proxy_config._proxies == {}
        client.close()
