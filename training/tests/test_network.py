"""The network against reference tensors of a tiny random checkpoint. Skipped where PyTorch is not installed."""

import json
import random
import unittest
from pathlib import Path
from unittest import mock

try:
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from llamafusion.documents import Sequencer
    from llamafusion.image import Windows
    from llamafusion.network import LlamaFusion
    from llamafusion.patchifier import ImageConfig
    from llamafusion.text import DRILLS, drill_loss, question_drill
    from recipe.context import Context
    from recipe.llama import build_text_model
    from recipe.mastery import Mastery
    from recipe.noise import object_weights
    from recipe.readers import Naming, Telling
except ImportError:
    torch = None

from shapes.world import Scene, Thing, random_scene

GOLDENS = Path(__file__).resolve().parents[2] / "Tests" / "Goldens" / "llamafusion"
MODEL = Path(__file__).resolve().parents[2] / "models" / "llamafusion-shapes"


@unittest.skipUnless(torch and GOLDENS.exists(), "needs PyTorch and the golden data")
class NetworkTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        cls.config = json.loads((GOLDENS / "checkpoint" / "config.json").read_text())
        image = dict(cls.config["image_config"])
        image["block_out_channels"] = tuple(image["block_out_channels"])
        text = LlamaForCausalLM(LlamaConfig(**cls.config["text_config"], attn_implementation="eager"))
        cls.network = LlamaFusion(text, ImageConfig(**image)).eval()
        cls.network.load_state_dict(load_file(GOLDENS / "checkpoint" / "model.safetensors"))

    @classmethod
    def tearDownClass(cls) -> None:
        torch.set_grad_enabled(True)

    def assert_close(self, actual: "torch.Tensor", expected: "torch.Tensor") -> None:
        self.assertLess((actual - expected).abs().max().item(), 5e-5 * expected.abs().max().item())

    def noise(self, latents: "torch.Tensor", timesteps: "torch.Tensor", context: "Context") -> "torch.Tensor":
        states, kept, _ = self.network.image(latents, timesteps, context)
        return self.network.noise(states, kept)

    def token(self, name: str) -> int:
        return self.config[f"{name}_token_id"]

    def test_guided_noise_equals_the_reference(self) -> None:
        expected = load_file(GOLDENS / "cases" / "text_to_image" / "expected.safetensors")
        _, full = self.network.text(expected["prefix_ids"].reshape(1, 1, -1), None)
        _, null = self.network.text(torch.tensor([[[self.token("bos"), self.token("boi")]]]), None)
        latents = expected["initial_latents"][None, None]
        timestep = expected["timesteps"][:1].float()[None]
        with_prompt, without = (self.noise(latents, timestep, context) for context in (full, null))
        self.assert_close((without + 3.0 * (with_prompt - without))[0, 0], expected["noise_pred_0"])

    def test_answer_logits_equal_the_reference(self) -> None:
        expected = load_file(GOLDENS / "cases" / "caption" / "expected.safetensors")
        _, start = self.network.text(torch.tensor([[[self.token("bos"), self.token("boi")]]]), None)
        latents = expected["source_latents"][None, None]
        _, _, picture = self.network.image(latents, torch.zeros(1, 1), start)
        hidden, _ = self.network.text(torch.tensor([[[self.token("eoi")]]]), start.followed_by(picture))
        self.assert_close(self.network.lm_head(hidden[0, 0, -1]), expected["logits_first"])

    def test_variants_do_not_see_each_other(self) -> None:
        _, start = self.network.text(torch.tensor([[[self.token("bos"), self.token("boi")]]]), None)
        latents = torch.randn(1, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        times = torch.tensor([[0, 500, 900]])
        together, alone = self.noise(latents, times, start), self.noise(latents[:, 1:2], times[:, 1:2], start)
        self.assert_close(together[:, 1:2], alone)

    def test_objects_weigh_more_where_they_stand(self) -> None:
        scenes = [Scene.of("gray", [Thing("circle", "red", "small", "top left")]), random_scene(random.Random(3), 4)]
        weights = object_weights(scenes, 8, torch.device("cpu"))
        self.assertAlmostEqual(weights.mean().item(), 1.0, places=5)
        self.assertGreater(weights[0, 1, 1], 3 * weights[0, 6, 6])
        self.assertGreater((weights[1] > 1).sum(), (weights[0] > 1).sum())

    def test_a_cell_is_told_by_the_tokens_that_it_reaches_into(self) -> None:
        telling = Telling(Windows(32, 16))
        states = torch.randn(1, 16, 32, requires_grad=True)
        with torch.enable_grad():
            (reached,) = torch.autograd.grad(telling.cells(states)[0, 0].sum(), states)
        self.assertEqual(reached[0].abs().sum(1).nonzero().flatten().tolist(), [0, 1, 4, 5])
        loss, right = telling.loss(states, [Scene.of("gray", [Thing("circle", "red", "small", "top left")])])
        self.assertGreater(loss.item(), 0)
        self.assertIn(right.item(), (0.0, 1.0))

    def test_drills_stand_where_pictures_will(self) -> None:
        sequencer = Sequencer(Tokenizer.from_file(str(GOLDENS / "checkpoint" / "tokenizer.json")))
        contexts, rows = question_drill(sequencer, random.Random(1), 6, (2, 4), Mastery())
        self.assertEqual((len(contexts), len(rows)), (6, 6 * DRILLS))
        self.assertEqual({context[-1] for context in contexts}, {sequencer.eoi})
        self.assertTrue(all(sequencer.eos in row.targets for row in rows))
        self.assertTrue(any(row.named for row in rows))
        for row in rows:
            for position, thing in row.named:
                ending = sequencer.tokenizer.decode(row.ids[: position + 1]).lower()
                self.assertTrue(ending.endswith((thing.shape, "object")), ending)

    def test_what_a_name_means_is_read_from_its_own_row(self) -> None:
        sequencer = Sequencer(Tokenizer.from_file(str(MODEL / "tokenizer.json")))
        contexts, rows = question_drill(sequencer, random.Random(1), 2, (3,), Mastery())
        network = LlamaFusion(build_text_model(sequencer.tokenizer, sequencer.bos, sequencer.eos), ImageConfig())
        naming = Naming(network.config.hidden_size)
        with mock.patch.object(naming, "loss", wraps=naming.loss) as read:
            drill_loss(network, sequencer, (contexts, rows), Mastery(), naming, torch.device("cpu"))
        ((found,),) = [call.args for call in read.call_args_list]
        states, things = torch.cat([states for states, _ in found]), [thing for _, named in found for thing in named]
        expected = []
        for number, row in enumerate(rows):
            ids = torch.tensor([[contexts[number // DRILLS] + row.ids]])
            values = network.text(ids, None)[1].values[Naming.LAYER]  # [1, heads, tokens, head size]
            tokens = values[0].transpose(0, 1).flatten(1)[-len(row.ids) :]
            expected += [(thing, tokens[position]) for position, thing in row.named]
        self.assertEqual(len(things), len(expected))
        for thing, state in zip(things, states):
            self.assertTrue(any(thing == other and torch.allclose(state, alone, atol=1e-4) for other, alone in expected))


if __name__ == "__main__":
    unittest.main()
