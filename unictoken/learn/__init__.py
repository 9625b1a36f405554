"""Learning a concept: methods as data, examples, one loop for all stages."""
