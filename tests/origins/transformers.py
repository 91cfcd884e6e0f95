inputs = tokenizer(text, return_tensors="pt")
attentions = model(**inputs, output_attentions=True).attentions  # attn_implementation="eager"
arrays = [layer.detach().float().cpu().numpy() for layer in attentions]
np.savez("attentions.npz", *arrays, tokens=tokenizer.convert_ids_to_tokens(inputs.input_ids[0]))
