"""Write what our teacher is shown of one image and what it says, 8 x 8 places of every level."""

from __future__ import annotations

import torch
from models import build
from safetensors.torch import save_file
from told import files

from twinspect.data.samples import Sample

options = files(__doc__, "image", "weights", "out").parse_args()
model = build("rd", options.weights)
image = model.read(Sample(options.image, options.image.name))[0][None]
with torch.inference_mode():
    levels = model.method.targets(image)
found = {"image": image, **{f"layer{number}": level for number, level in enumerate(levels, start=1)}}
save_file({name: value[..., :8, :8].contiguous() for name, value in found.items()}, options.out)
