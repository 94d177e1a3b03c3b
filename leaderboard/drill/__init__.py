"""What the pages behind a cell show: one run, one task, one method, read from records and their files."""
