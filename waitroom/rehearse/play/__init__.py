"""Playing one sale: the simulated world around production's own decisions."""
