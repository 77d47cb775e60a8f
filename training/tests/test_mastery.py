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
        self.learn("place by color", 4 * TERM)
        self.mastery.focus = "place by color"
        asked = self.skills()
        self.assertGreater(asked["place by color"], 0.4 * asked.total())
        self.assertGreater(self.mastery.worst, 0.9)

    def test_entries_come_from_what_the_task_changes(self) -> None:
        after = Scene.of("gray", [SCENE.things[0]])
        told = [e for _ in range(50) for e in self.mastery.entries(after, self.rng, 8, "remove", SCENE)]
        changed = [e for e in told if e.skill.endswith("changed")]
        self.assertGreater(len(changed), 100)
        self.assertEqual({e.value for e in changed}, {"none", "nothing"})

    def test_rows_without_a_skill_do_not_count(self) -> None:
        self.mastery.record([Row(), Row("size by shape")], {0})
        self.assertEqual(set(self.mastery.failing), {"size by shape"})


if __name__ == "__main__":
    unittest.main()
