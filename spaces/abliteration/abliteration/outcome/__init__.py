"""From a request to everything that a room shows: generators that yield the growing data of a figure, `done`
last.

Every number that a visitor might publish is of the report split, which neither the direction nor the kernel
has seen.
"""
