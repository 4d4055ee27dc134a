"""`make doctor`: whether the deployed stack is healthy, and is what this checkout deploys. It only reads.

Comes in: a client for each service, and the cloud assembly of this checkout. Goes out: findings, plain data (findings.py).
Each module of checks has a function `looks`: what there is to look at, each by its name, and how. What could not be read is
told as not seen, and the others are looked at all the same (examine.py).
"""
