"""What every other part stands on: errors, files, settings, texts and picture files. Nothing here
imports torch.
"""
