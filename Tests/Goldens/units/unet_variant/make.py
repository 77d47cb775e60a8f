"""A UNet with the settings that Stable Diffusion 2 has and 1.5 lacks, on latents of odd sides; made by diffusers 0.35.2
with torch 2.13.0 on a CPU, one thread, float32.

Three resolutions with their own channels, layers, heads and transformer depths, linear projections, attention that up
and down blocks don't share, and a time embedding with sines first and a frequency shift.
"""

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

folder = Path(__file__).parent
torch.set_num_threads(1)
torch.manual_seed(20)
network = UNet2DConditionModel(
    in_channels=3,
    out_channels=3,
    sample_size=8,
    block_out_channels=(8, 12, 16),
    layers_per_block=(1, 2, 1),
    transformer_layers_per_block=(1, 2, 2),
    attention_head_dim=(2, 3, 4),
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=10,
    norm_num_groups=4,
    norm_eps=1e-4,
    use_linear_projection=True,
    upcast_attention=True,
    flip_sin_to_cos=False,
    freq_shift=1,
).eval()
with torch.no_grad():
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            parameter.add_(0.2 * torch.randn_like(parameter))
        parameter.copy_(parameter.half())  # saved in 16 bits, computed in 32
    sample = torch.randn(2, 3, 7, 9)
    condition = torch.randn(2, 5, 10)
    timestep = torch.tensor([901, 3])
    output = network(sample, timestep, condition).sample

network.half().save_pretrained(folder)
tensors = {"sample": sample, "encoder_hidden_states": condition, "timestep": timestep, "output": output}
save_file(tensors, folder / "expected.safetensors")
description = {"what": "one forward pass in float32", "made_by": "make.py", "torch": torch.__version__, "seed": 20}
(folder / "case.json").write_text(json.dumps(description, indent=1) + "\n")
