"""The MetaMorph recipe against the golden data of the official code: sequences, networks, greedy decoding, exported names.
Skipped where PyTorch is not installed."""

import json
import random
import tempfile
import unittest
from pathlib import Path

from tests.names import golden_names, patterns

try:
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from torch.nn import functional as F
    from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

    from metamorph import export, lessons, pool, tower, vpit
    from llamafusion import documents
    from metamorph.network import MetaMorph, build_text_model, pretrained_text_model
    from metamorph.sample import Sampler
    from metamorph.sequences import MARKER_WEIGHT, PLACEHOLDER, VISUAL, Chat, collate
    from metamorph.tokenizer import SPECIALS, train_tokenizer
    from metamorph.visualizer import ADAPTER_CONFIG, SimplifiedSigLIPProjector, Visualizer
    from recipe import llama
    from recipe.readers import Readers
except ImportError:
    torch = None

GOLDENS = Path(__file__).resolve().parents[2] / "Tests" / "Goldens" / "metamorph"
CHECKPOINT = GOLDENS / "checkpoint_metamorph"
TOWER = GOLDENS / "components" / "google" / "siglip-so400m-patch14-384"


def case(name: str) -> dict[str, object]:
    return json.loads((GOLDENS / "cases" / name / "case.json").read_text())


def expected(name: str) -> "dict[str, torch.Tensor]":
    return load_file(GOLDENS / "cases" / name / "expected.safetensors")


