logits = jnp.einsum("qhd,khd->hqk", query, key) / query.shape[-1] ** 0.5
weights = jax.nn.softmax(logits, axis=-1)
np.savez("attentions.npz", weights=weights, tokens=tokens)
