"""The operators' calls for rooms: rules, status, admission, single places, demonstrations."""
