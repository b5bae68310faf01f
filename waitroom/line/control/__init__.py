"""What an operator is told of a running room: waits as they were, and what needs an act. Pure."""
