"""A running room as operators watch it: its series, what needs an act, and what a change would do.

The series is read from where the leader writes it. The figures of now go to a screen as server-sent
events, or one by one to a screen whose stream has broken. All screens of a process share one
reading a second. A rehearsal runs in a process of its own, with bounds on time and memory.
"""
