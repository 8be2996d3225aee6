"""One thread for torch: with more than the machine has to spare, small batches take ten times as long."""

import torch

torch.set_num_threads(1)
