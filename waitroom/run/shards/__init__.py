"""Shards in the settings, and the way from one to another.

`shard` reads the tables `[shards.NAME]`: a process that is told its shard takes that shard's
engines and public address in place of those at the top of the settings, and all else from there.
`sealing` gives each shard keys of its own for what it hands out. `redirecting` leads a request for
a room of another shard to it. `waitroom.desk.shards` tells who knows where a room lives.
"""
