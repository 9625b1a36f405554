"""Learning a concept: methods as data, examples, one loop for all stages.

The package can be called: `unictoken.learn(base, "data/bo", name="bo")` is `unictoken.api.learn`.
"""
