"""What a training needs around its method: optimizer, schedule, averaging, checkpoints, run folder, console."""
