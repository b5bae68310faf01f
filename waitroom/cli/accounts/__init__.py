"""Commands for accounts and keys. `noting` writes what they do to the log of security events."""
