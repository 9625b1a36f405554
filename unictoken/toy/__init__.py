"""The toy world: pixel-art pets, and everything that knows them.

Generic code reaches it through `hook.py` alone (data/worlds.py says how).
"""
