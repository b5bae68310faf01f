"""Gates over HTTP: passes that sites verify by themselves."""
