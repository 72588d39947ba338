"""The one door between labelled data and tensors."""
