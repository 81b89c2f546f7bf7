"""Write what anomalib's teacher is shown of one image and what it says, 8 x 8 places of every level."""

from __future__ import annotations

import torch
from anomalib.data.utils import read_image
from models import build
from safetensors.torch import save_file
from told import files

options = files(__doc__, "image", "weights", "out").parse_args()
model = build("rd", options.weights).eval()
image = model.pre_processor.transform(read_image(options.image, as_tensor=True)[None])
with torch.inference_mode():
    levels = model.model.encoder(image)
found = {"image": image, **levels}
save_file(
    {name: torch.as_tensor(value)[..., :8, :8].contiguous() for name, value in found.items()}, options.out
)
