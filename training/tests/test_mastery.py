"""Lessons are chosen by what still fails."""

import importlib.util
import random
import unittest
from collections import Counter

from shapes.world import Scene, Thing

if importlib.util.find_spec("torch"):
    from recipe.mastery import TERM, Mastery
    from recipe.rows import Row

SCENE = Scene.of("gray", [Thing("circle", "red", "small", "top left"), Thing("star", "blue", "large", "center")])


@unittest.skipUnless(importlib.util.find_spec("torch"), "needs PyTorch")
class MasteryTests(unittest.TestCase):
    def setUp(self) -> None:
        self.mastery = Mastery()
        self.rng = random.Random(1)

    def skills(self) -> Counter[str]:
        return Counter(q.skill for _ in range(100) for q in self.mastery.questions(SCENE, self.rng, 8))

    def learn(self, failing: str, batches: int) -> None:
        """Answers everything right but what needs `failing`."""
        for _ in range(batches):
            rows = [Row(question.skill) for question in self.mastery.questions(SCENE, self.rng, 8)]
            self.mastery.record(rows, {i for i, row in enumerate(rows) if row.skill == failing})

    def test_what_fails_is_asked_more(self) -> None:
        before = self.skills()["color by shape"]
        self.learn("color by shape", TERM - 1)
        self.assertGreater(self.skills()["color by shape"], 2 * before)
        self.assertGreater(len(self.skills()), 20)

    def test_a_failing_skill_comes_into_focus(self) -> None:
        focused = set()
        for _ in range(12):
            self.learn("place by color", TERM)
            focused.add(self.mastery.focus)
        self.assertIn("place by color", focused)
        self.assertGreater(self.mastery.worst, 0.9)

    def test_half_of_the_lessons_are_in_the_focus(self) -> None:
        self.mastery.focus = "place by color"
        asked = self.skills()
        self.assertGreater(asked["place by color"], 0.4 * asked.total())
        self.assertLess(asked["place by color"], 0.6 * asked.total())

    def test_one_lesson_alone_is_sometimes_in_the_focus(self) -> None:
        self.mastery.focus = "add"
        for offered, share in ((["add"] * 6, 1.0), (["add", *["move"] * 5], 0.5), (["move"] * 6, 0.0)):
            taken = [self.mastery.choose(offered, self.rng, 1, str) for _ in range(400)]
            self.assertTrue(all(len(lessons) == 1 for lessons in taken))
            self.assertAlmostEqual(sum(lessons == ["add"] for lessons in taken) / 400, share, delta=0.1)

    def test_entries_come_from_what_the_task_changes(self) -> None:
        after = Scene.of("gray", [SCENE.things[0]])
        told = [e for _ in range(50) for e in self.mastery.entries(after, self.rng, 8, "remove", SCENE)]
        changed = [e for e in told if e.skill.endswith("changed")]
        self.assertGreater(len(changed), 100)
        self.assertEqual({e.value for e in changed}, {"none", "nothing"})

    def test_rows_without_a_skill_do_not_count(self) -> None:
        self.mastery.record([Row(), Row("size by shape")], {0})
        self.assertEqual(set(self.mastery.failing), {"size by shape"})
        for _ in range(2 * TERM):
            self.mastery.record([Row()], {0})
        self.assertEqual(self.mastery.focus, "")


if __name__ == "__main__":
    unittest.main()
