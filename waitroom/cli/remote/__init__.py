"""Commands that call a service over HTTP."""
