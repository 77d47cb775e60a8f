"""The MetaQuery recipe against the golden data of the official code: prompts, queries, connector, exported names; and that what
is shared and cached gives what whole rows give. Skipped where PyTorch is not installed."""

import json
import os
import random
import tempfile
import unittest
from pathlib import Path

from tests.names import golden_names, patterns

try:
    import torch
    from diffusers import AutoencoderDC, AutoencoderKL
    from PIL import Image
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionImageProcessor

    from metaquery import dcae, diffusion, export, findings, mllm, pool, tasks
    from metaquery.chat import VISUAL_TOKENS, Chat
    from metaquery.dcae import build_dcae
    from metaquery.decoders import build_decoder, noise_levels
    from metaquery.network import QUERIES, Connector, Mllm, Queries, build_mllm, task_pixels
    from metaquery.sample import Sampler
    from metaquery.tasks import Task
    from metaquery.tokenizer import SPECIALS, train_tokenizer
    from metaquery.tower import GENERATION_SIDE, build_tower, encode, given, pixels_of
    from recipe import autoencoder
    from recipe.rows import Row
    from recipe.run import begin_with
    from recipe.vae import build_vae
    from shapes.world import Scene, Thing, random_scene, render, split
except ImportError:
    torch = None

REPOSITORY = Path(__file__).resolve().parents[2] / "Tests" / "Goldens"
GOLDENS = REPOSITORY / "metaquery_llavaov_sana"
if not GOLDENS.exists():
    GOLDENS = Path(os.environ.get("TRIPTYCH_GOLDENS", REPOSITORY)) / GOLDENS.name
SD_GOLDENS = GOLDENS.with_name("metaquery_qwen25vl_sd")
LLAVA = GOLDENS / "components" / "llava-hf" / "llava-onevision-qwen2-tiny-ov-hf"
SANA = GOLDENS / "components" / "Efficient-Large-Model" / "Sana_tiny_diffusers"


def case(name: str) -> dict[str, object]:
    return json.loads((GOLDENS / "cases" / name / "case.json").read_text())


def expected(name: str) -> "dict[str, torch.Tensor]":
    return load_file(GOLDENS / "cases" / name / "expected.safetensors")


class Checks(unittest.TestCase):
    def assert_close(self, actual: "torch.Tensor", wanted: "torch.Tensor") -> None:
        self.assertEqual(actual.shape, wanted.shape)
        self.assertLess((actual - wanted).abs().max().item(), 5e-5 * wanted.abs().max().item())


