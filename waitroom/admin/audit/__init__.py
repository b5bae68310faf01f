"""Records for people: sentences, screens with filters, files.

`audit` shows operators' actions and `security` security events, each with its sentences in a module
of its own. `suspicions` shows the networks that stand out in a room, and takes their places away.
"""
