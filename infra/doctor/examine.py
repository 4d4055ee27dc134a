"""Looks at everything. What cannot be read stops nothing else, and is told as not seen."""

from collections.abc import Callable, Iterable, Iterator

from botocore.exceptions import ClientError
from keyrotation.causes import CALL_ERRORS, cause_of

from infra.doctor.findings import Finding, fail, not_seen
from infra.doctor.reads import READS
from infra.doctor.template import Unresolved

# What there is to look at, by its name on the page, and how.
Look = tuple[str, Callable[[], Iterable[Finding]]]

_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "403",
    "UnauthorizedOperation",
)
# What AWS answers where there is nothing of that name.
_GONE = (
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchEntity",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
)
_MAKE_ANEW = (
    "# CloudFormation does not make anew what somebody deleted: delete the stack and deploy it again. "
    "What that keeps: docs/updating.md"
)


def findings(looks: Iterable[Look]) -> Iterator[Finding]:
    """In the order in which they are looked at."""
    for what, look in looks:
        try:
            yield from look()
        except ClientError as error:
            yield _refused(what, error)
        except (*CALL_ERRORS, Unresolved, OSError, KeyError, ValueError) as error:
            yield not_seen(what, f"could not be looked at ({type(error).__name__}: {error})")


def _refused(what: str, error: ClientError) -> Finding:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        # HeadBucket is answered without a reason: a bucket of somebody else's, or a permission that is missing.
        needed = READS[error.operation_name]
        return not_seen(what, f"{error.operation_name} is denied", f"# needs {needed}: docs/permissions.md")
    if code in _GONE:
        return fail(what, f"is gone ({error.operation_name}: {code})", _MAKE_ANEW)
    return not_seen(what, f"could not be looked at ({cause_of(error)})")
