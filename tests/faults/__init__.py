"""What must hold when things break: the flows as processes (tests/kit/cluster.py), the real receiver, kill -9.

Asserts use what a user could see: the views, the receiver's tally, the topics' bounds. Order is never asserted.
"""
