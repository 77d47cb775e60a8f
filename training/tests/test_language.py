"""Captions, questions and edits say what is true of their scenes."""

import random
import unittest

from shapes import captions, edits, frames, knowledge, naming, pairs, questions, strangers, thinking
from shapes.benchmark import ANSWERS, CONFIRMATIONS, COPIES, EDITS, NEXT, PAIRS, SEVERAL, SINGLE, STRANGERS, THINKING, Cases, run
from shapes.inventory import entries
from shapes.wording import typed
from shapes.world import COLOR_NAMES, GROUND_NAMES, PLACES, SHAPES, Scene, Thing, alike, random_scene, render, split

SCENE = Scene.of("gray", [Thing("circle", "red", "small", "top left"), Thing("star", "blue", "large", "center")])


class NamingTests(unittest.TestCase):
    def test_a_name_means_the_one_thing_that_fits(self) -> None:
        twins = [Thing("star", "red", "small", "top"), Thing("star", "blue", "large", "center"), Thing("ring", "red", "small", "left")]
        scene = Scene.of("gray", twins)
        meant = {
            "Where is the SMALL star?": ["top"],
            "is the blue star above the ring": ["center", "left"],
            "what shape is the large object": ["center"],
            "where is the star": [],
            "how many stars are there": [],
            "is there a green ring": [],
        }
        for text, places in meant.items():
            with self.subTest(text):
                self.assertEqual([thing.place for _, thing in naming.named(text, scene)], places)
        self.assertEqual([end for end, _ in naming.named("is the blue star above the ring", scene)], [16, 31])

    def test_a_skill_is_what_it_takes_to_tell_a_thing_from_the_others(self) -> None:
        small, large, ring = (
            Thing("star", "red", "small", "top"),
            Thing("star", "red", "large", "center"),
            Thing("ring", "red", "small", "left"),
        )
        alone, twins = Scene.of("gray", [small, ring]), Scene.of("gray", [small, large, ring])
        rng = random.Random(0)
        for scene, thing, expected in (
            (alone, small, {"star": "by shape", "red star": "by shape", "small star": "by shape"}),
            (twins, small, {"small star": "by size and shape"}),
            (twins, large, {"large star": "by size"}),
            (twins, ring, {"ring": "by shape", "red ring": "by shape", "small ring": "by shape"}),
        ):
            names = dict(filter(None, (questions.unique_name(thing, scene, rng, "place") for _ in range(200))))
            self.assertEqual(names, expected)

    def test_alike_scenes_share_more_and_stay_in_their_part(self) -> None:
        rng = random.Random(3)
        for _ in range(300):
            scene = random_scene(rng, part="train")
            changed = alike(scene, rng)
            self.assertEqual(split(changed), "train")
            self.assertEqual([t.place for t in changed.things], [t.place for t in scene.things])
            if changed != scene:
                self.assertGreater(shared_looks(changed), 0)


def shared_looks(scene: Scene) -> int:
    """Pairs of things that share a shape or a color."""
    pairs = [(a, b) for i, a in enumerate(scene.things) for b in scene.things[:i]]
    return sum(a.shape == b.shape or a.color == b.color for a, b in pairs)


class CaptionTests(unittest.TestCase):
    def test_description_is_canonical(self) -> None:
        self.assertEqual(
            captions.description(SCENE),
            "a small red circle at the top left and a large blue star at the center on a gray background",
        )

    def test_full_captions_name_every_shape_and_color(self) -> None:
        rng = random.Random(0)
        for _ in range(300):
            scene = random_scene(rng)
            text = captions.full_caption(scene, rng, held_out=rng.random() < 0.5).lower()
            for thing in scene.things:
                self.assertIn(thing.shape, text)
                self.assertIn(thing.color, text)

    def test_held_out_wordings_are_not_trained_on(self) -> None:
        self.assertFalse(set(captions.FULL) & set(captions.HELD_OUT_FULL))

    def test_negations_name_an_absent_shape(self) -> None:
        rng = random.Random(1)
        for _ in range(300):
            text = captions.open_caption(SCENE, rng).lower()
            if " no " in text:
                self.assertNotIn("no circle", text)
                self.assertNotIn("no star", text)

    def test_pictures_never_come_with_facts_that_are_text_only(self) -> None:
        rng = random.Random(2)
        for _ in range(2000):
            text = captions.open_caption(random_scene(rng, 1), rng).lower()
            for thing in knowledge.TEXT_ONLY:
                self.assertNotIn(f"of {thing} ", text + " ")

    def test_typing_varies_but_keeps_the_words(self) -> None:
        rng = random.Random(3)
        texts = {typed("a small red circle", rng) for _ in range(200)}
        self.assertGreater(len(texts), 5)
        self.assertTrue(all("red circle" in text.lower() for text in texts))


