"""How the functions' clients reach AWS: at AWS's own endpoints, and by no proxy."""

from botocore.config import Config

# Whoever may change a function's environment and nothing else must not be able to have requests, new keys among them, go by
# way of a server of theirs: AWS_ENDPOINT_URL and its like, and HTTPS_PROXY, count for nothing.
STRAIGHT = Config(ignore_configured_endpoint_urls=True, proxies={})  # type: ignore[call-arg]  # the stubs have not heard of it
