"""Decide: one user, the policy and the day come in; a plan of typed actions and items goes out.

Pure: no clock, no environment, no clients, and no words for people beyond a reason.
"""
