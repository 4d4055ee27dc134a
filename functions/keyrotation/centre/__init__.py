"""The organization's centre: the accounts' reports come in, one digest goes out; it knows nothing of keys but what they say.

An account is less trusted than whoever reads the digest: nothing of a report is repeated but names, ids, days and numbers
that are what they should be, and every sentence, command and link is made here.
"""