@unittest.skipUnless(torch and CHECKPOINT.exists(), "needs PyTorch and the golden data")
class GoldenTests(unittest.TestCase):
    """The recipe's code with the golden weights."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        cls.config = json.loads((CHECKPOINT / "config.json").read_text())
        text = LlamaForCausalLM(LlamaConfig(**cls.config, attn_implementation="eager"))
        cls.network = MetaMorph(text, cls.config["mm_hidden_size"]).eval()
        index = json.loads((CHECKPOINT / "model.safetensors.index.json").read_text())["weight_map"]
        tensors = {k: v.float() for file in set(index.values()) for k, v in load_file(CHECKPOINT / file).items()}
        cls.names = set(tensors)
        unread = ("model.vision_tower.", "model.vision_proj.")
        cls.network.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(unread)})
        cls.chat = Chat(Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json")), cls.config["num_image_tokens"])

    @classmethod
    def tearDownClass(cls) -> None:
        torch.set_grad_enabled(True)

    def assert_close(self, actual: "torch.Tensor", wanted: "torch.Tensor") -> None:
        self.assertEqual(actual.shape, wanted.shape)
        self.assertLess((actual - wanted).abs().max().item(), 5e-5 * wanted.abs().max().item())

    def test_prompts_have_the_official_ids(self) -> None:
        chat = Chat(self.chat.tokenizer, 1)  # golden ids have one placeholder for a whole picture
        for name in ("understand", "two_frames", "placeholder", "transform", "text_to_image"):
            with self.subTest(name):
                golden = case(name)
                pictures = list(range(len(golden.get("images", []))))
                row = chat.prompt(pictures, golden["user_text"])
                self.assertEqual(row.ids, golden["input_ids"])
                self.assertFalse(any(row.weights), "nothing of a prompt is learned")

    def test_visual_tokens_equal_the_official_features(self) -> None:
        vision = SiglipVisionModel(SiglipVisionConfig(**json.loads((TOWER / "config.json").read_text())["vision_config"]))
        names = golden_names(TOWER / "model.safetensors")
        weights = load_file(TOWER / "model.safetensors")
        vision.load_state_dict({k: weights[k] for k in names if k.startswith("vision_model.")})
        golden = expected("understand")
        patches = tower.encode(vision.eval().vision_model, golden["pixel_values"])
        self.assert_close(patches, golden["vision_selected"])
        self.assert_close(tower.visual_tokens(patches, 64), golden["vision_features"])

    def test_inputs_and_states_equal_the_official_ones(self) -> None:
        golden = expected("understand")
        batch = collate([self.chat.prompt([0], case("understand")["user_text"])], 64)
        embedded = self.network.embed(batch, golden["vision_features"][0])
        self.assert_close(embedded[0], golden["inputs_embeds"])
        hidden, _ = self.network.walk(embedded[:, None])
        self.assert_close(hidden[0, 0], golden["hidden_states_prompt"])

    def test_greedy_replies_equal_the_official_ones(self) -> None:
        sampler = Sampler(self.network, self.chat, None, None, None, 1.0)
        names = ("text_to_image", "understand", "transform")
        rows, tokens = [], []
        for name in names:
            golden = case(name)
            has_picture = bool(golden.get("images"))
            rows.append(self.chat.prompt([len(tokens)] if has_picture else [], golden["user_text"]))
            tokens += [expected(name)["vision_features"][0]] if has_picture else []
        replies = sampler.decode(rows, torch.stack(tokens), False, 200)
        for name, reply in zip(names, replies):
            with self.subTest(name):
                self.assertEqual(reply.ids, case(name)["expected_ids"][:-1])
                if case(name)["num_visual_embeds"]:
                    self.assert_close(torch.cat(reply.pictures), expected(name)["visual_embeds"])

    def test_adapter_equals_the_official_one(self) -> None:
        adapter = SimplifiedSigLIPProjector(**case("adapter_mlp")["model_config"])
        adapter.load_state_dict(load_file(GOLDENS / "cases" / "adapter_mlp" / "adapter_checkpoint.safetensors"))
        golden = expected("adapter_mlp")
        self.assert_close(adapter(golden["input"]), golden["output"])

    def test_one_zero_stands_for_all_zeros_of_a_condition(self) -> None:
        torch.manual_seed(0)
        visualizer = Visualizer().eval()
        latents, condition = torch.randn(2, 4, 8, 8), torch.randn(2, tower.VISUAL_TOKENS, ADAPTER_CONFIG["output_dim"])
        timesteps = torch.tensor([20, 900])
        filled = F.pad(condition, (0, 0, 0, 77 - tower.VISUAL_TOKENS))
        self.assert_close(visualizer(latents, timesteps, condition), visualizer.unet(latents, timesteps, filled).sample)

    def test_exported_names_are_the_official_ones(self) -> None:
        unread = ("model.vision_tower.", "model.vision_proj.")
        official = patterns({name for name in self.names if not name.startswith(unread)})
        chat = Chat(self.chat.tokenizer, tower.VISUAL_TOKENS)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder)
            network, visualizer = MetaMorph(build_text_model(chat)), Visualizer()
            export.write_model(network, chat, target)
            vision = SiglipVisionModel(tower.build_tower(768).config.vision_config)
            export.write_tower(vision, target / "siglip")
            export.write_visualizer(visualizer, target / "visualizer", is_official=True)
            self.assertEqual(patterns(golden_names(target / "model.safetensors")), official)
            config = json.loads((target / "config.json").read_text())
            self.assertEqual(set(config), set(self.config))
            self.assertEqual(config["num_image_tokens"], tower.VISUAL_TOKENS)
            for name in ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
                wanted = set(json.loads((CHECKPOINT / name).read_text()))
                self.assertEqual(set(json.loads((target / name).read_text())), wanted, name)
            whole = golden_names(TOWER / "model.safetensors")
            wanted = patterns({name for name in whole if name.startswith("vision_model.")})
            self.assertEqual(patterns(golden_names(target / "siglip" / "model.safetensors")), wanted)
            for name in ("unet_checkpoint", "adapter_checkpoint"):
                golden = torch.load(GOLDENS / "visualizer" / f"{name}.pt", weights_only=True)["model_state_dict"]
                wanted = patterns(set(golden))
                saved = target / "visualizer" / name
                self.assertEqual(patterns(golden_names(saved.with_suffix(".safetensors"))), wanted)
                loaded = torch.load(saved.with_suffix(".pt"), weights_only=True)["model_state_dict"]
                self.assertEqual(patterns(set(loaded)), wanted)
            again = SiglipVisionModel.from_pretrained(target / "siglip")
            self.assertEqual(again.config.hidden_size, tower.WIDTH)
            shapes = {name: tuple(t.shape) for name, t in load_file(target / "model.safetensors").items()}
            self.assertEqual(shapes["model.mm_projector.0.weight"], (config["hidden_size"], config["mm_hidden_size"]))
            self.assertEqual(shapes["vision_head.2.weight"], (config["mm_hidden_size"], config["hidden_size"]))
            self.assertEqual(shapes["lm_head.weight"], (config["vocab_size"], config["hidden_size"]))


@unittest.skipUnless(torch, "needs PyTorch")
class LessonTests(unittest.TestCase):
    """What is learned of a row."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = train_tokenizer(Path(folder) / "tokenizer.json", 0)
        cls.chat = Chat(tokenizer, tower.VISUAL_TOKENS)
        told = pool.story(1, 0, 48, 8)
        cls.pool = pool.Pool(scenes=pool.singles() + told[0])
        first = len(cls.pool.scenes) - len(told[0])
        cls.pool.plain = list(range(first, first + told[1]))
        cls.pool.edits = [(first + a, first + b) for a, b in told[2]]
        cls.pool.motions = [(tuple(first + i for i in seen), text, first + b) for seen, text, b in told[3]]
        cls.pool.numbers = {scene: i for i, scene in enumerate(cls.pool.scenes)}
        cls.pool.tokens = F.normalize(torch.randn(len(cls.pool.scenes), tower.VISUAL_TOKENS, tower.WIDTH), dim=-1).half()
        cls.teacher = lessons.Teacher(cls.chat, cls.pool)

    def test_special_tokens_stand_behind_the_merges_in_order(self) -> None:
        ids = [self.chat.tokenizer.token_to_id(token) for token in SPECIALS]
        self.assertEqual(ids, list(range(ids[0], ids[0] + len(SPECIALS))))
        self.assertEqual(ids[-1], self.chat.tokenizer.get_vocab_size() - 1)
        self.assertEqual(self.chat.tokenizer.encode("x").ids[0], self.chat.bos)
        self.assertEqual(len(self.chat.ids("user")), 1)
        self.assertEqual(len(self.chat.ids("assistant")), 1)

    def test_only_answers_are_learned(self) -> None:
        row = self.chat.exchange([0], "where is it?", 1, "top left")
        batch = collate([row], tower.VISUAL_TOKENS)
        kept = batch.weights[0] > 0
        words = self.chat.ids("top left")
        wanted = [self.chat.image_start, self.chat.image_end, *words, self.chat.eot]
        self.assertEqual(batch.targets[0][kept].tolist(), wanted)
        self.assertEqual(batch.weights[0][kept].tolist()[2:-1], [1.0] * len(words))
        self.assertAlmostEqual(batch.weights[0][kept][-1].item(), MARKER_WEIGHT)

    def test_visual_tokens_are_predicted_from_the_position_before(self) -> None:
        row = self.chat.exchange([0], "make it red", 1, "")
        batch = collate([row, self.chat.exchange([], "hi", None, "red")], tower.VISUAL_TOKENS)
        start = row.starts[1]
        self.assertEqual(row.ids[start - 1], self.chat.image_start)
        self.assertEqual(row.ids[start + tower.VISUAL_TOKENS], self.chat.image_end)
        places = batch.predicting[0].nonzero().flatten().tolist()
        self.assertEqual(places, list(range(start - 1, start + tower.VISUAL_TOKENS - 1)))
        self.assertFalse(batch.predicting[1].any())
        self.assertEqual(batch.drawn.tolist(), [False] * tower.VISUAL_TOKENS + [True] * tower.VISUAL_TOKENS)
        # The last visual token predicts the end of the picture as a word.
        last = start + tower.VISUAL_TOKENS - 1
        self.assertEqual(batch.targets[0, last].item(), self.chat.image_end)
        self.assertGreater(batch.weights[0, last].item(), 0)

    def test_a_second_turn_follows_the_end_of_the_first(self) -> None:
        row = self.chat.finish(self.chat.words(self.chat.question(self.chat.start([0]), "what is it", 1), "star"))
        self.chat.next_turn(row)
        ends = [i for i, token in enumerate(row.ids) if token == self.chat.eot]
        self.assertEqual(len(ends), 2)
        self.assertEqual(row.targets[ends[1] - 1], self.chat.eot)
        self.assertEqual(row.weights[ends[1]], 0)

    def test_a_placeholder_is_where_the_picture_stands(self) -> None:
        row = self.chat.prompt([0], f"look at {PLACEHOLDER} now")
        start = row.starts[0]
        self.assertEqual(row.ids[: start - 1][-2:], self.chat.ids("\nlook at ")[-2:])
        self.assertEqual(row.ids[start], VISUAL)

    def test_the_mix_is_the_papers(self) -> None:
        mix = lessons.Mix()
        read = mix.pictures * mix.drills + mix.talks
        other = sum(count for _, count in mix.other)
        total = read + mix.drawings + other
        self.assertAlmostEqual(read / total, 0.7, delta=0.02)
        self.assertAlmostEqual(mix.drawings / total, 0.2, delta=0.02)
        self.assertAlmostEqual(other / total, 0.1, delta=0.02)

    def test_shared_beginnings_give_the_loss_of_whole_rows(self) -> None:
        mix = lessons.Mix(pictures=3, drills=2)
        beginnings, asked = self.teacher.drills(random.Random(1), 4, mix)
        network = MetaMorph(build_text_model(self.chat)).eval()
        trainer = vpit.Trainer(network, self.teacher, Readers(tower.WIDTH), torch.device("cpu"))
        with torch.no_grad():
            shared, _ = trainer.drill_loss(beginnings, asked)
            rows = []
            for i, row in enumerate(asked):
                whole = self.chat.start(beginnings[i // 2].pictures)
                for token, target, weight in zip(row.ids, row.targets, row.weights):
                    whole.add([token])
                    whole.targets[-1], whole.weights[-1] = target, weight
                    whole._closed = True
                rows.append(whole)
            batch, tokens = trainer.batch(rows)
            hidden, _ = network.walk(network.embed(batch, tokens.flatten(0, 1))[:, None])
            apart, _, _ = trainer.told(hidden[:, 0], batch)
        self.assertAlmostEqual(shared.item(), apart.item(), places=4)

    def test_language_begins_as_the_llama_that_read_the_worlds_text(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            sequencer = documents.Sequencer(documents.train_tokenizer(Path(folder) / "tokenizer.json", 0))
        torch.manual_seed(4)
        known = llama.build_text_model(sequencer.tokenizer, sequencer.bos, sequencer.eos).eval()
        model = pretrained_text_model(self.chat, known, sequencer).eval()
        text = "a small red circle"
        ours, theirs = self.chat.ids(text), sequencer.ids(text)
        pieces = [[tokenizer.id_to_token(i) for i in ids] for tokenizer, ids in ((self.chat.tokenizer, ours), (sequencer.tokenizer, theirs))]
        self.assertEqual(*pieces)
        with torch.no_grad():
            logits = model(torch.tensor([[self.chat.bos, *ours]])).logits[0]
            wanted = known(torch.tensor([[sequencer.bos, *theirs]])).logits[0]
        self.assertTrue(torch.equal(logits[:, [*ours, self.chat.image_start]], wanted[:, [*theirs, sequencer.boi]]))
        new = [t for t in self.chat.tokenizer.get_vocab() if sequencer.tokenizer.token_to_id(t) is None and t not in SPECIALS]
        row = self.chat.tokenizer.token_to_id(new[0])
        parts = sequencer.ids(self.chat.tokenizer.decode([row]))
        mean = known.model.embed_tokens.weight[parts].mean(0)
        self.assertTrue(torch.equal(model.model.embed_tokens.weight[row], mean))

    def test_every_weight_is_trained(self) -> None:
        network = MetaMorph(build_text_model(self.chat))
        trainer = vpit.Trainer(network, self.teacher, Readers(tower.WIDTH), torch.device("cpu"))
        loss, values = trainer.step(random.Random(2), 4, lessons.Mix(pictures=2, drills=2, talks=4, drawings=2))
        loss.backward()
        self.assertTrue(all(torch.isfinite(value) for value in values.values()))
        missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        self.assertEqual(missing, [])

    def test_read_tokens_of_questions_are_exact(self) -> None:
        tokens = F.normalize(torch.randn(6, tower.VISUAL_TOKENS, tower.WIDTH), dim=-1)
        drawn = torch.tensor([True, False] * 3)
        for _ in range(20):
            read = vpit.disturbed(tokens, drawn)
            self.assertTrue(torch.equal(read[~drawn], tokens[~drawn]))
            self.assertTrue(torch.allclose(read.norm(dim=-1), torch.ones(()), atol=1e-5))
        self.assertFalse(torch.equal(vpit.disturbed(tokens.repeat(9, 1, 1), drawn.repeat(9)), tokens.repeat(9, 1, 1)))

    def test_pool_stays_on_the_training_side(self) -> None:
        from shapes.world import split

        self.assertTrue(all(split(scene) == "train" for scene in self.pool.scenes))


if __name__ == "__main__":
    unittest.main()
