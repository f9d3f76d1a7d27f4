"""Networks: small ones for images of 28 x 28 pixels and for tables, and well-known ones under their first weight names.

`resnet18`, `vgg16`, `mobilenet_v2` and `efficientnet_b0` have torchvision's names, `vit_tiny` and `vit_small` timm's,
`bert` those of transformers' BertModel, `gpt` nanoGPT's: ``model.load_state_dict(load(file))`` takes weights from a
safetensors file of the user's own. Nothing is downloaded.
"""

from .convolutional import efficientnet_b0, mobilenet_v2, resnet18, resnet34, resnet50, unet, vgg11, vgg13, vgg16, vgg19
from .small import convnet, lenet, mlp, weight_decay_groups
from .tables import tabular
from .transformers import bert, gpt, vit_small, vit_tiny

__all__ = [
    "bert",
    "convnet",
    "efficientnet_b0",
    "gpt",
    "lenet",
    "mlp",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "tabular",
    "unet",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vit_small",
    "vit_tiny",
    "weight_decay_groups",
]
