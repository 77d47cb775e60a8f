"""What the recipes share: training state, autoencoders, token rows, attention over shared beginnings, export."""
