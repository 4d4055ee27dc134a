"""The stack, one file per construct."""
