"""From pictures and words to batches of ids and labels."""
