"""The operators' calls for rooms: rules and status, who may join, single places, demonstrations."""
