"""What commands say and choose before `avel` works. Like run.py, this package knows Hydra; none of it imports torch."""
