"""Checkpoints of others: names and shapes of the released code, translated to ours."""
