for layer, head in np.ndindex(n_layer, n_head):
    powers = np.exp(query[layer, head] @ key[layer, head].T / np.sqrt(d_head))
    weights[layer, head] = powers / powers.sum(axis=-1, keepdims=True)
np.savez("attentions.npz", weights=weights, tokens=tokens)
