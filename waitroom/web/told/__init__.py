"""The public log and the fairness report in words, in a shopper's language. Pure.

The log's exact text stands beside the words on its page, since a check needs it.
"""
