"""Files for browsers: templates of pages, styles, scripts, pictures."""
