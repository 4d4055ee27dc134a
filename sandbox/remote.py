"""The controls of a running emulator, typed: time, faults, pages, and what it has seen."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sandbox.controls import Call, Mail, Page
from sandbox.emulator import CONTROL_PATH
from sandbox.launch import Emulator


class Remote:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    @contextmanager
    def seed_clock(self, *, days_ago: float) -> Iterator[None]:
        """Within the block IAM's clock is back: what is created there is that old."""
        self._set("clock", seconds_ago=timedelta(days=days_ago).total_seconds())
        try:
            yield
        finally:
            self._set("clock", seconds_ago=0)

    def set_last_used(
        self, key_id: str, *, at: datetime, service: str = "s3", region: str = "us-east-1"
    ) -> None:
        """Say when, with what and where a key was last used; `at` has a time zone."""
        self._set("last-used", key_id=key_id, at=at.isoformat(), service=service, region=region)

    def clear_last_used(self, key_id: str) -> None:
        """As if the key had never been used."""
        self._set("last-used", key_id=key_id, at=None)

    @contextmanager
    def fail(
        self,
        action: str,
        *,
        code: str,
        status: int = 400,
        times: int = 1,
        where: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Within the block an allowed `iam:CreateAccessKey` (say) fails that often, for any caller.

        `where` limits it to requests with these parameters, such as {"UserName": "alice"}.
        """
        self._set("fail", action=action, code=code, status=status, times=times, where=dict(where or {}))
        try:
            yield
        finally:
            self._set("heal", action=action)

    @contextmanager
    def page_size(self, action: str, size: int) -> Iterator[None]:
        """Within the block a list, such as `ListUsers`, comes in pages no larger than this."""
        self._set("page-size", action=action, size=size)
        try:
            yield
        finally:
            self._set("page-size", action=action, size=None)

    def pages(self) -> dict[Page, int]:
        """How often each page of a list was fetched since `forget`."""
        return {Page(**page["page"]): page["fetched"] for page in self._get("pages")}

    def calls(self, *, principal: str) -> list[Call]:
        """What a user or a role (by ARN, for all its sessions) has asked for since `forget`, in order."""
        return [Call(**call) for call in self._get("calls") if call["principal"] == principal]

    def forget(self) -> None:
        """Start the records of calls and pages anew."""
        self._set("forget")

    def mails(self, *, to: str) -> list[Mail]:
        """Everything sent to an address that a topic has as an email subscription, in order."""
        return [Mail(**mail) for mail in self._get("mails") if mail["to"] == to]

    def _set(self, control: str, **request: Any) -> None:
        self._ask(control, request)

    def _get(self, control: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._ask(control, {})
        return answer

    def _ask(self, control: str, request: Mapping[str, Any]) -> Any:
        body = json.dumps(request).encode()
        return json.loads(self._emulator.request("POST", CONTROL_PATH + control, body))
