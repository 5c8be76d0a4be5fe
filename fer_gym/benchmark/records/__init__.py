"""What a trial leaves behind: one JSON file, and beside it a NumPy file with its arrays."""
