"""The `waitroom` program: one module for each group of commands, imported when it is asked for.

A command that fails prints one line and ends with exit code 2, or with one that tells a service
manager whether to try again (`waitroom.run.processes.exits`). Commands about rooms, stock and
operators work on the database directly, with the same stores and bounds as the operators' API.
`docs/settings.md` lists every command.
"""
