"""The frozen base: vocabulary, image tokenizer, logits and sampling."""
