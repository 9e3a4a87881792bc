import torch
from hypothesis import settings

# Two test processes share two cores; and no test may depend on how busy the machine is.
torch.set_num_threads(1)
settings.register_profile("avel", deadline=None, derandomize=True)
settings.load_profile("avel")
