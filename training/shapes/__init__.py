"""The Shapes world: scenes, their pictures, the language about them, and the scorer. Needs numpy and Pillow only."""
