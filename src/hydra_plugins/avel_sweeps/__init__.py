"""How `run.py -m` sweeps. Hydra finds sweepers in `hydra_plugins` only; like run.py, this package knows Hydra."""
