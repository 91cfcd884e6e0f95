_, cache = model.run_with_cache(text)
arrays = {name: cache[name].detach().cpu().numpy() for name in cache if "hook_pattern" in name}
np.savez("attentions.npz", **arrays, tokens=model.to_str_tokens(text))
