"""The consumer's command, `access-key-follow`: it keeps a program's key the one that the rotation issued last.

It runs on the consumer's machine (Python 3.9 and newer), never in the Lambda functions: it knows nothing of them, and
imports nothing else of this product. In comes the store of a key, out goes that key or the one after it.
"""
