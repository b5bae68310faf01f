"""Rooms that live in another shard: a part of the service with servers of its own.

A shard is a whole service: web workers, a leader, its own PostgreSQL and its own Valkey. Shards
share their settings and their signing keys, and nothing that can be busy or away, so neither a
fault nor a crowd of one reaches another.

The setting `shards` gives each room to one of them (`shard_map`). Where a room lives is not for the
setting to say, though: a room lives where its rows are. A shard serves the rooms that its database
has, and a room may only be made in the shard to which the setting gives it. It leads requests for
all other rooms on to their shard (`homes`), so an old link or a printed code always works. A room
that moved (`waitroom.store.shards`) is led to where its database says, whatever the setting does.
"""
