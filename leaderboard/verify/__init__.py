"""Recomputing records from their files, which may be anybody's."""
