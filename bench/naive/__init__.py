"""The plain version of the same idea, to compare with: what one writes in an afternoon.

A queue per answer, one publish per token, one consumer and one channel per viewer, the SDK's models. It keeps nothing
and survives nothing.
"""