class QuestionTests(unittest.TestCase):
    def test_words_outside_the_world_are_answered_politely(self) -> None:
        rng = random.Random(11)
        for held_out, words in ((False, strangers.STRANGERS), (True, strangers.HELD_OUT_STRANGERS)):
            for _ in range(200):
                asked = questions.ask(random_scene(rng), rng, "stranger", held_out)
                if asked.kind == "stranger":
                    self.assertEqual(asked.answer, strangers.REPLY)
                    self.assertTrue(any(word in asked.text.lower() for word in words), asked.text)

    def test_strangers_are_strangers(self) -> None:
        self.assertFalse(set(strangers.STRANGERS) & set(strangers.HELD_OUT_STRANGERS))
        known = {word for things in knowledge.FACTS.values() for thing in things for word in thing.split()}
        known |= {*SHAPES, *COLOR_NAMES, *GROUND_NAMES, "small", "large", "big", "little", "thing", "object"}
        self.assertFalse(known & {*strangers.STRANGERS, *strangers.HELD_OUT_STRANGERS})

    def answer(self, kind: str, *words: str) -> set[str]:
        rng = random.Random(4)
        asked = (questions.ask(SCENE, rng, kind) for _ in range(400))
        return {q.answer for q in asked if all(word in q.text.lower() for word in words)}

    def test_answers_are_true(self) -> None:
        self.assertEqual(self.answer("color", "circle"), {"red"})
        self.assertEqual(self.answer("place", "star"), {"center"})
        self.assertEqual(self.answer("ground"), {"gray"})
        self.assertEqual(self.answer("relation", "is the circle above the star"), {"yes"})
        self.assertEqual(self.answer("relation", "is the circle right of the star"), {"no"})
        self.assertEqual(self.answer("comparison", "same color"), {"no"})
        self.assertEqual(self.answer("count", "how many stars are"), {"1"})
        self.assertEqual(self.answer("confirmation", "circle is red"), {"yes"})
        self.assertEqual(self.answer("confirmation", "star", "red"), {"no"})
        self.assertEqual(self.answer("confirmation", "is black"), {"no"})

    def test_answers_are_canonical(self) -> None:
        rng = random.Random(5)
        for _ in range(500):
            answer = questions.ask(random_scene(rng), rng).answer
            self.assertEqual(answer, answer.lower().strip(" .?!"))

    def test_an_empty_question_asks_for_a_description(self) -> None:
        self.assertEqual(self.answer("description"), {captions.description(SCENE)})


class EditTests(unittest.TestCase):
    def test_every_edit_changes_the_scene(self) -> None:
        rng = random.Random(6)
        for _ in range(300):
            scene = random_scene(rng)
            change = edits.edit(scene, rng)
            self.assertNotEqual(change.result, scene)
            self.assertEqual(edits.kind_of(scene, change.result), change.kind)

    def test_a_scene_to_edit_has_edits_beside_its_ground(self) -> None:
        def kinds(scene: Scene) -> set[str]:
            rng = random.Random(scene.key)
            return {edits.edit(scene, rng).kind for _ in range(60)}

        twins = [Thing(*looks, "large", place) for looks, place in zip([("circle", "red"), ("star", "blue")] * 2, PLACES)]
        self.assertEqual(kinds(Scene.of("gray", twins)), {"ground"})
        rng = random.Random(8)
        for _ in range(300):
            self.assertGreater(len(kinds(edits.scene_to_edit(rng, 4, "train"))), 4)
        rng = random.Random(8)
        self.assertTrue(any(kinds(random_scene(rng, 4, "train")) == {"ground"} for _ in range(300)), "the filter was not needed")

    def test_an_edit_leaves_the_rest_alone(self) -> None:
        change = edits.edit(SCENE, random.Random(7), "ground")
        self.assertEqual(change.result.things, SCENE.things)


class ThinkingTests(unittest.TestCase):
    def test_a_thought_shows_the_object_that_is_asked_about(self) -> None:
        rng = random.Random(8)
        for _ in range(300):
            scene = random_scene(rng)
            thought = thinking.think(scene, rng)
            if thought:
                (thing,) = thought.part.things
                self.assertIn(thing, scene.things)
                self.assertEqual(thought.part.ground, scene.ground)
                self.assertEqual(getattr(thing, thought.question.kind), thought.question.answer)

    def test_thoughts_of_training_show_no_held_out_picture(self) -> None:
        rng = random.Random(9)
        thoughts = [thinking.think(random_scene(rng, part="train"), rng, "train") for _ in range(500)]
        self.assertTrue(all(split(thought.part) == "train" for thought in thoughts if thought))

    def test_held_out_wordings_are_not_trained_on(self) -> None:
        rng = random.Random(10)
        texts = [t.question.text.lower() for _ in range(300) if (t := thinking.think(SCENE, rng))]
        self.assertFalse(any(text.startswith(thinking.LEADS[-1]) for text in texts))


