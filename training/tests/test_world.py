"""The world, its split, and the scorer that reads its pictures. Run: python3 -m unittest discover -s training/tests -t training"""

import io
import random
import unittest

import numpy as np
from PIL import Image, ImageFilter

from shapes import world
from shapes.scorer import Unclear, read_picture, score_picture
from shapes.world import Scene, Thing, random_scene, render, split


def encoded(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


class WorldTests(unittest.TestCase):
    def test_scenes_are_reproducible_from_their_seed(self) -> None:
        first, second = ([random_scene(random.Random(7)) for _ in range(5)] for _ in range(2))
        self.assertEqual(first, second)

    def test_no_cell_holds_two_things(self) -> None:
        rng = random.Random(1)
        for _ in range(200):
            places = [thing.place for thing in random_scene(rng).things]
            self.assertEqual(len(places), len(set(places)))

    def test_split_holds_out_about_a_tenth(self) -> None:
        rng = random.Random(2)
        parts = [split(random_scene(rng)) for _ in range(4000)]
        self.assertAlmostEqual(parts.count("test") / 4000, 0.05, delta=0.02)
        self.assertAlmostEqual(parts.count("validation") / 4000, 0.05, delta=0.02)

    def test_split_ignores_the_order_of_things(self) -> None:
        things = [Thing("star", "red", "small", "top"), Thing("ring", "blue", "large", "left")]
        self.assertEqual(Scene.of("black", things), Scene.of("black", things[::-1]))

    def test_pixels_have_the_colors_of_the_scene(self) -> None:
        picture = render(Scene.of("cyan", [Thing("square", "pink", "large", "center")]))
        self.assertEqual(tuple(picture[32, 32]), world.COLORS["pink"])
        self.assertEqual(tuple(picture[0, 0]), world.GROUNDS["cyan"])

    def test_ring_shows_the_ground_in_its_hole(self) -> None:
        picture = render(Scene.of("gray", [Thing("ring", "red", "large", "center")]))
        self.assertEqual(tuple(picture[32, 32]), world.GROUNDS["gray"])

    def test_edges_are_anti_aliased(self) -> None:
        picture = render(Scene.of("white", [Thing("circle", "blue", "large", "center")]))
        self.assertGreater(len(np.unique(picture[..., 0])), 4)


class ScorerTests(unittest.TestCase):
    def test_every_thing_is_read_at_every_place(self) -> None:
        for shape in world.SHAPES:
            for size in world.SIZE_NAMES:
                for i, place in enumerate(world.PLACES):
                    color = world.COLOR_NAMES[i % len(world.COLOR_NAMES)]
                    scene = Scene.of(world.GROUND_NAMES[i % 4], [Thing(shape, color, size, place)])
                    self.assertEqual(read_picture(render(scene)).scene, scene)

    def test_crowded_scenes_are_read(self) -> None:
        rng = random.Random(3)
        for _ in range(100):
            scene = random_scene(rng, 4)
            self.assertEqual(read_picture(render(scene)).scene, scene)

    def test_slight_blur_and_noise_do_not_matter(self) -> None:
        rng, noise = random.Random(4), np.random.default_rng(4)
        for _ in range(50):
            scene = random_scene(rng)
            blurred = np.asarray(Image.fromarray(render(scene)).filter(ImageFilter.GaussianBlur(0.5)))
            noisy = np.clip(blurred + noise.normal(0, 5, blurred.shape), 0, 255).astype(np.uint8)
            self.assertEqual(read_picture(noisy).scene, scene)

    def test_each_wrong_attribute_is_noticed(self) -> None:
        scene = Scene.of("white", [Thing("star", "red", "small", "top")])
        wrong = {
            "ground": Scene.of("black", scene.things),
            "shape": Scene.of("white", [Thing("heart", "red", "small", "top")]),
            "color": Scene.of("white", [Thing("star", "green", "small", "top")]),
            "size": Scene.of("white", [Thing("star", "red", "large", "top")]),
            "place": Scene.of("white", [Thing("star", "red", "small", "left")]),
            "count": Scene.of("white", [*scene.things, Thing("ring", "blue", "large", "bottom")]),
        }
        for attribute, other in wrong.items():
            scores = score_picture(encoded(render(other)), scene)
            self.assertFalse(scores[attribute], attribute)
            self.assertFalse(scores["all"], attribute)

    def test_the_right_picture_scores_in_everything(self) -> None:
        scene = random_scene(random.Random(5), 3)
        self.assertTrue(all(score_picture(encoded(render(scene)), scene).values()))

    def test_larger_pictures_are_scaled(self) -> None:
        scene = random_scene(random.Random(6), 2)
        large = render(scene).repeat(4, 0).repeat(4, 1)
        self.assertTrue(score_picture(encoded(large), scene)["all"])

    def test_a_blob_is_an_unclear_object(self) -> None:
        picture = render(Scene.of("white", [])).copy()
        picture[24:40, 28:31] = world.COLORS["red"]
        reading = read_picture(picture)
        self.assertEqual(reading.things, (Unclear("center"),))
        self.assertIsNone(reading.scene)

    def test_noise_is_no_scene(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        self.assertIsNone(read_picture(noise).scene)


if __name__ == "__main__":
    unittest.main()
