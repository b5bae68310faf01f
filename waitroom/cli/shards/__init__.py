"""The command that moves a room from one shard to another."""
