"""What commands say and choose before `avel` works. Like run.py, this package knows Hydra and starts without torch."""
