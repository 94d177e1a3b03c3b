"""Imports all makers, which registers them."""

import hostile_archives
import hostile_arrays
import hostile_images
import hostile_links
import hostile_records
import hostile_runs
import hostile_suites
import hostile_texts
import hostile_weights
import hostile_words

__all__ = [
    "hostile_archives", "hostile_arrays", "hostile_images", "hostile_links", "hostile_records",
    "hostile_runs", "hostile_suites", "hostile_texts", "hostile_weights", "hostile_words",
]  # fmt: skip
