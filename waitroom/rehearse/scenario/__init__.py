"""The subject of a rehearsal: a scenario in TOML, or a recorded log.

A scenario has the room's rules, the stock and the crowd. Keys that a file leaves out have the
values of `drop.toml`; an unknown key is refused with the nearest known one. A variant names what is
compared: a policy, or a setting that differs. The command puts a real room's rules and stock into a
scenario; nothing here knows a database.
"""
