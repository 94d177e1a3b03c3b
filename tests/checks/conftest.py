"""Cheats and honest examples are imported by those who check them alone: each registers a method."""

collect_ignore = ["cheats", "honest"]
