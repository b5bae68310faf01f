"""What browsers fetch: pages, styles, scripts, pictures."""
