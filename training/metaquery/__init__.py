"""The MetaQuery recipe: a frozen LLaVA-OneVision, learned queries, a connector, and a diffusion model that draws."""
