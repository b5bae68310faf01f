"""The sessions of an operator: where they are signed in, and how sessions end."""
