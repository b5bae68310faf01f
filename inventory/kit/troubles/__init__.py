"""What is the matter with an engine, in one line: what it is, and what to do about it.

A shopper is told one sentence, whatever the cause. Whoever runs the service needs the cause: a full
disk, a wrong password and a slow network are mended in different ways. `trouble` maps the codes of
PostgreSQL (SQLSTATE), the errors of Valkey and those of the operating system to kinds, each with
its advice. Commands print them, and logs carry them as the field `trouble`.
"""

from inventory.kit.troubles.trouble import Trouble, trouble_of, words_of_cause

__all__ = ["Trouble", "trouble_of", "words_of_cause"]