class FramesTests(unittest.TestCase):
    def test_a_motion_goes_on_in_its_line(self) -> None:
        rng = random.Random(11)
        for _ in range(100):
            motion = frames.motion(rng, "move")
            things = [set(scene.things) for scene in (*motion.frames, motion.result)]
            (first,), (second,), (third,) = (now - (things[0] & things[1] & things[2]) for now in things)
            self.assertEqual((first.shape, first.color, first.size), (third.shape, third.color, third.size))
            self.assertEqual(2 * second.row, first.row + third.row)
            self.assertEqual(2 * second.column, first.column + third.column)

    def test_a_row_grows_by_one(self) -> None:
        rng = random.Random(12)
        for _ in range(100):
            motion = frames.motion(rng, "row")
            counts = [len(scene.things) for scene in (*motion.frames, motion.result)]
            self.assertEqual([counts[1] - counts[0], counts[2] - counts[1]], [1, 1])

    def test_motions_of_training_show_no_held_out_picture(self) -> None:
        rng = random.Random(13)
        for _ in range(200):
            motion = frames.motion(rng, part="train")
            self.assertEqual({split(scene) for scene in (*motion.frames, motion.result)}, {"train"})
        self.assertEqual(split(frames.motion(rng, part="test").result), "test")

    def test_only_one_frame_is_the_answer(self) -> None:
        rng = random.Random(14)
        for _ in range(200):
            asked = frames.which_frame(rng)
            shown = [any(t.shape in asked.text.lower() for t in frame.things) for frame in asked.frames]
            self.assertEqual(shown.count(True), 1)
            self.assertEqual(frames.ORDINALS[shown.index(True)], asked.answer)


class PairTests(unittest.TestCase):
    def test_only_what_is_named_comes_from_the_second_picture(self) -> None:
        rng = random.Random(15)
        for kind in ("color", "shape", "place"):
            for _ in range(50):
                pair = pairs.pair(rng, kind)
                (first,), (second,), (result,) = (scene.things for scene in (*pair.scenes, pair.result))
                self.assertEqual(getattr(result, kind), getattr(second, kind))
                for other in {"shape", "color", "size", "place"} - {kind}:
                    self.assertEqual(getattr(result, other), getattr(first, other))
                self.assertEqual(pair.result.ground, pair.scenes[0].ground)

    def test_both_objects_stand_on_the_ground_of_the_first(self) -> None:
        pair = pairs.pair(random.Random(16), "both")
        first, second = pair.scenes
        self.assertEqual(set(pair.result.things), {*first.things, *second.things})
        self.assertEqual(pair.result.ground, first.ground)

    def test_pairs_of_training_show_no_held_out_picture(self) -> None:
        rng = random.Random(17)
        for _ in range(200):
            pair = pairs.pair(rng, part="train")
            self.assertEqual({split(scene) for scene in (*pair.scenes, pair.result)}, {"train"})
        self.assertEqual(split(pairs.pair(rng, part="test").result), "test")


class BenchmarkTests(unittest.TestCase):
    def test_cases_are_held_out_and_reproducible(self) -> None:
        first, second = Cases.make(20), Cases.make(20)
        self.assertEqual(first, second)
        self.assertTrue(all(split(case.scene) == "test" for case in first.single + first.several))

    def test_a_perfect_model_scores_everything_and_a_wrong_one_nothing(self) -> None:
        cases = Cases.make(12)
        scenes = {case.prompt: case.scene for case in cases.single + cases.several}
        answers = iter([case.question.answer for case in cases.questions + cases.strangers + cases.confirmations])
        results = iter([case.edit.result for case in cases.edits])
        thoughts = [(render(case.thought.part), case.thought.question.answer) for case in cases.thoughts]
        perfect = run(
            cases,
            lambda prompts: [render(scenes[prompt]) for prompt in prompts],
            lambda pictures, asked: [next(answers) for _ in asked],
            lambda pictures, asked: [render(next(results)) for _ in asked],
            lambda pictures, texts: thoughts,
            lambda pictures, texts: [render(motion.result) for motion in cases.motions],
            lambda pictures: pictures,
            lambda pictures, texts: [render(pair.result) for pair in cases.pairs],
        )
        for name in (SINGLE, SEVERAL, ANSWERS, STRANGERS, CONFIRMATIONS, EDITS, THINKING, NEXT, COPIES, PAIRS):
            self.assertEqual(perfect.share(f"{name}: all"), 1.0, name)
        blind = run(cases, None, None, None, lambda pictures, texts: [(None, word) for _, word in thoughts])
        self.assertEqual((blind.share(f"{THINKING}: word"), blind.share(f"{THINKING}: all")), (1.0, 0.0))
        wrong = run(cases, lambda prompts: [render(SCENE) for _ in prompts], lambda _, asked: ["?"] * len(asked), None)
        for name in (f"{SINGLE}: all", f"{SEVERAL}: all", f"{ANSWERS}: all"):
            self.assertEqual(wrong.share(name), 0.0)


class InventoryTests(unittest.TestCase):
    def test_entries_are_true(self) -> None:
        scene = Scene.of("gray", [Thing("circle", "red", "small", "top left")])
        told = {entry.name: entry.value for entry in entries(scene, random.Random(3), 400)}
        self.assertEqual(told["color top left"], "red")
        self.assertEqual(told["top left"], "small red circle")
        self.assertEqual(told["shape bottom"], "none")
        self.assertEqual(told["background"], "gray")


if __name__ == "__main__":
    unittest.main()
