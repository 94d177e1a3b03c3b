"""The kinds of pages; each module yields the pages of one kind."""
