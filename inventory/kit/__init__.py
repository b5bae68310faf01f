"""The few parts that all three packages stand on.

Imports run `waitroom → checkout → inventory`, never back, so what is shared stands in the
innermost package: the tick batcher, refusals as problem+json, signatures, named queries.
"""
