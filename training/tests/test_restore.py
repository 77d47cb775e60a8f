"""The committed checkpoints as runs to go on from: what is restored from a folder is what is in it. Skipped where PyTorch is not
installed."""

import tempfile
import unittest
from pathlib import Path

try:
    import torch
    from safetensors.torch import load_file
    from torch import nn

    import llamafusion.restore
    import metamorph.restore
    import metaquery.restore
    from llamafusion.image import trained_modules
    from llamafusion.network import LlamaFusion
    from llamafusion.patchifier import ImageConfig
    from llamafusion.text import finished_text_model
    from metamorph.tower import finished_tower
    from metamorph.visualizer import finished_visualizer
    from metamorph.vpit import finished_network
    from metaquery.dcae import finished_dcae
    from metaquery.diffusion import finished_painter
    from metaquery.export import checkpoint_tensors
    from metaquery.mllm import finished_mllm
    from recipe.run import Average, Run, begin_with, finished
    from recipe.vae import finished_vae
except ImportError:
    torch = None

MODELS = Path(__file__).resolve().parents[2] / "models"


@unittest.skipUnless(torch, "needs PyTorch")
class RestoreTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runs = Path(folder.name)

    def assertSame(self, found: "dict[str, torch.Tensor]", source: Path, prefix: str = "") -> None:
        wanted = load_file(source)
        self.assertEqual({prefix + name for name in found}, set(wanted))
        for name, tensor in found.items():
            self.assertTrue(torch.equal(tensor.to(wanted[prefix + name].dtype), wanted[prefix + name]), name)

    def test_llamafusion(self) -> None:
        source = MODELS / "llamafusion-shapes"
        llamafusion.restore.restore(source, self.runs, 0)
        network = LlamaFusion(finished_text_model(self.runs / "text")[0], ImageConfig())
        finished(trained_modules(network), self.runs / "image")
        self.assertSame(network.state_dict(), source / "model.safetensors")
        self.assertSame(finished_vae(self.runs / "vae").state_dict(), source / "vae" / "diffusion_pytorch_model.safetensors")

    def test_metamorph(self) -> None:
        source = MODELS / "metamorph-shapes"
        metamorph.restore.restore(source, self.runs, 0, reading_steps=60)
        self.assertSame(finished_network(self.runs)[0].state_dict(), source / "model.safetensors")
        vision, _ = finished_tower(self.runs)
        self.assertSame(vision.state_dict(), source / "siglip" / "model.safetensors")
        visualizer = finished_visualizer(self.runs)
        self.assertSame(visualizer.unet.state_dict(), source / "visualizer" / "unet_checkpoint.safetensors")
        self.assertSame(visualizer.adapter.state_dict(), source / "visualizer" / "adapter_checkpoint.safetensors")
        self.assertSame(finished_vae(self.runs / "vae").state_dict(), source / "diffusion" / "vae" / "diffusion_pytorch_model.safetensors")

    def test_metaquery(self) -> None:
        sources = [MODELS / "metaquery-shapes", MODELS / "metaquery-sd-shapes"]
        metaquery.restore.restore(sources, self.runs, 0)
        mllm, _ = finished_mllm(self.runs)
        autoencoders = {"sana": finished_dcae(self.runs / "dcae"), "sd": finished_vae(self.runs / "vae")}
        for kind, source in zip(("sana", "sd"), sources):
            decoder, queries = finished_painter(self.runs, kind)
            self.assertSame(checkpoint_tensors(mllm, queries, decoder, autoencoders[kind]), source / "model.safetensors")
        self.assertSame({"language_model.lm_head.weight": mllm.lm_head.weight}, sources[0] / "mllm" / "model.safetensors")

    def test_a_run_begins_at_step_0_and_saves_an_optimizer(self) -> None:
        begin_with(self.runs, "layer", nn.Linear(2, 2))
        with self.assertRaisesRegex(SystemExit, "has a run already"):
            begin_with(self.runs, "layer", nn.Linear(2, 2))
        for steps in (1, 2):
            layer = nn.Linear(2, 2)
            average = Average(layer, 0.9)
            optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
            run = Run(self.runs, {"layer": layer, "average": average.module}, optimizer)
            self.assertEqual(run.step, steps - 1)
            self.assertEqual(run.objects(10, (0.1, 0.5, 0.9)), 4, "a restored run has had the easy lessons")
            run.advance(layer(torch.ones(1, 2)).sum(), layer, average, every=100)
            run.save()

    def test_a_run_from_nothing_begins_with_one_object(self) -> None:
        layer = nn.Linear(2, 2)
        run = Run(self.runs, {"layer": layer}, torch.optim.AdamW(layer.parameters()))
        counts = []
        for run.step in range(10):
            counts.append(run.objects(10, (0.1, 0.5, 0.9)))
        self.assertEqual(counts, [1, 2, 2, 2, 2, 3, 3, 3, 3, 4])


if __name__ == "__main__":
    unittest.main()