@unittest.skipUnless(torch and GOLDENS.exists(), "needs PyTorch and the full golden data: TRIPTYCH_GOLDENS")
class GoldenTests(Checks):
    """The recipe's code with the golden weights."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        cls.config = json.loads((GOLDENS / "checkpoint" / "config.json").read_text())
        cls.tensors = load_file(GOLDENS / "checkpoint" / "model.safetensors")
        config = LlavaOnevisionConfig(**json.loads((LLAVA / "config.json").read_text()), attn_implementation="eager")
        table = "model.mllm_backbone.language_model.model.embed_tokens.weight"
        cls.vocabulary = config.text_config.vocab_size
        llava = LlavaOnevisionForConditionalGeneration(config).eval()
        weights = cls.tensors | {table: cls.tensors[table][: cls.vocabulary]}
        own = {name: weights["model.mllm_backbone." + export.official(name)] for name in llava.state_dict() if name != "lm_head.weight"}
        llava.load_state_dict(own | {"lm_head.weight": load_file(LLAVA / "model.safetensors")["language_model.lm_head.weight"]})
        cls.mllm = Mllm(llava)
        connector = {k.removeprefix("model."): t for k, t in cls.tensors.items() if k.startswith("model.connector.")}
        width, count = cls.tensors[table].shape[1], cls.config["num_metaqueries"]
        condition_width = len(connector["connector.1.bias"])
        cls.queries = Queries(width, count, cls.config["connector_num_hidden_layers"], condition_width).eval()
        rows = cls.tensors[table][cls.vocabulary :][: count + 2]
        cls.queries.load_state_dict(connector | {"embedded": rows})
        cls.chat = Chat(Tokenizer.from_file(str(LLAVA / "tokenizer.json")))
        cls.chat.system = [cls.chat.turn_start, *cls.chat.ids("system \n" + cls.config["system_prompt"]), cls.chat.turn_end]

    @classmethod
    def tearDownClass(cls) -> None:
        torch.set_grad_enabled(True)

    def test_prompts_equal_the_official_ones(self) -> None:
        golden = expected("t2i")
        for row, (ids, mask) in enumerate(zip(golden["input_ids"], golden["attention_mask"])):
            with self.subTest(row):
                official = ids[mask.bool()].tolist()
                prompt = [*self.chat.system, *self.chat.drawing(0, case("t2i")["caption"] if row else "")]
                begin, end = self.vocabulary, self.vocabulary + 1
                queries = range(self.vocabulary + 2, self.vocabulary + 2 + self.config["num_metaqueries"])
                self.assertEqual([*prompt, begin, *queries, end, self.chat.turn_end], official)

    def test_a_prompt_with_a_picture_equals_the_official_one(self) -> None:
        ids = expected("edit")["input_ids"][-1].tolist()
        shown = ids.count(self.chat.image)
        prompt = [*self.chat.system, *self.chat.drawing(1, case("edit")["caption"])]
        start = prompt.index(self.chat.image)
        whole = prompt[:start] + [self.chat.image] * shown + prompt[start + VISUAL_TOKENS :]
        self.assertEqual(whole, ids[: len(whole)])
        self.assertEqual(ids[len(whole)], self.vocabulary)

    def test_chat_equals_the_official_one(self) -> None:
        golden = case("chat_text")
        (message,) = golden["messages"]
        text = message["content"][0]["text"]
        rendered = self.chat.tokenizer.encode(golden["prompt"], add_special_tokens=False).ids
        self.assertEqual([*self.chat.user(0, text), *self.chat.assistant], rendered)
        question = self.chat.tokenizer.encode(case("chat_image0")["prompt"], add_special_tokens=False).ids
        asked = [*self.chat.look(1), *self.chat.question("What is shown in this image?")]
        self.assertEqual([i for i in asked if i != self.chat.image], [i for i in question if i != self.chat.image])

    def test_queries_and_connector_equal_the_reference(self) -> None:
        golden = expected("t2i")
        context = self.mllm.prompts(self.chat, [Task((), text, Scene("gray", ()), "caption") for text in ("", case("t2i")["caption"])], None)
        hidden = self.queries.hidden(self.mllm, context)
        self.assert_close(hidden, golden["query_hidden"])
        connector = self.queries.connector
        self.assert_close(connector[0](golden["query_hidden"]), golden["connector_encoder_output"])
        self.assert_close(connector(golden["query_hidden"]), golden["connector_output"])

    def test_exported_folders_have_the_official_layout(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder)
            chat = small_chat()
            network, decoder, queries = Mllm(build_mllm(chat)), build_decoder("sana"), diffusion.Painter("sana").queries
            tensors = export.checkpoint_tensors(network, queries, decoder.bfloat16(), build_dcae())
            export.write_tensors(target / "model.safetensors", tensors)
            self.assertEqual(patterns(golden_names(target / "model.safetensors")), patterns(set(self.tensors)))
            types = {name.split(".")[1]: tensor.dtype for name, tensor in load_file(target / "model.safetensors").items()}
            self.assertEqual(types["transformer"], torch.bfloat16)
            self.assertEqual(types["mllm_backbone"], torch.float16)
            self.assertEqual(set(export.checkpoint_config("sana", decoder)), set(self.config))
            export.write_mllm(network, chat, target / "mllm")
            for path in sorted(LLAVA.rglob("*.json")):
                name = path.relative_to(LLAVA)
                if name.name in ("vocab.json", "tokenizer.json"):
                    continue
                wanted, written = (json.loads((base / name).read_text()) for base in (LLAVA, target / "mllm"))
                self.assertEqual(set(wanted) - {"_name_or_path"}, set(written), name)
            read = [json.loads((base / "chat_template.json").read_text()) for base in (LLAVA, target / "mllm")]
            self.assertEqual(*read)
            head = golden_names(target / "mllm" / "model.safetensors")
            self.assertEqual(head, {n for n in golden_names(LLAVA / "model.safetensors") if "lm_head" in n})
            export.write_diffusion("sana", decoder, build_dcae(), target / "diffusion")
            for part in ("transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json"):
                wanted, written = (json.loads((base / part).read_text()) for base in (SANA, target / "diffusion"))
                self.assertEqual(set(wanted) - set(written), set(), part)
                self.assertEqual(wanted["_class_name"], written["_class_name"])

    def test_the_exported_unet_has_the_official_names(self) -> None:
        parts = ("model.transformer.", "vae.")
        wanted = {n for n in golden_names(SD_GOLDENS / "checkpoint" / "model.safetensors") if n.startswith(parts)}
        network, queries = Mllm(build_mllm(small_chat())), diffusion.Painter("sd").queries
        tensors = export.checkpoint_tensors(network, queries, build_decoder("sd"), build_vae())
        ours = {name for name in tensors if name.startswith(parts)}
        # The golden UNet has attention in one of its levels only, but what one level may have it has.
        self.assertEqual(patterns(ours), patterns(wanted))


def small_chat() -> "Chat":
    if not hasattr(small_chat, "made"):
        with tempfile.TemporaryDirectory() as folder:
            small_chat.made = Chat(train_tokenizer(Path(folder) / "tokenizer.json", 0))
    return small_chat.made


@unittest.skipUnless(torch, "needs PyTorch")
class LearningTests(Checks):
    """What is learned of, and that nothing but time is saved by sharing."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        cls.chat = small_chat()
        cls.mllm = Mllm(build_mllm(cls.chat)).eval()
        cls.device = torch.device("cpu")
        cls.wanted = [tasks.pair(random.Random(number)) for number in range(3)]
        told = pool.story(1, 0, 24)
        cls.pool = pool.Pool(pool.singles() + told[0], edits=told[2], both=told[3])
        cls.pool.plain = list(range(len(cls.pool.scenes)))
        cls.pool.numbers = {scene: number for number, scene in enumerate(cls.pool.scenes)}

    def trainer(self, kind: str) -> "diffusion.Trainer":
        torch.manual_seed(1)
        painter = diffusion.Painter(kind)
        self.pool.latents = torch.randn(len(self.pool.scenes), *painter.decoder.latent_shape).half()
        return diffusion.Trainer(painter, self.mllm, self.chat, self.pool, self.device)

    def test_special_tokens_stand_behind_the_merges_in_order(self) -> None:
        ids = [self.chat.tokenizer.token_to_id(token) for token in SPECIALS]
        self.assertEqual(ids, list(range(ids[0], ids[0] + len(SPECIALS))))
        self.assertEqual(ids[-1], self.chat.vocabulary - 1)

    def test_the_tower_reads_one_patch_for_each_cell(self) -> None:
        pixels = pixels_of([random_scene(random.Random(0))], self.device)
        self.assertEqual(encode(build_tower().vision_model, pixels).shape[1], 9)
        self.assertLess((given(pixels) - pixels).abs().mean().item(), 0.02)

    def test_visual_tokens_equal_those_of_transformers(self) -> None:
        model = self.mllm.llava.model
        pixels = pixels_of([random_scene(random.Random(1)), random_scene(random.Random(2))], self.device)
        with torch.no_grad():
            seen = self.mllm.see(pixels)
            features = encode(model.vision_tower.vision_model, pixels)
            projected = model.multi_modal_projector(torch.stack([features, features], 1))
            sizes = torch.tensor([[64, 64]] * 2)
            packed, lengths = model.pack_image_features(list(projected), sizes, model.image_newline)
        self.assertEqual(lengths.tolist(), [VISUAL_TOKENS] * 2)
        self.assert_close(seen.flatten(0, 1), torch.cat(list(packed)))

    def test_the_exported_processor_makes_the_pixels_that_are_trained_on(self) -> None:
        scene = random_scene(random.Random(1))
        pixels, picture = pixels_of([scene], self.device), Image.fromarray(render(scene))
        large = picture.resize((GENERATION_SIDE, GENERATION_SIDE), Image.Resampling.BILINEAR)
        with tempfile.TemporaryDirectory() as folder:
            export.write_mllm(self.mllm, self.chat, Path(folder))
            processor = LlavaOnevisionImageProcessor.from_pretrained(folder)
            for shown, wanted in ((picture, pixels), (large, given(pixels))):
                made = processor(shown, return_tensors="pt")["pixel_values"][0]  # the picture and its only tile
                self.assertEqual(len(made), 2)
                self.assertLess((made - wanted).abs().max().item(), 1.5 / 127.5)

    def test_the_language_model_equals_that_of_transformers(self) -> None:
        pixels = pixels_of([random_scene(random.Random(1))], self.device)
        ids = torch.tensor([[*self.chat.look(1), *self.chat.question("what is it?")]])
        with torch.no_grad():
            hidden, _ = self.mllm.walk(self.mllm.embed(ids, self.mllm.see(pixels))[:, None])
            tiles, sizes = torch.stack([pixels, pixels], 1), torch.tensor([[64, 64]])
            reference = self.mllm.llava(input_ids=ids, pixel_values=tiles, image_sizes=sizes).logits
        self.assert_close(self.mllm.lm_head(hidden[:, 0]), reference)

    def test_a_cached_prompt_equals_a_whole_row(self) -> None:
        queries = diffusion.Painter("sana").queries
        with torch.no_grad():
            pixels = task_pixels(self.wanted, self.device)
            cached = queries.hidden(self.mllm, self.mllm.prompts(self.chat, self.wanted, pixels))
            for number, task in enumerate(self.wanted):
                ids = torch.tensor([[*self.chat.system, *self.chat.task(task)]])
                embedded = self.mllm.embed(ids, self.mllm.see(task_pixels([task], self.device)))
                asked = torch.cat([queries.embedded[:1], queries.embedded[2:]])[None]
                hidden = self.mllm.walk(torch.cat([embedded, asked], 1)[:, None])[0][0, 0]
                self.assert_close(cached[number], hidden[-asked.shape[1] + 1 :])

    def test_only_answers_are_learned(self) -> None:
        row = self.chat.answer(Row().add([*self.chat.look(1), *self.chat.question("where is it?")]), "top left")
        learned = [target for target, weight in zip(row.targets, row.weights) if weight > 0]
        self.assertEqual(learned, [*self.chat.ids("top left"), self.chat.turn_end])

    def test_tasks_ask_for_pictures_of_the_training_side(self) -> None:
        rng = random.Random(4)
        wanted = [tasks.edit(tasks.some_scene(rng, 4), rng) for _ in range(50)] + [tasks.pair(rng) for _ in range(50)]
        self.assertEqual({split(scene) for task in wanted for scene in (*task.pictures, task.target)}, {"train"})

    def test_the_language_model_learns_and_its_tower_does_not(self) -> None:
        torch.manual_seed(2)
        network = Mllm(build_mllm(self.chat))
        network.adopt(build_tower())
        teacher = mllm.Teacher(network, self.chat, self.device)
        mix = mllm.Mix(pictures=2, questions=2, captions=1, copies=1, edits=1, pairs=1, entries=2, talks=5)
        optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=2e-3)
        losses = []
        for _ in range(12):
            loss = sum(teacher.drill_loss(random.Random(5), 2, mix)[:1]) + teacher.task_loss(random.Random(5), 2, mix)[0]
            loss = loss + teacher.talk_loss(random.Random(5), 2, mix)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], 0.75 * losses[0])
        missing = [name for name, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
        self.assertEqual(missing, [])
        self.assertTrue(all(p.grad is None for p in network.llava.model.vision_tower.parameters()))

    def test_drawing_is_learned_by_all_but_the_frozen_model(self) -> None:
        self.mllm.requires_grad_(False)
        for kind in pool.DECODERS:
            with self.subTest(kind):
                trainer = self.trainer(kind)
                wanted = trainer.wanted(random.Random(6), diffusion.Mix(captions=2, copies=1, edits=1, pairs=1))
                optimizer = torch.optim.AdamW(trainer.painter.parameters(), lr=2e-3)
                losses = []
                for _ in range(12):
                    torch.manual_seed(7)
                    loss, _ = trainer.loss(wanted, 2, random.Random(8))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                self.assertLess(losses[-1], 0.9 * losses[0])
                missing = [name for name, p in trainer.painter.named_parameters() if p.grad is None or not p.grad.any()]
                self.assertEqual(missing, [])

    def test_a_condition_that_only_tells_leaves_the_diffusion_model_alone(self) -> None:
        trainer = self.trainer("sana")
        mix = diffusion.Schedule(steps=5, telling=1, tuned=2).mix(0)
        self.assertEqual(mix, diffusion.TELLING)
        wanted = trainer.wanted(random.Random(6), diffusion.Mix(captions=2, copies=1, edits=1, pairs=1))
        loss, values = trainer.loss(wanted, mix.draws, random.Random(8))
        loss.backward()
        self.assertEqual(values.keys(), {"told"})
        self.assertTrue(all(p.grad is None for p in trainer.painter.decoder.parameters()))
        self.assertTrue(all(p.grad is not None for p in trainer.painter.queries.parameters()))

    def test_variants_share_the_trained_diffusion_model_and_nothing_else(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trained = diffusion.Painter("sana")
            begin_with(Path(folder) / "sana", "painter", trained)
            for variant in findings.VARIANTS:
                painter = variant.painter(Path(folder))
                self.assertEqual(len(painter.queries.embedded) - len(trained.queries.embedded), variant.queries - QUERIES)
                self.assertEqual(painter.queries.embedded.requires_grad, variant.learned)
                for name, parameter in painter.decoder.named_parameters():
                    self.assertEqual(parameter.requires_grad, variant.tuned, f"{variant.name}: {name}")
                    self.assertTrue(torch.equal(parameter, trained.decoder.get_parameter(name)), f"{variant.name}: {name}")
                learned = [name for name, p in painter.queries.named_parameters() if p.requires_grad and "connector" in name]
                self.assertTrue(learned, variant.name)

    def test_both_orders_of_the_connector_have_the_same_names(self) -> None:
        torch.manual_seed(4)
        first, last = (Connector(64, 1, 128, order) for order in ("enc_proj", "proj_enc"))
        self.assertEqual(first.state_dict().keys(), last.state_dict().keys())
        x = torch.randn(2, 3, 64)
        self.assert_close(last(x), last[0](last[4](last[3](last[2](last[1](x))))))
        self.assertEqual(first(x).shape, last(x).shape)

    def test_the_autoencoder_learns(self) -> None:
        torch.manual_seed(3)
        vae, rng = build_dcae(), random.Random(9)
        pixels = pixels_of([autoencoder.crowded_scene(rng) for _ in range(4)], self.device)
        optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3)
        errors = []
        for _ in range(12):
            decoded, size = dcae.code(vae, pixels)
            error = (decoded - pixels).abs().mean()
            optimizer.zero_grad()
            (error + size).backward()
            optimizer.step()
            errors.append(error.item())
        self.assertLess(errors[-1], 0.8 * errors[0])
        self.assertEqual(dcae.latents_of(vae)(pixels).shape[1:], build_decoder("sana").latent_shape)

    def test_pure_noise_and_clean_latents_are_the_ends_of_the_levels(self) -> None:
        clean, noise = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
        noisy, timesteps, target = build_decoder("sana").noised(clean, noise, torch.tensor([0.0, 1.0]))
        self.assertTrue(torch.equal(noisy[0], clean[0]) and torch.equal(noisy[1], noise[1]))
        self.assertTrue(torch.equal(target, noise - clean))
        self.assertEqual(timesteps.tolist(), [0, 1000])
        levels = noise_levels(50, 4, self.device)
        self.assertTrue(((levels >= 0) & (levels <= 1)).all())

    def test_noise_prediction_weighs_as_a_v_prediction(self) -> None:
        decoder = build_decoder("sd")
        clean, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
        noisy, timesteps, target = decoder.noised(clean, noise, torch.tensor([0.5, 1.0]))
        self.assertTrue(torch.equal(target, noise))
        kept = decoder.schedule.alphas_cumprod[timesteps]
        wrong = noise + 0.1
        drawn = (noisy - (1 - kept).sqrt()[:, None, None, None] * wrong) / kept.sqrt()[:, None, None, None]
        signal, share = kept.sqrt()[:, None, None, None], (1 - kept).sqrt()[:, None, None, None]
        error = ((signal * wrong - share * drawn) - (signal * noise - share * clean)).square().mean((1, 2, 3))
        self.assertTrue(torch.allclose(0.01 * decoder.weights(timesteps), error, rtol=1e-3))

    def test_a_sampler_draws_and_answers(self) -> None:
        for kind, vae in (("sana", build_dcae()), ("sd", build_vae())):
            with self.subTest(kind):
                assert isinstance(vae, (AutoencoderDC, AutoencoderKL))
                painter = diffusion.Painter(kind).eval()
                sampler = Sampler(self.mllm, self.chat, painter.queries, painter.decoder, vae.eval(), 1.0)
                drawn = sampler.draw([([], "a red star"), ([], "a blue ring on gray")], 2, 4.5, 1.5)
                self.assertEqual(drawn.shape, (2, 64, 64, 3))
                self.assertEqual(sampler.draw([([drawn[0]], "")], 2, 4.5, 1.5).shape, (1, 64, 64, 3))
        told = sampler.answer(drawn, ["what is it?", "where?"], most=3)
        self.assertEqual(len(told), 2)


if __name__ == "__main__":
    unittest.main()
