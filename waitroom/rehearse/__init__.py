"""Sales played before they happen, on the very objects that decide in production."""
