"""Nodes and timelines in a database; builds the snapshot the boot program serves from."""
