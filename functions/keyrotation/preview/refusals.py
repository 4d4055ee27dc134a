"""What AWS, the network or the credentials refuse a person, each in one line that says what to do about it."""

import re

from botocore import exceptions as failure

from keyrotation.causes import THROTTLED, cause_of, is_code

TRIES = 6  # of each call, before it is told
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_REFUSED = ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_UNREACHABLE = (
    failure.EndpointConnectionError,
    failure.ConnectTimeoutError,
    failure.ReadTimeoutError,
    failure.ConnectionClosedError,
    failure.ProxyConnectionError,
)
# A `credential_process` that is not there or fails, a login that needs more than is installed here.
_NO_CREDENTIALS = (failure.CredentialRetrievalError, failure.MissingDependencyException, OSError)
_LOGIN_ENDED = (failure.UnauthorizedSSOTokenError, failure.SSOTokenLoadError, failure.TokenRetrievalError)


def why_failed(error: Exception) -> str:
    """What to do about it stands in the same line; nothing of a request or a key does."""
    if isinstance(error, failure.ProfileNotFound):
        return "there is no such AWS profile: see `aws configure list-profiles`"
    if isinstance(error, failure.PartialCredentialsError):
        return "the AWS credentials are incomplete: an access key id and a secret access key belong together"
    if isinstance(error, failure.NoCredentialsError):
        return "there are no AWS credentials: sign in (`aws sso login`), or set AWS_PROFILE"
    if isinstance(error, failure.NoRegionError):
        return "no AWS Region is set: name the stack's with --region or AWS_REGION"
    if isinstance(error, failure.InvalidRegionError):
        return "AWS_REGION, or the profile's Region, is not the name of a Region, like eu-central-1"
    if isinstance(error, _LOGIN_ENDED) or is_code(error, *_EXPIRED):
        return "the AWS credentials have expired: sign in again"
    if is_code(error, *_REFUSED):
        return "AWS does not know these credentials: the key is deleted, inactive or mistyped"
    if is_code(error, *_DENIED):
        return f"access denied: these credentials lack {_missing(error)}"
    if is_code(error, *THROTTLED):
        return f"AWS throttles this account's calls, {TRIES} times in a row: try again in some minutes"
    if isinstance(error, failure.SSLError):
        return "TLS failed: the endpoint's certificate is not trusted (behind a proxy, set AWS_CA_BUNDLE)"
    if isinstance(error, _UNREACHABLE):
        return "AWS cannot be reached: look at the network, the proxy, the name of the Region and AWS_ENDPOINT_URL"
    # Only now: what fails on the way to AWS is an OSError too.
    if isinstance(error, _NO_CREDENTIALS):
        return f"the AWS credentials could not be had ({type(error).__name__}): see that `aws sts get-caller-identity` works"
    if isinstance(error, ValueError):
        return "AWS_ENDPOINT_URL is no URL: unset it, or begin it with https://"
    return f"AWS could not be asked ({cause_of(error)})"


def _missing(error: Exception) -> str:
    """The action as a policy names it: AWS tells it, and the operation's name says it otherwise."""
    told = cause_of(error)
    if named := re.search(r"perform: ([a-z]+:[A-Za-z]+)", told):
        return named[1]
    operation = told.partition(":")[0]
    services = {"DescribeSecret": "secretsmanager", "Scan": "dynamodb", "AssumeRole": "sts"}
    service = services.get(operation, "iam")
    return f"{service}:{operation}"
