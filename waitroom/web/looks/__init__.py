"""How rooms look: their stylesheets, and the preview that operators see before shoppers do."""
