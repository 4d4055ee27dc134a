"""Why a call failed, in words that are fit to print and cannot carry a secret."""

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

# The one call that carries a secret access key: AWS may quote a parameter that it refuses.
_STORES_KEY = "PutSecretValue"
# What a call through botocore raises when AWS, the network or the credentials are at fault.
CALL_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
# The answers that mean: asked too often, and nothing was done.
THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
)


def cause_of(error: Exception) -> str:
    """`CreateAccessKey: AccessDenied, User ... is not authorized`, or only the kind of error.

    botocore's own errors may quote a request's parameters, a secret among them: only their type is told.
    """
    if not isinstance(error, ClientError):
        return type(error).__name__
    told = error.response.get("Error", {})
    message = "" if error.operation_name == _STORES_KEY else told.get("Message", "")
    return f"{error.operation_name}: {told.get('Code', 'unknown')}, {message}".rstrip(", ")


def is_code(error: Exception, *codes: str) -> bool:
    """True when AWS answered with one of these error codes."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in codes


def refused_before_effect(error: Exception) -> bool:
    """True when AWS answered that it did not do it; False when nobody knows (no answer, or a 5xx)."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return 400 <= status < 500
