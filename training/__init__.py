"""Training: data, augmentation, models, the loop, evaluation and export."""

from training import torchvision_mend

torchvision_mend.mend()  # before anything here imports torchvision or vit-pytorch
