"""Commands that look and change nothing: whether machine, engines and settings are fit."""
