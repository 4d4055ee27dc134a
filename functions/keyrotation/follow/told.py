"""What may be said about a failure: never a text of unknown origin, as that might quote a secret."""


class Told(Exception):
    """A failure of this program's; the message is ours, and fit to print."""


def described(error: BaseException) -> str:
    """Our own words; the system's for what a file or a process met; of anything else only what it is."""
    if isinstance(error, Told):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return type(error).__name__
