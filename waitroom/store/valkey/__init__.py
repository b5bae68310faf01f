"""Valkey on one server, behind sentinels, or as a cluster.

    redis://host:6379                          one server; rediss:// with TLS, unix:// by a socket
    redis+sentinel://a:26379,b:26379/mymaster  the primary that the sentinels name
    redis+cluster://a:6379,b:6379              a cluster; some of its nodes are enough

The client follows a promoted replica and moved slots by itself (`client.py`). Every command, script
and transaction touches one key, so no two keys have to lie on one server. Valkey replicates
asynchronously: what the newest writes said may be forgotten at a failover, and no promise is there.
"""
