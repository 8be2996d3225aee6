"""Start of the classify function: ``gunicorn -c functions/classify/gunicorn.conf.py functions.classify.wsgi:app``."""

from __future__ import annotations

import torch

from cosmoformer import logs, settings
from cosmoformer.cpus import cpu_limit
from functions.classify.app import create_app

_settings = settings.load()
logs.configure(_settings.log_level)
# More threads than the container may use cost each prediction ten times the CPU.
torch.set_num_threads(_settings.torch_threads or cpu_limit())
app = create_app(_settings)
