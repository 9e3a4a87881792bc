"""Files that `torch.save` wrote, opened so that no code in them runs."""
